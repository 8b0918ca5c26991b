"""Light wrap: the new background's light on the subject's edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image

Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])

_STRENGTH: Final = 0.5
"""Share of the background's brightness that is screened onto the edge."""
_SIGMA_PX: Final = 9.0
"""How far the light reaches: standard deviation in pixels of a picture whose shorter side is 720."""
_DOWNSCALE: Final = 4
"""The light is computed at a quarter of the picture's size."""
_BAND_ROWS: Final = 8
"""Rows of the downscaled picture that are lit at once."""


def light_wrapped(foreground: Image, background: Image, alpha: Alpha, opacity: Image | None = None) -> Image:
    """The subject with the background's light wrapped around its edge, as a camera in front of that background sees it.

    The background's colours are collected where the background is visible and fall off into the subject. They are
    screened on, ``1 - (1 - F) (1 - L)``, which never darkens.

    Args:
        foreground: ``(H, W, 3)`` uint8.
        background: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].
        opacity: ``(H, W)`` uint8: of the background, which shines as far as it is opaque; None is opaque everywhere.

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller. Pixels where alpha is 0 are unspecified.
    """
    height, width = alpha.shape
    subject = _downscale(alpha)
    sigma = _SIGMA_PX * min(width, height) / 720.0 / _DOWNSCALE
    shining = 1.0 - subject if opacity is None else (1.0 - subject) * (_downscale(opacity) * np.float32(1 / 255))
    gathered = np.rint(_downscale(background) * (_STRENGTH * shining[..., None])).astype(np.uint8)
    light = cv2.GaussianBlur(gathered, (0, 0), sigma)
    blue, green, red = cv2.split(light)
    lit = (cv2.max(cv2.max(blue, green), red) > 0) & (subject > 0.0)
    # Interpolation spreads a lit cell into its neighbours, so include them.
    reached = np.asarray(cv2.dilate(lit.astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8)
    dimming = cv2.resize(cv2.bitwise_not(light), (width, height), interpolation=cv2.INTER_LINEAR)
    result = foreground.copy()
    for part in _lit_areas(reached):
        screened = cv2.multiply(cv2.bitwise_not(result[part]), dimming[part], scale=1 / 255)
        result[part] = cv2.bitwise_not(screened)
    return result


def _downscale(plane: Pixels) -> Pixels:
    """The mean of each cell. Halving repeatedly is the fastest way in OpenCV."""
    for _ in range(2):
        size = (plane.shape[1] + 1) // 2, (plane.shape[0] + 1) // 2
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), plane.dtype)
    return plane


def _lit_areas(lit: NDArray[np.uint8]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the frame that together contain every lit cell: band by band, from left to right."""
    for top in range(0, lit.shape[0], _BAND_ROWS):
        columns = lit[top : top + _BAND_ROWS].max(axis=0)
        ends = np.flatnonzero(np.diff(columns, prepend=0, append=0))
        for left, right in zip(ends[::2], ends[1::2], strict=True):
            yield (
                slice(top * _DOWNSCALE, (top + _BAND_ROWS) * _DOWNSCALE),
                slice(int(left) * _DOWNSCALE, int(right) * _DOWNSCALE),
            )
