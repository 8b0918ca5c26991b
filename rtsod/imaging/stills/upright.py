"""Makes of a decoded photograph what callers get: a picture upright and in sRGB, or its stored levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Image, Picture
from rtsod.imaging.geometry import Orientation, laid
from rtsod.imaging.stills.colour_profile import to_srgb
from rtsod.imaging.stills.raster import EIGHT_BITS, ROUNDED, Raster, Unreadable
from rtsod.imaging.transparency import picture_of

ORIENTATIONS: Final = {
    1: Orientation(),
    2: Orientation(mirrored=True),
    3: Orientation(mirrored=True, flipped=True),
    4: Orientation(flipped=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, mirrored=True),
    7: Orientation(transposed=True, mirrored=True, flipped=True),
    8: Orientation(transposed=True, flipped=True),
}
"""EXIF's numbers."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A picture as its file stores it, before anything is made of its colours."""

    colours: Image
    """``(H, W)`` or ``(H, W, 3)`` RGB, uint8."""
    alpha: Image | None
    """``(H, W)`` uint8; None if the file has none."""


def picture_from_raster(raster: Raster, name: str) -> Picture:
    """The picture, upright, in sRGB, with its own alpha.

    Args:
        raster: as a reader handed it over.
        name: of the picture, for the warning that its colour profile is broken.
    """
    converted = to_srgb(raster, name)
    to_bgr = cv2.COLOR_GRAY2BGR if converted.mode == "L" else cv2.COLOR_RGB2BGR
    orientation = ORIENTATIONS[raster.orientation]
    image = laid(np.asarray(cv2.cvtColor(np.asarray(converted), to_bgr), np.uint8), orientation)
    if raster.alpha is None:
        return Picture(image)
    return picture_of(image, laid(np.array(raster.alpha, np.uint8), orientation))


def finite_picture_from_raster(raster: Raster, name: str) -> Picture:
    """Like :func:`picture_from_raster`, and refuses floating-point samples that are no numbers.

    Raises:
        Unreadable: a sample is not finite.
    """
    if raster.extent is not None and not all(map(math.isfinite, raster.extent)):
        raise Unreadable("not all of its samples are finite numbers: save it anew")
    return picture_from_raster(raster, name)


def levels_from_raster(raster: Raster, name: str) -> Levels:
    """The levels as the file stores them, upright; see :func:`rtsod.imaging.stills.image_file.load_levels`.

    Raises:
        Unreadable: a floating-point sample is no number, or not within 0 and 1.
    """
    if raster.extent is not None:
        lowest, highest = raster.extent
        if not (lowest >= -ROUNDED and highest <= 1 + ROUNDED):  # also if one of them is NaN
            raise Unreadable(
                f"its floating-point levels must be from 0 to 1, and are from {lowest:g} to {highest:g}: save it with "
                "8 bits"
            )
    image = raster.image if raster.image.mode in ("L", "RGB") else raster.image.convert("RGB")
    turn = ORIENTATIONS[raster.orientation]
    alpha = None if raster.alpha is None else laid(np.array(raster.alpha, np.uint8), turn)
    colours = np.array(image, np.uint8)
    if raster.deep is not None and raster.extent is None and int(raster.deep.max()) <= EIGHT_BITS:
        colours = np.squeeze(raster.deep.astype(np.uint8))
    return Levels(laid(colours, turn), alpha)
