"""Transparent pictures: without the colours that a file hides, and over black where nothing can be transparent."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import BLANK, Image, Picture


def picture_of(image: Image, alpha: Image) -> Picture:
    """Make a picture without hidden colours: where it is wholly transparent, it becomes ``BLANK``.

    Args:
        image: ``(H, W, 3)`` uint8 BGR, straight (not premultiplied) colours. It may be a part of a BGRA array, and so
            may ``alpha``.
        alpha: ``(H, W)`` uint8, 0..255.

    Returns:
        The picture; without an alpha if it is opaque everywhere.
    """
    image, alpha = np.ascontiguousarray(image), np.ascontiguousarray(alpha)
    if int(alpha.min(initial=255)) == 255:
        return Picture(image)
    return Picture(np.asarray(cv2.copyTo(image, alpha, np.full_like(image, BLANK)), np.uint8), alpha)


def cleared(image: Image, alpha: Image) -> Image:
    """Copy a picture, with 0 in all channels where ``alpha`` is 0.

    Args:
        image: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` uint8.
    """
    return np.asarray(cv2.copyTo(image, alpha, np.zeros_like(image)), np.uint8)


def over_black(image: Image, alpha: Image) -> Image:
    """Composite a transparent picture over black, ``alpha * image``, for where nothing can be transparent.

    Args:
        image: ``(H, W, 3)`` uint8, straight colours.
        alpha: ``(H, W)`` uint8, 0..255.

    Returns:
        ``(H, W, 3)`` uint8, rounded, owned by the caller.
    """
    return np.asarray(cv2.multiply(image, cv2.merge((alpha, alpha, alpha)), scale=1 / 255), np.uint8)
