"""The pictures and masks of a data set by number, for training, which reads each of them many times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rtsod.data.pairs import Pair
from rtsod.data.picture_cache import PictureCache
from rtsod.data.reading import read_image, read_label
from rtsod.frames import Image


class CachedPictures:
    """Reads pairs through a cache. What it returns does not depend on whether there is one.

    Args:
        pairs: whose files have been examined.
        cache: of decoded pictures; ``PictureCache(None)`` stores nothing.
        shorter: pixels to which the shorter side is reduced, if it is longer: a photograph of 12 megapixels is then not
            read whole for a sample of 320x320. None leaves every picture as it is, as the authors' recipe needs it.
    """

    def __init__(self, pairs: Sequence[Pair], cache: PictureCache, shorter: int | None = None) -> None:
        self._pairs = tuple(pairs)
        self._cache = cache
        self._shorter = shorter

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        """A picture and its mask, which the caller may change.

        Returns:
            ``(H, W, 3)`` uint8 BGR, sRGB, and ``(H, W)`` uint8, 0..255: 255 is foreground.

        Raises:
            DataError: a file cannot be read any more.
        """
        pair = self._pairs[index]

        def image(path: Path) -> Image:
            return reduced(read_image(path, damage="ignore"), self._shorter)

        def label(path: Path) -> Image:
            found = read_label(path, white=pair.white, inverted=pair.inverted, damage="ignore")
            return reduced(found, self._shorter)

        levels = f"{pair.white}{' inverted' if pair.inverted else ''}"
        return (
            self._cache.get(pair.image, f"image {self._shorter}", image),
            self._cache.get(pair.mask, f"label {levels} {self._shorter}", label),
        )


def reduced(picture: Image, shorter: int | None) -> Image:
    """Reduce a picture by averaging areas, if its shorter side is longer than asked for.

    Args:
        picture: ``(H, W, 3)`` or ``(H, W)`` uint8.
        shorter: side in pixels; None changes nothing.
    """
    height, width = picture.shape[:2]
    if shorter is None or min(height, width) <= shorter:
        return picture
    scale = shorter / min(height, width)
    size = max(shorter, round(width * scale)), max(shorter, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
