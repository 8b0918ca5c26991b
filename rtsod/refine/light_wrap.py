"""The new background's light on the subject's rim."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from rtsod.types import Alpha, Image

_STRENGTH: Final = 0.5
_SIGMA: Final = 9.0
"""Pixels of a picture whose shorter side is 720: how far the light reaches."""
_SHRINK: Final = 4


def light_wrapped(foreground: Image, background: Image, alpha: Alpha) -> Image:
    """The subject with a rim of the background's light on it, as a camera before that background would see.

    The background's colours are gathered where the background is seen, and fall off into the subject; they are
    screened on (``1 - (1 - F) (1 - L)``), which only ever lightens.

    Args:
        foreground: ``(H, W, 3)`` uint8.
        background: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller.
    """
    height, width = alpha.shape
    size = (math.ceil(width / _SHRINK), math.ceil(height / _SHRINK))
    small = cv2.resize(background, size, interpolation=cv2.INTER_AREA)
    seen = 1.0 - np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    sigma = _SIGMA * min(width, height) / 720.0 / _SHRINK
    light = cv2.GaussianBlur(np.rint(small * (_STRENGTH * seen[..., None])).astype(np.uint8), (0, 0), sigma)
    large = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
    screened = cv2.multiply(cv2.bitwise_not(foreground), cv2.bitwise_not(large), scale=1 / 255)
    return np.asarray(cv2.bitwise_not(screened), np.uint8)
