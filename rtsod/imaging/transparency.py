"""Removes the colours that a file hides where it is transparent."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Image, Picture


def picture_of(image: Image, alpha: Image) -> Picture:
    """Make a picture without hidden colours.

    Args:
        image: ``(H, W, 3)`` uint8 BGR, straight (not premultiplied) colours.
        alpha: ``(H, W)`` uint8, 0..255.

    Returns:
        The picture; without an alpha if it is opaque everywhere.
    """
    if int(alpha.min(initial=255)) == 255:
        return Picture(image)
    return Picture(np.asarray(cv2.bitwise_and(image, image, mask=alpha), np.uint8), alpha)
