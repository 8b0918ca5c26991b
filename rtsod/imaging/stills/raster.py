"""What the readers of photographs hand over: pixels as the file has them, and how to make a picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from rtsod.config import MAX_STILL_PIXELS, MAX_STILL_SIDE
from rtsod.frames import Image

EIGHT_BITS: Final = 255
"""White of 8 bits."""
ROUNDED: Final = 0.5 / EIGHT_BITS
"""How far beyond 0 and 1 a floating-point level may lie, as arithmetic leaves it: it is rounded to 0 or 255 anyway."""
_COLOURS: Final = ("L", "RGB", "CMYK", "LAB")


class Unreadable(Exception):
    """The photograph cannot be read; the text says why and, if there is a way out, names it."""


@dataclass(frozen=True, slots=True)
class Raster:
    """A decoded photograph, before it is turned upright and converted to sRGB."""

    image: PillowImage.Image
    """Of mode L, RGB, CMYK or LAB; straight (not premultiplied) colours."""
    alpha: PillowImage.Image | None = None
    """Of mode L; None is opaque."""
    profile: bytes | None = None
    """The ICC profile of the colours; None means sRGB."""
    orientation: int = 1
    """How to turn the picture upright, as in EXIF: 1 to 8."""
    deep: NDArray[np.uint16] | None = None
    """``(H, W, C)``, 0..65535: the colours of ``image`` before they were rounded; None if nobody rounded them."""
    extent: tuple[float, float] | None = None
    """The lowest and the highest of floating-point samples before they were clipped, NaN if one of them is no number;
    None for integers."""


def check_size(width: int, height: int) -> None:
    """Refuse a picture that is too large, by what its header says.

    Args:
        width: in pixels.
        height: in pixels.

    Raises:
        Unreadable: there are no pixels, or there are more than ``MAX_STILL_SIDE`` or ``MAX_STILL_PIXELS`` allow.
    """
    if min(width, height) <= 0:
        raise Unreadable("it is damaged: it has no pixels")
    if max(width, height) > MAX_STILL_SIDE or width * height > MAX_STILL_PIXELS:
        limits = f"{MAX_STILL_SIDE} pixels a side and {MAX_STILL_PIXELS // 1_000_000} megapixels"
        raise Unreadable(f"{width}x{height} pixels are too large: scale it down; the limits are {limits}")


def split_alpha(image: PillowImage.Image) -> tuple[PillowImage.Image, PillowImage.Image | None]:
    """Separate colours and alpha of a picture of 8-bit samples, whatever its mode.

    Args:
        image: loaded; its transparency may be a channel, a palette's, or that of a single colour.

    Returns:
        The straight colours, of a mode that :class:`Raster` takes, and the alpha or None.
    """
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        whole = image.convert("LA" if grey else "RGBA")
        return (whole.getchannel("L") if grey else whole.convert("RGB")), whole.getchannel("A")
    if image.mode in _COLOURS:
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def eight_bits(samples: NDArray[np.uint16 | np.float32 | np.float64], highest: float) -> Image:
    """Round deep samples to 8 bits. What is below 0 or above ``highest`` is clipped; what is no number becomes 0.

    Args:
        samples: of any shape.
        highest: the value of white.

    Returns:
        uint8, of the same shape.
    """
    if samples.dtype.kind == "f":
        samples = np.clip(np.nan_to_num(samples), 0, highest)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=255 / highest), np.uint8).reshape(samples.shape)
