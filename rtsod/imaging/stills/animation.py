"""Tells pictures that move from photographs: animated GIF, PNG, WebP, AVIF and HEIF, and motion JPEG."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from rtsod.imaging.stills.pillow_image import open_pillow
from rtsod.imaging.stills.still_format import HEADER_BYTES, format_of

_SEQUENCE_BRANDS: Final = (b"hevc", b"hevx", b"hevm", b"hevs", b"msf1", b"avis")
_MAX_JPEG_BYTES: Final = 64 << 20
"""How far to look for the end of a first JPEG picture; the pictures of motion JPEG are much smaller."""


def is_still(path: Path) -> bool:
    """Whether a file is a photograph, by its content. Pictures that move are none: they can be played as a video.

    A photograph that cannot be read is one, too, so that reading it says why.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = file.read(HEADER_BYTES)
            kind = format_of(header)
            return kind is not None and not _moves(file, kind, header)
    except (OSError, ValueError):
        return False


def _moves(file: BinaryIO, kind: str, header: bytes) -> bool:
    file.seek(0)
    if kind in ("HEIF", "AVIF"):
        return header[8:12] in _SEQUENCE_BRANDS
    if kind == "JPEG":
        return _is_motion_jpeg(file.read(_MAX_JPEG_BYTES))
    if kind not in ("GIF", "PNG", "WebP"):
        return False
    try:
        return bool(getattr(open_pillow(file, kind), "is_animated", False))
    except Exception:  # damaged files raise whatever their parsing runs into; reading it says so again
        return False


def _is_motion_jpeg(data: bytes) -> bool:
    """Whether another JPEG picture of the same size follows at once, and no multi-picture index (MPF) says what for."""
    first = _jpeg(data, 0)
    if first is None or data[first.end : first.end + 3] != b"\xff\xd8\xff":
        return False
    second = _jpeg(data, first.end)
    return second is not None and second.size == first.size and not first.is_indexed


class _Jpeg(NamedTuple):
    size: bytes
    """Height and width, as stored."""
    end: int
    is_indexed: bool


def _jpeg(data: bytes, at: int) -> _Jpeg | None:
    """The JPEG picture that begins at a position; None if it is damaged, or does not end in these data."""
    size, is_indexed = b"", False
    at += 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = data[at + 5 : at + 9]
        elif marker == 0xE2:
            is_indexed |= data[at + 4 : at + 8] == b"MPF\0"
        elif marker == 0xDA:  # the coded picture begins; a byte 0xFF in it is never followed by 0xD9
            end = data.find(b"\xff\xd9", at)
            return _Jpeg(size, end + 2, is_indexed) if end >= 0 else None
        at += 2 + length
    return None
