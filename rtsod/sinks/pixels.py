"""Conversions that several sinks share."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Composited, Image
from rtsod.imaging.fit import fit
from rtsod.imaging.transparency import fit_straight, over_black


def require_composited(picture: object) -> Composited:
    """Check that a picture comes from the compositor, so that no raw camera frame can reach an output.

    Raises:
        TypeError: ``picture`` is anything else.
    """
    if not isinstance(picture, Composited):
        raise TypeError(f"sinks take only Composited pictures, not {type(picture).__name__}")
    return picture


def with_alpha(picture: Composited) -> Image:
    """Convert a picture to ``(H, W, 4)`` uint8 BGRA, straight alpha, with BGR = 0 wherever the alpha is 0."""
    if picture.opacity is None:
        return np.asarray(cv2.cvtColor(picture.image, cv2.COLOR_BGR2BGRA), np.uint8)
    return np.asarray(cv2.merge((*cv2.split(picture.image), picture.opacity)), np.uint8)


def opaque(picture: Composited) -> Image:
    """A picture as ``(H, W, 3)`` uint8 BGR, over black where it is transparent. Do not write into it."""
    return picture.image if picture.opacity is None else over_black(picture.image, picture.opacity)


def even(side: int) -> int:
    """Round up to an even number."""
    return side + side % 2


def bring_to(image: Image, width: int, height: int) -> Image:
    """Bring a picture to an exact size: repeat its last row or column if only that is missing, else fit it.

    Args:
        image: ``(h, w)`` or ``(h, w, 3)`` uint8, or ``(h, w, 4)`` uint8 BGRA with straight colours.
        width: of the result, pixels.
        height: of the result, pixels.

    Returns:
        ``(height, width, ...)`` uint8; ``image`` itself if it already has this size. Bars are black, or transparent.
    """
    h, w = image.shape[:2]
    right, below = width - w, height - h
    if right == below == 0:
        return image
    if 0 <= right <= 1 and 0 <= below <= 1:
        return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return fit_straight(image, width, height) if image.ndim == 3 and image.shape[2] == 4 else fit(image, width, height)
