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
        longest: larger pictures are kept and returned smaller, with this longer side in pixels. A photograph of 12
            megapixels takes 150 ms to decode, and far more room than what a sample shows of it. None: at their own
            size, as preset ``paper`` scales them itself.
    """

    def __init__(self, pairs: Sequence[Pair], cache: PictureCache, longest: int | None = None) -> None:
        self._pairs = pairs
        self._cache = cache
        self._longest = longest

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        """A picture and its label, which the caller may change.

        Raises:
            DataError: one of them cannot be read.
        """
        pair = self._pairs[index]

        def image(path: Path) -> Image:
            return at_most(read_image(path, damage="ignore"), self._longest)

        def label(path: Path) -> Image:
            levels = read_label(path, white=pair.white, inverted=pair.inverted, damage="ignore")
            return at_most(levels, self._longest)

        return (
            self._cache.get(pair.image, f"image at most {self._longest}", image),
            self._cache.get(pair.mask, f"label {pair.white} {pair.inverted} at most {self._longest}", label),
        )


def at_most(picture: Image, longest: int | None) -> Image:
    """A picture whose longer side has at most so many pixels; ``picture`` itself if it is no larger.

    Args:
        picture: ``(H, W, 3)`` or ``(H, W)`` uint8.
        longest: in pixels; None does not limit it.
    """
    height, width = picture.shape[:2]
    if longest is None or max(height, width) <= longest:
        return picture
    scale = longest / max(height, width)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
