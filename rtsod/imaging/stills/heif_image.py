"""Reads HEIC photographs with libheif, and what Pillow does not say about AVIF."""

from __future__ import annotations

import io
import re
import struct
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pi_heif
from PIL import Image as PillowImage

from rtsod.imaging.stills.icc import profile_of_code_points
from rtsod.imaging.stills.raster import Raster, Unreadable, check_size, eight_bits, split_alpha

_ITEM: Final = re.compile(rb"(?P<size>....)infe(?:\x02.{7}|\x03.{9})", re.DOTALL)
"""An item's entry (ISO/IEC 14496-12, 8.11.6), up to its type."""
_CLEAN_APERTURE: Final = re.compile(rb"\0\0\0\x28clap(.{32})", re.DOTALL)
"""ISO/IEC 14496-12, 12.1.4.2: width, height and the distance of the centres, as fractions."""
_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode."""


def read_heif(data: bytes) -> Raster:
    """Read the primary picture of a HEIC file: its tiles joined, cropped and turned as the container says.

    The orientation in EXIF is not looked at: it repeats the container's.

    Raises:
        Unreadable: it is too large, or is not coded as HEVC.
        Exception: of any kind, if the file is damaged.
    """
    image = _primary(data)
    check_size(*image.size)
    try:
        image.load()
    except RuntimeError as error:
        if "not been built in" in str(error) or "nsupported" in str(error):
            raise Unreadable("its pictures are not HEVC, and cannot be decoded here: convert it to JPEG") from error
        if "limit exceeded" in str(error) and _CLEAN_APERTURE.search(data):  # libheif's limit follows what is shown
            raise Unreadable("too much of its picture is cut off for the decoder: convert it to JPEG") from error
        raise
    check_size(*image.size)  # the coded picture may be larger than announced
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        depth = image.info["bit_depth"]
        pixels = eight_bits(pixels, ((1 << depth) - 1) << (16 - depth))
    mode = _MODES[1 if pixels.ndim == 2 else pixels.shape[2]]
    if "a" in image.mode:  # libheif's mark of premultiplied colours, and Pillow's
        mode = mode.replace("A", "a")
    whole = PillowImage.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    return Raster(*split_alpha(whole), _profile(image))


def complete_avif(raster: Raster, data: bytes) -> Raster:
    """Do what Pillow leaves out: crop, and find the profile if the colours are stated as code points.

    Args:
        raster: as Pillow reads it.
        data: the file.

    Raises:
        Exception: of any kind, if the file is damaged.
    """
    primary = _primary(data)
    box = None if sorted(primary.size) == sorted(raster.image.size) else _clean_aperture(data, raster.image.size)
    image, alpha = raster.image, raster.alpha
    if box is not None:
        image, alpha = image.crop(box), alpha and alpha.crop(box)
    return Raster(image, alpha, raster.profile or _profile(primary), raster.orientation)


def _clean_aperture(data: bytes, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """What of the coded picture is shown, before it is turned: left, top, right, bottom."""
    found = _CLEAN_APERTURE.search(data)
    if found is None:
        return None
    numbers = struct.unpack(">II II iI iI", found[1])
    width, height, right_by, down_by = (Fraction(n, d) for n, d in zip(numbers[::2], numbers[1::2], strict=True))
    left, top = round(right_by + (size[0] - width) / 2), round(down_by + (size[1] - height) / 2)
    box = (left, top, left + round(width), top + round(height))
    return box if 0 <= left < box[2] <= size[0] and 0 <= top < box[3] <= size[1] else None


def _primary(data: bytes) -> Any:
    _check_end(data)
    _check_items(data)
    file = pi_heif.HeifFile(io.BytesIO(data), convert_hdr_to_8bit=False)
    return file[file.primary_index]


def _check_end(data: bytes) -> None:
    """Libheif shows tiles that are missing as green. ISO/IEC 14496-12, 4.2: boxes of a size and a type."""
    at = 0
    while 0 <= at <= len(data) - 8:
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        elif size == 0:  # to the end of the file
            return
        if at + size > len(data):
            raise Unreadable("it is cut off")
        at += max(size, 8)


def _check_items(data: bytes) -> None:
    """pi-heif crashes where an item's type or its content's type is no text."""
    for found in _ITEM.finditer(data):
        end = found.start() + int.from_bytes(found["size"], "big")
        try:
            data[found.end() : end].decode()
        except UnicodeDecodeError as error:
            raise Unreadable("it is damaged") from error


def _profile(image: Any) -> bytes | None:
    icc: bytes | None = image.info.get("icc_profile")
    nclx = image.info.get("nclx_profile")
    if icc or not nclx:
        return icc
    return profile_of_code_points(nclx["color_primaries"], nclx["transfer_characteristics"])
