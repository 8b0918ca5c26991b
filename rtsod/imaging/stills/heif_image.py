"""Reads HEIC photographs with libheif, and what Pillow does not say about AVIF."""

from __future__ import annotations

import io
import re
from typing import Any, Final

import numpy as np
import pi_heif
from PIL import Image as PillowImage

from rtsod.imaging.stills.icc import profile_of_code_points
from rtsod.imaging.stills.raster import Raster, Unreadable, check_size, eight_bits, split_alpha

_ITEM: Final = re.compile(rb"(?P<size>....)infe(?:\x02.{7}|\x03.{9})", re.DOTALL)
"""An item's entry (ISO/IEC 14496-12, 8.11.6), up to its type."""
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


def avif_profile(data: bytes) -> bytes | None:
    """The profile of an AVIF's colours, which Pillow leaves out if they are stated as code points.

    Returns:
        None for sRGB.

    Raises:
        Exception: of any kind, if the file is damaged.
    """
    return _profile(_primary(data))


def _primary(data: bytes) -> Any:
    _check_items(data)
    file = pi_heif.HeifFile(io.BytesIO(data), convert_hdr_to_8bit=False)
    return file[file.primary_index]


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
