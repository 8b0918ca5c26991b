"""Fits pictures to the network's square input, as the engines do."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.config import Fit
from rtsod.frames import Image


def fitted(picture: Image, size: int, fit: Fit, bars: tuple[int, int, int] = (0, 0, 0)) -> Image:
    """Fit a picture or a label to a square: bilinear, without antialiasing, as frames are scaled for the engines.

    Args:
        picture: ``(H, W, 3)`` or ``(H, W)`` uint8.
        size: S, in pixels.
        fit: ``stretch`` changes the aspect, ``pad`` adds bars, ``crop`` cuts off what overhangs.
        bars: BGR, of what is added to a picture; what is added to a label is background.

    Returns:
        ``(S, S, 3)`` or ``(S, S)`` uint8.
    """
    height, width = picture.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        picture = picture[top : top + side, left : left + side]
    new_w, new_h = _inner(width, height, size) if fit == "pad" else (size, size)
    scaled = np.asarray(cv2.resize(picture, (new_w, new_h), interpolation=cv2.INTER_LINEAR), np.uint8)
    if fit != "pad":
        return scaled
    square = np.empty((size, size, *picture.shape[2:]), np.uint8)
    square[:] = bars if picture.ndim == 3 else 0
    top, left = (size - new_h) // 2, (size - new_w) // 2
    square[top : top + new_h, left : left + new_w] = scaled
    return square


def unfitted(saliency: NDArray[np.float32], width: int, height: int, fit: Fit) -> NDArray[np.float32]:
    """Bring a map of a fitted picture back to the picture's size, bilinear. What ``crop`` cut off is background.

    Args:
        saliency: ``(S, S)``.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        fit: how the picture was fitted.

    Returns:
        ``(height, width)``.
    """
    size = saliency.shape[0]
    if fit == "pad":
        new_w, new_h = _inner(width, height, size)
        top, left = (size - new_h) // 2, (size - new_w) // 2
        saliency = saliency[top : top + new_h, left : left + new_w]
    if fit != "crop":
        return np.asarray(cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    whole = np.zeros((height, width), np.float32)
    whole[top : top + side, left : left + side] = cv2.resize(saliency, (side, side), interpolation=cv2.INTER_LINEAR)
    return whole


def _inner(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height of a picture that is fitted between bars."""
    scale = size / max(width, height)
    return max(1, round(scale * width)), max(1, round(scale * height))
