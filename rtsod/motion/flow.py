"""Where each pixel of a picture was in another one, and how far that can be believed."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.types import Alpha, Image

WIDTH, HEIGHT = 320, 240
"""Pixels of the grey pictures that motion is found in."""

_MOTION: Final = 0.01
_SLACK: Final = 0.5
"""Forward and backward flow agree where ``|f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5`` pixels (Sundaram, Brox and Keutzer,
ECCV 2010, section 4)."""


def grey(image: Image) -> Image:
    """A frame as motion is looked for in it.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.

    Returns:
        ``(HEIGHT, WIDTH)`` uint8.
    """
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


class Flow:
    """Dense inverse search (Kroeger, Timofte, Dai and Van Gool, ECCV 2016), both ways. For one thread."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def between(self, new: Image, old: Image) -> tuple[NDArray[np.float32], Alpha]:
        """Where the pixels of ``new`` were in ``old``.

        Args:
            new: ``(HEIGHT, WIDTH)`` uint8 grey.
            old: the same.

        Returns:
            The way to go from each pixel, ``(HEIGHT, WIDTH, 2)`` float32 in pixels, x first; and how far it can be
            believed, ``(HEIGHT, WIDTH)`` float32, 0 or 1.
        """
        back = np.asarray(self._search.calc(new, old, None), np.float32)  # type: ignore[call-overload]
        forth = np.asarray(self._search.calc(old, new, None), np.float32)  # type: ignore[call-overload]
        returned = follow(forth, back)
        gap = np.square(back + returned).sum(axis=2)
        length = np.square(back).sum(axis=2) + np.square(returned).sum(axis=2)
        return back, np.asarray(gap <= _MOTION * length + _SLACK, np.float32)


def follow(picture: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """What lies in ``picture`` where ``flow`` points to; beyond its edge, the edge.

    Args:
        picture: ``(H, W)`` or ``(H, W, C)`` float32.
        flow: ``(H, W, 2)`` float32, pixels, x first.

    Returns:
        Like ``picture``.
    """
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(
        cv2.remap(picture, x, y, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
