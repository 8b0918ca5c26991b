"""Reads pictures and masks as training and evaluation see them: the one table of how files are decoded.

========================  =============================================================================================
in the file               becomes
========================  =============================================================================================
**picture**
grey, palette, CMYK, Lab  colours
16 bit, float, HDR        rounded to 8 bits; float and HDR are clipped at white; NaN and infinity are refused
an ICC profile            sRGB
EXIF orientation          upright
alpha                     ignored; where a pixel is wholly transparent its hidden colour becomes white, as in a run
**mask**
grey, 1 bit, 2, 4 bit     the stored levels, 0 to 255; a colour profile or gamma does not apply to them
16 bit                    rounded to 8 bits; 0 to 255 where no sample is more
float                     0 to 1, rounded to 8 bits; anything else is refused
palette, colours          the level, where all channels agree; that channel, where only one is not black
alpha that is not opaque  the alpha, whatever the colours
EXIF orientation          upright
========================  =============================================================================================

Anything else is an error that names the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.data.pairs import Pair
from rtsod.errors import DataError, SourceError
from rtsod.frames import Image
from rtsod.imaging.stills.image_file import Damage, load, load_levels

_CHROMA: Final = 3.0
"""Levels, the mean difference of two channels. JPEG gives grey pictures about one; real colours have dozens."""
_WHITE: Final = 255


def read_image(path: Path, *, damage: Damage = "refuse") -> Image:
    """Read a picture.

    Args:
        path: of the file, in any format that :func:`rtsod.imaging.stills.image_file.load` reads.
        damage: in JPEG pictures; ``ignore`` halves the time, once a data set has been examined.

    Returns:
        ``(H, W, 3)`` uint8 BGR, sRGB, upright.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return load(path, damage=damage).image
    except SourceError as error:
        raise DataError(str(error)) from error


def read_label(path: Path, *, white: int = _WHITE, inverted: bool = False, damage: Damage = "refuse") -> Image:
    """Read a mask. For a mask of a data set call :func:`read_pair`, which knows ``white`` and ``inverted``.

    Args:
        path: of the file.
        white: as in :class:`Pair`.
        inverted: as in :class:`Pair`.
        damage: as for :func:`read_image`.

    Returns:
        ``(H, W)`` uint8, 0..255: 255 is foreground. Soft levels are kept.

    Raises:
        DataError: it cannot be read, or is a colour picture.
    """
    return stretched(read_levels(path, damage=damage), white=white, inverted=inverted)


def read_pair(pair: Pair, *, damage: Damage = "ignore") -> tuple[Image, Image]:
    """Read a picture and its mask, which have been examined; see :func:`read_image` and :func:`read_label`.

    Raises:
        DataError: one of them cannot be read.
    """
    label = read_label(pair.mask, white=pair.white, inverted=pair.inverted, damage=damage)
    return read_image(pair.image, damage=damage), label


def read_levels(path: Path, *, damage: Damage = "refuse") -> Image:
    """Read a mask's stored levels.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        DataError: it cannot be read, or is a colour picture.
    """
    try:
        levels = load_levels(path, damage=damage)
    except SourceError as error:
        raise DataError(str(error)) from error
    if levels.alpha is not None and int(levels.alpha.min()) < _WHITE:
        return levels.alpha
    if levels.colours.ndim == 2:
        return levels.colours
    channels: list[Image] = [np.ascontiguousarray(levels.colours[:, :, channel]) for channel in range(3)]
    used = [channel for channel in channels if channel.any()]
    if len(used) <= 1:
        return used[0] if used else channels[0]
    if max(float(np.mean(cv2.absdiff(channels[0], other))) for other in channels[1:]) > _CHROMA:
        raise DataError(f"{path}: is a colour picture, not a mask: save the mask as grey, or as the alpha of a PNG")
    return channels[1]  # of YCbCr, the channel that is closest to the stored luma


def stretched(levels: Image, *, white: int, inverted: bool) -> Image:
    """Make a mask of stored levels.

    Args:
        levels: ``(H, W)`` uint8.
        white: as in :class:`Pair`.
        inverted: as in :class:`Pair`.

    Returns:
        ``(H, W)`` uint8; ``levels`` itself if there is nothing to do.
    """
    if white != _WHITE:
        levels = np.asarray(cv2.convertScaleAbs(levels, alpha=_WHITE / white), np.uint8)
    return np.asarray(cv2.bitwise_not(levels), np.uint8) if inverted else levels
