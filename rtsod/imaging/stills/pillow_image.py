"""Reads photographs with Pillow's decoders: one that is named for each format, and no others.

Pillow's ``Image.open`` asks dozens of plugins, some of which start other programs, and has its own limit for sizes.
"""

from __future__ import annotations

import logging
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    ImageChops,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    QoiImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as PillowImage

from rtsod.imaging.stills.icc import adobe_rgb_profile
from rtsod.imaging.stills.raster import (
    EIGHT_BITS,
    ROUNDED,
    Raster,
    Unreadable,
    check_size,
    eight_bits,
    split_alpha,
)

logging.getLogger("PIL").setLevel(logging.CRITICAL)  # it logs what it also raises, which then is one line of ours

DECODERS: Final[dict[str, type[ImageFile.ImageFile]]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,  # also of MPO: the first of its pictures
    "JPEG 2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "QOI": QoiImagePlugin.QoiImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}
"""Every decoder that is used, by the format's name. They read nothing but the file and start no other program."""
_DEEP_WHITE: Final = {"I;16": 65535, "I;16B": 65535, "I;16L": 65535, "I": 65535, "F": 1.0}
"""Pillow's modes of deep grey pictures, and the value of white."""
_ADOBE_RGB: Final = "R03"
"""DCF 2.0: a camera names Adobe RGB by this interoperability index alone."""


def open_pillow(file: BinaryIO, kind: str) -> ImageFile.ImageFile:
    """Read a photograph's header.

    Args:
        file: at its start.
        kind: a key of ``DECODERS``.

    Raises:
        Unreadable: it is too large.
        Exception: of any kind, if the header is damaged.
    """
    image = DECODERS[kind](file)
    check_size(*image.size)
    return image


def read_pillow(file: BinaryIO, kind: str) -> Raster:
    """Read a photograph; of several pictures in a file, the first.

    Args:
        file: at its start.
        kind: a key of ``DECODERS``.

    Raises:
        Unreadable: it is too large.
        Exception: of any kind, if the file is damaged.
    """
    image = open_pillow(file, kind)
    if kind == "AVIF":
        image.load()
        image.info.pop("xmp", None)  # AVIF's own transformation is in Pillow's EXIF; XMP has no say in it
    return raster_of(image, kind)


def raster_of(image: PillowImage.Image, kind: str | None) -> Raster:
    """What a picture of Pillow's shows, whatever its mode. It is loaded, and otherwise left as it is.

    Args:
        image: open; its EXIF says how to turn it.
        kind: the format that it was read from; None if it was made, or nobody knows.

    Raises:
        Unreadable: it was made, and has deep levels beyond those of its mode.
        Exception: of any kind, if the file behind it is damaged.
    """
    image.load()
    profile = image.info.get("icc_profile") or camera_profile(image)
    orientation = 1 if kind == "TIFF" else orientation_of(image)  # Pillow turns TIFF itself
    if image.mode in _DEEP_WHITE:
        levels = np.asarray(image)
        white = _DEEP_WHITE[image.mode] if kind else _white_of(levels, image.mode)
        grey = eight_bits(levels.astype(np.float32), white)
        return Raster(PillowImage.fromarray(grey), None, profile, orientation)
    if kind == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes all inks as inverted. That is Adobe's habit, and Adobe's marker goes with it.
        return Raster(ImageChops.invert(image), None, profile, orientation)
    return Raster(*split_alpha(image), profile, orientation)


def _white_of(levels: NDArray[Any], mode: str) -> float:
    """The value of white where no format says it. Modes can hold more than they mean: levels must be in their range."""
    lowest, highest = float(levels.min()), float(levels.max())
    if mode == "I" and (lowest < 0 or highest > _DEEP_WHITE[mode]):
        raise Unreadable(
            f"levels of Pillow's mode I must be from 0 to 65535, and are from {lowest:g} to {highest:g}: scale them"
        )
    if mode == "F" and not (lowest >= -ROUNDED and highest <= 1 + ROUNDED):  # also if one of them is NaN
        raise Unreadable(
            f"levels of Pillow's mode F must be from 0 to 1, and are from {lowest:g} to {highest:g}: scale or clip "
            'them, or convert 0 to 255 with convert("L")'
        )
    if mode != "F" and highest <= EIGHT_BITS:  # Pillow's convert("I") and convert("I;16") leave 8 bits as they are
        return EIGHT_BITS
    return _DEEP_WHITE[mode]


def is_closed(image: PillowImage.Image) -> bool:
    """Whether the pixels are gone, or were never loaded from a file that is closed."""
    try:
        loaded = image.im is not None
    except ValueError:  # what close() leaves there
        return True
    except AssertionError:  # newer versions say so of an image that is not loaded
        loaded = False
    return not loaded and isinstance(image, ImageFile.ImageFile) and image.fp is None


def orientation_of(image: PillowImage.Image) -> int:
    """The orientation in EXIF or XMP, 1 to 8; 1 if there is none, or one that makes no sense."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF raises whatever its parsing runs into
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def camera_profile(image: PillowImage.Image) -> bytes | None:
    """The profile of a colour space that EXIF names; None for sRGB, and where EXIF says nothing."""
    try:
        index = image.getexif().get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
    except Exception:  # damaged EXIF raises whatever its parsing runs into
        return None
    if isinstance(index, str) and index.rstrip("\0") == _ADOBE_RGB:
        return adobe_rgb_profile()
    return None
