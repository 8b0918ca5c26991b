"""Small data sets on the disk: pictures of noise with a disc, and the disc as their masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 24, 16


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """``(H, W, 3)`` RGB, smooth noise: JPEG keeps it nearly as it is."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.uint8)


def disc(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """``(H, W)`` of 0 and 255: a disc that does not touch the border."""
    rows, columns = np.mgrid[:height, :width]
    centre = np.random.default_rng(seed).uniform(0.4, 0.6, 2) * (height, width)
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (min(width, height) / 4) ** 2
    return np.where(inside, 255, 0).astype(np.uint8)


def save(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write pixels, as the name says, into folders that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def make_pairs(root: Path, count: int = 3, images: str = "im/{}.jpg", masks: str = "gt/{}.png", first: int = 0) -> Path:
    """Write pairs ``0001``, ``0002``, ...

    Args:
        root: folder of the data set.
        count: how many.
        images: where a picture is stored, with a place for its name.
        masks: likewise.
        first: seed of the first picture.
    """
    for seed in range(first, first + count):
        name = f"{seed + 1:04}"
        save(root / images.format(name), picture(seed))
        save(root / masks.format(name), disc(seed))
    return root
