"""The pictures of data sets, decoded once: what samples are taken from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rtsod.data.pairs import Pair
from rtsod.data.picture_cache import PictureCache
from rtsod.data.reading import read_image, read_label
from rtsod.frames import Image


class PairPictures:
    """Pairs as :class:`rtsod.training.samples.Pictures`.

    Args:
        pairs: what to read, examined before: damage is not looked for again, which takes as long as decoding.
        cache: where decoded pictures are kept.
        shorter: larger pictures are kept and returned smaller, with this shorter side in pixels: a photograph of 12
            megapixels would take far more time and room than what a sample shows of it. None leaves every picture as
            it is. :func:`rtsod.training.presets.picture_side` says what a preset needs.
    """

    def __init__(self, pairs: Sequence[Pair], cache: PictureCache, shorter: int | None = None) -> None:
        self._pairs = pairs
        self._cache = cache
        self._shorter = shorter

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        """A picture and its label, which the caller may change.

        Raises:
            DataError: one of them cannot be read.
        """
        pair = self._pairs[index]

        def image(path: Path) -> Image:
            return reduced(read_image(path, damage="ignore"), self._shorter)

        def label(path: Path) -> Image:
            levels = read_label(path, white=pair.white, inverted=pair.inverted, damage="ignore")
            return reduced(levels, self._shorter)

        return (
            self._cache.get(pair.image, f"image reduced to {self._shorter}", image),
            self._cache.get(pair.mask, f"label {pair.white} {pair.inverted} reduced to {self._shorter}", label),
        )


def reduced(picture: Image, shorter: int | None) -> Image:
    """A picture whose shorter side has at most so many pixels; ``picture`` itself if it is no larger.

    Args:
        picture: ``(H, W, 3)`` or ``(H, W)`` uint8.
        shorter: in pixels; None does not limit it.
    """
    height, width = picture.shape[:2]
    if shorter is None or min(height, width) <= shorter:
        return picture
    scale = shorter / min(height, width)
    size = (max(shorter, round(scale * width)), max(shorter, round(scale * height)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
