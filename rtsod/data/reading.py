"""Reads pictures and masks as training and evaluation see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtsod.data.pairs import Pair
from rtsod.errors import DataError, SourceError
from rtsod.frames import Image
from rtsod.imaging.stills.image_file import load


def read_image(path: Path) -> Image:
    """Read a picture of any format that :func:`rtsod.imaging.stills.image_file.load` reads.

    Returns:
        ``(H, W, 3)`` uint8 BGR, sRGB, upright by its EXIF orientation.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return load(path).image
    except SourceError as error:
        raise DataError(str(error)) from error


def read_label(path: Path, *, white: int = 255, inverted: bool = False) -> Image:
    """Read a mask. For a mask of a data set call :func:`read_pair`, which knows ``white`` and ``inverted``.

    Args:
        path: of the file.
        white: as in :class:`Pair`.
        inverted: as in :class:`Pair`.

    Returns:
        ``(H, W)`` uint8, 0..255: 255 is foreground. Soft values are kept.

    Raises:
        DataError: it cannot be read, or is no mask.
    """
    label = read_image(path)[:, :, 0].astype(np.float32) * (255 / white)
    stretched = np.clip(np.rint(label), 0, 255).astype(np.uint8)
    return 255 - stretched if inverted else stretched


def read_pair(pair: Pair) -> tuple[Image, Image]:
    """Read a picture and its mask: see :func:`read_image` and :func:`read_label`.

    Raises:
        DataError: one of them cannot be read.
    """
    return read_image(pair.image), read_label(pair.mask, white=pair.white, inverted=pair.inverted)
