"""What several sinks do to pictures before they hand them on."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Composited, Image
from rtsod.imaging.fit import fit


def require_composited(picture: object) -> Composited:
    """Hold the one rule of every sink.

    Raises:
        TypeError: ``picture`` was not made by the compositor.
    """
    if not isinstance(picture, Composited):
        raise TypeError(f"sinks take only Composited pictures, not {type(picture).__name__}")
    return picture


def with_alpha(picture: Composited) -> Image:
    """The picture as ``(H, W, 4)`` uint8 BGRA, not premultiplied, cleared where its alpha is 0.

    Cleared here again, since an alpha below 1/510 rounds to 0 and would hide pixels that are not quite background.
    A picture with a background of its own (they can be changed while running) is opaque.
    """
    if not picture.transparent:
        return np.asarray(cv2.cvtColor(picture.image, cv2.COLOR_BGR2BGRA), np.uint8)
    alpha = picture.alpha8
    shown = cv2.bitwise_and(picture.image, picture.image, mask=alpha)
    return np.asarray(cv2.merge((*cv2.split(shown), alpha)), np.uint8)


def even(side: int) -> int:
    """The even number at or above ``side``."""
    return side + side % 2


def bring_to(image: Image, width: int, height: int) -> Image:
    """The picture in exactly this size: a missing last row or column repeats its neighbour, all else is fitted.

    Args:
        image: ``(h, w)`` or ``(h, w, channels)`` uint8.
        width: of the result, pixels.
        height: of the result, pixels.

    Returns:
        ``(height, width, ...)`` uint8; ``image`` itself when it has that size already.
    """
    h, w = image.shape[:2]
    right, below = width - w, height - h
    if right == below == 0:
        return image
    if 0 <= right <= 1 and 0 <= below <= 1:
        return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return fit(image, width, height)
