"""The new background's light on the subject's rim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image

Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])

_STRENGTH: Final = 0.5
_SIGMA: Final = 9.0
"""Pixels of a picture whose shorter side is 720: how far the light reaches."""
_SHRINK: Final = 4
_BAND: Final = 8
"""Rows of the small picture that are lit at once."""


def light_wrapped(foreground: Image, background: Image, alpha: Alpha) -> Image:
    """The subject with a rim of the background's light on it, as a camera before that background would see.

    The background's colours are gathered where the background is seen, and fall off into the subject; they are
    screened on (``1 - (1 - F) (1 - L)``), which only ever lightens.

    Args:
        foreground: ``(H, W, 3)`` uint8.
        background: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller. Where alpha is 0, it is not said what it holds.
    """
    height, width = alpha.shape
    subject = _shrunk(alpha)
    sigma = _SIGMA * min(width, height) / 720.0 / _SHRINK
    gathered = np.rint(_shrunk(background) * (_STRENGTH * (1.0 - subject[..., None]))).astype(np.uint8)
    light = cv2.GaussianBlur(gathered, (0, 0), sigma)
    blue, green, red = cv2.split(light)
    lit = (cv2.max(cv2.max(blue, green), red) > 0) & (subject > 0.0)
    # Interpolation brings some of a lit cell into its neighbours, so they count, too.
    reached = np.asarray(cv2.dilate(lit.astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8)
    dimming = cv2.resize(cv2.bitwise_not(light), (width, height), interpolation=cv2.INTER_LINEAR)
    result = foreground.copy()
    for part in _parts(reached):
        screened = cv2.multiply(cv2.bitwise_not(result[part]), dimming[part], scale=1 / 255)
        result[part] = cv2.bitwise_not(screened)
    return result


def _shrunk(plane: Pixels) -> Pixels:
    """The mean over each cell. Halving is OpenCV's quickest way."""
    for _ in range(2):
        size = (plane.shape[1] + 1) // 2, (plane.shape[0] + 1) // 2
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), plane.dtype)
    return plane


def _parts(lit: NDArray[np.uint8]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the frame, band by band from left to right, that hold every lit cell."""
    for top in range(0, lit.shape[0], _BAND):
        columns = lit[top : top + _BAND].max(axis=0)
        ends = np.flatnonzero(np.diff(columns, prepend=0, append=0))
        for left, right in zip(ends[::2], ends[1::2], strict=True):
            yield (
                slice(top * _SHRINK, (top + _BAND) * _SHRINK),
                slice(int(left) * _SHRINK, int(right) * _SHRINK),
            )
