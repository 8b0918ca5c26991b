"""Reads JPEG 2000 photographs, also of more than 8 bits a sample, whose white Pillow turns to black."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Final

from rtsod.imaging.stills.deep_image import decode_deep
from rtsod.imaging.stills.pillow_image import open_pillow, read_pillow
from rtsod.imaging.stills.raster import Raster, Unreadable

_JP2_PROFILE: Final = re.compile(rb"(?P<size>....)colr[\x02\x03]..", re.DOTALL)
"""A colour specification box, up to its profile."""
_MAX_JP2_HEADER_BYTES: Final = 8_000_000
_SIZES: Final = re.compile(rb"\xff\x4f\xff\x51.{36}(?P<components>..)(?P<depth>.)", re.DOTALL)
"""The start of a codestream and its SIZ segment (ISO/IEC 15444-1, A.5.1), up to the first component's depth."""


def read_jpeg2000(data: bytes) -> Raster:
    """Read a JPEG 2000 photograph.

    Args:
        data: the file.

    Raises:
        Unreadable: it is too large or damaged, or has samples that cannot be read.
        Exception: of any kind, if the file is damaged.
    """
    found = _SIZES.search(data)
    depth = (found["depth"][0] & 0x7F) + 1 if found else 8
    if found is None or depth <= 8:
        return replace(read_pillow(io.BytesIO(data), "JPEG 2000"), profile=_profile(data))
    components = int.from_bytes(found["components"], "big")
    open_pillow(io.BytesIO(data), "JPEG 2000")  # refuses what is too large
    if components not in (1, 3, 4) or found["depth"][0] & 0x80 or depth > 16:
        raise Unreadable(
            f"a JPEG 2000 of {components} x {depth} bits of this kind cannot be read: save it with 8 bits a channel"
        )
    return replace(decode_deep(data, grey=components == 1, highest=(1 << depth) - 1), profile=_profile(data))


def _profile(data: bytes) -> bytes | None:
    """The profile in a JP2 file's header (ISO/IEC 15444-1, I.5.3.3), which Pillow leaves out; None if there is none."""
    header = data[:_MAX_JP2_HEADER_BYTES]
    found = _JP2_PROFILE.search(header, max(header.find(b"jp2h"), 0))
    return header[found.end() : found.start() + int.from_bytes(found["size"], "big")] if found else None
