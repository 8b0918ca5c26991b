"""Scales pictures to a given size, by cropping or by adding bars."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Image


def cover(image: Image, width: int, height: int) -> Image:
    """Scale a picture to cover ``width`` x ``height``, cropping both overhanging sides evenly.

    Args:
        image: ``(h, w, 3)`` uint8.
        width: of the result, in pixels.
        height: of the result, in pixels.

    Returns:
        ``(height, width, 3)`` uint8, contiguous; ``image`` itself if it already has that size.
    """
    h, w = image.shape[:2]
    if (w, h) == (width, height):
        return image
    # Crop before scaling, so that only visible pixels are resampled.
    scale = max(width / w, height / h)
    cut_w, cut_h = min(w, max(1, round(width / scale))), min(h, max(1, round(height / scale)))
    left, top = (w - cut_w) // 2, (h - cut_h) // 2
    return _resize(image[top : top + cut_h, left : left + cut_w], width, height)


def fit(image: Image, width: int, height: int) -> Image:
    """Scale a picture to fit inside ``width`` x ``height``, with black bars in the remaining space.

    Args:
        image: ``(h, w, 3)`` or ``(h, w)`` uint8.
        width: of the result, in pixels.
        height: of the result, in pixels.

    Returns:
        ``(height, width, 3)`` or ``(height, width)`` uint8, contiguous; ``image`` itself if it already has that size.
    """
    h, w = image.shape[:2]
    if (w, h) == (width, height):
        return image
    scale = min(width / w, height / h)
    new_w, new_h = min(width, max(1, round(w * scale))), min(height, max(1, round(h * scale)))
    result = np.zeros((height, width, *image.shape[2:]), np.uint8)
    left, top = (width - new_w) // 2, (height - new_h) // 2
    result[top : top + new_h, left : left + new_w] = _resize(image, new_w, new_h)
    return result


def _resize(image: Image, width: int, height: int) -> Image:
    shrinking = width * height < image.shape[0] * image.shape[1]
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8)
