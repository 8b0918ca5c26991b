"""Transparent pictures: without the colours that a file hides, and over black where nothing can be transparent."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import BLANK, Image, Picture
from rtsod.imaging.fit import fit


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


def fit_straight(image: Image, width: int, height: int) -> Image:
    """Fit a transparent picture, premultiplied meanwhile, so that no colour of transparent pixels tints the others.

    Args:
        image: ``(h, w, 4)`` uint8 BGRA, straight colours.
        width: of the result, in pixels.
        height: of the result, in pixels.

    Returns:
        ``(height, width, 4)`` uint8 BGRA, straight colours; bars are transparent.
    """
    alpha = image[:, :, 3]
    fitted = fit(np.dstack([over_black(image[:, :, :3], alpha), alpha]), width, height)
    alpha = fitted[:, :, 3:]
    straight = np.rint(fitted[:, :, :3] * (255 / np.maximum(alpha, 1)))
    return np.dstack([np.minimum(straight, 255).astype(np.uint8), alpha])
