"""Drawn frames and masks of discs in front of a striped room."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image
from rtsod.motion.flow import DownscaledFrame, downscale_frame

SIZE: Final = 160
"""Side of the masks."""
FPS: Final = 30


def noise(seed: int) -> Image:
    """A frame without any structure: two seeds have nothing in common."""
    return np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)


def disc(x: float, y: float = 80, radius: float = 30, size: int = SIZE) -> Alpha:
    """A subject as the network sees one: sure inside, soft at the rim."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return np.asarray(np.clip((radius - np.hypot(columns - x, rows - y)) / 3 + 0.5, 0, 1), np.float32)


def room() -> Image:
    """The room without anybody."""
    rows, columns = np.mgrid[:240, :320]
    return np.dstack([(rows // 12 % 2) * 20 + 90, (columns // 16 % 2) * 20 + 100, rows // 4 + 100]).astype(np.uint8)


def with_discs(*places: tuple[float, int]) -> Image:
    """The room with discs at these columns and of these greys; the first stands in front of the others."""
    image = room()
    for x, grey in reversed(places):
        inside = cv2.resize(disc(x), (320, 240)) > 0.5
        stripes = (np.arange(240)[:, None] // 10 % 2 * 30 + grey).astype(np.uint8)
        image[inside] = np.broadcast_to(stripes[..., None], image.shape)[inside]
    return image


def small_with_discs(*places: tuple[float, int]) -> DownscaledFrame:
    """:func:`with_discs` at the size at which motion is estimated."""
    return downscale_frame(with_discs(*places))
