"""Photographs without a subject: parts of the samples, and the backgrounds that come with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.composite.backgrounds import ImageBackground, bundled_backgrounds
from rtsod.errors import SourceError
from rtsod.frames import Image

PARTS: Final = {
    "bike.jpg": (0.0, 0.0, 0.17, 0.17),
    "horse.jpg": (0.35, 0.0, 1.0, 0.32),
    "sailboat3.jpg": (0.0, 0.25, 0.5, 0.7),
    "boat.jpg": (0.72, 0.12, 1.0, 0.6),
}
"""Parts of the sample photographs without a subject (foliage, sky, trees, water): left, top, right and bottom as shares
of the width and height."""


def photograph_part(folder: Path, name: str) -> Image:
    """The part of a sample photograph that ``PARTS`` names.

    Args:
        folder: the folder of the sample photographs.
        name: a key of ``PARTS``.

    Returns:
        ``(H, W, 3)`` uint8 BGR.

    Raises:
        SourceError: the photograph cannot be read.
    """
    photograph = cv2.imread(str(folder / name))
    if photograph is None:
        raise SourceError(f"{folder / name}: cannot be read; point --images to the folder of the sample photographs")
    left, top, right, bottom = PARTS[name]
    height, width = photograph.shape[:2]
    part = photograph[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    return np.ascontiguousarray(part, np.uint8)


def bundled(name: str, width: int, height: int) -> Image:
    """A bundled background, ``(height, width, 3)`` uint8 BGR."""
    path = next(path for path in bundled_backgrounds() if path.stem == name)
    return ImageBackground(path).picture(width, height, 0.0)
