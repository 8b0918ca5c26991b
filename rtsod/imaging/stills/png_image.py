"""Reads PNG photographs, also of 16 bits a sample, and with colours that are described without a profile."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import BinaryIO, Final

import numpy as np
from PIL import Image as PillowImage

from rtsod.imaging.colour.formulas import Chromaticities
from rtsod.imaging.stills.deep_image import decode_deep
from rtsod.imaging.stills.icc import profile_of_code_points, profile_of_gamma
from rtsod.imaging.stills.pillow_image import camera_profile, open_pillow, orientation_of
from rtsod.imaging.stills.raster import Raster, split_alpha

_SIGNATURE_BYTES: Final = 8
_END: Final = bytes(4) + b"IEND\xae\x42\x60\x82"
_GREY: Final = (0, 4)
"""Colour types of grey pictures, without and with alpha."""


def read_png(file: BinaryIO) -> Raster:
    """Read a PNG; of an animation, the picture that programs show which know no animations.

    Args:
        file: at its start.

    Raises:
        Unreadable: it is too large, or damaged.
        Exception: of any kind, if the file is damaged.
    """
    chunks = _chunks(file)
    depth, colour_type = chunks[b"IHDR"][8:10]
    if depth > 8:  # find the damage of which OpenCV's decoder would write to standard error
        file.seek(0)
        open_pillow(file, "PNG").verify()
    file.seek(0)
    image = open_pillow(file, "PNG")
    image.load()
    if depth <= 8:
        transparent = image.info.get("transparency")
        if image.mode == "L" and isinstance(transparent, int):  # Pillow stretches the samples to 8 bits, but not this
            image.info["transparency"] = transparent * 255 // ((1 << depth) - 1)
        raster = Raster(*split_alpha(image))
    else:
        file.seek(0)
        raster = decode_deep(_pixels_alone(file.read()), grey=colour_type in _GREY)
        transparent = image.info.get("transparency")
        if raster.alpha is None and colour_type == 0 and transparent is not None:  # OpenCV knows only that of colours
            alpha = np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)
            raster = Raster(raster.image, PillowImage.fromarray(alpha), deep=raster.deep)
    return replace(raster, profile=_profile(chunks.get(b"cICP"), image), orientation=orientation_of(image))


def _profile(code_points: bytes | None, image: PillowImage.Image) -> bytes | None:
    """By the precedence of the PNG specification: cICP, then iCCP, then sRGB, then gAMA and cHRM; at last EXIF."""
    info = image.info
    if code_points is not None and len(code_points) == 4:
        return profile_of_code_points(code_points[0], code_points[1])
    if "icc_profile" in info:
        icc = info["icc_profile"]
        return icc if isinstance(icc, bytes) and icc else b""  # Pillow gives None for what it cannot decompress
    gamma, chromaticities = info.get("gamma"), info.get("chromaticity")
    if "srgb" in info:
        return None
    if not isinstance(gamma, float) or gamma <= 0:
        return camera_profile(image)
    stated: Chromaticities | None = None
    if isinstance(chromaticities, tuple) and len(chromaticities) == 8:
        stated = (*chromaticities[2:], *chromaticities[:2])  # PNG states the white first
    return profile_of_gamma(1 / gamma, stated)


def _chunks(file: BinaryIO) -> dict[bytes, bytes]:
    """The contents of the chunks before the pixels that say how to read them."""
    found: dict[bytes, bytes] = {}
    file.seek(_SIGNATURE_BYTES)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"IEND"):
            break
        if name in (b"IHDR", b"cICP"):
            found.setdefault(name, file.read(min(size, 64)))
            size -= len(found[name])
        file.seek(size + 4, 1)
    return found


def _pixels_alone(data: bytes) -> bytes:
    """The file without everything that says something about the pixels, which OpenCV's decoder may complain about."""
    parts, at = [data[:_SIGNATURE_BYTES]], _SIGNATURE_BYTES
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"IEND":
            break
        if name in (b"IHDR", b"tRNS", b"IDAT"):
            parts.append(data[at : at + 12 + size])
        at += 12 + size
    return b"".join([*parts, _END])
