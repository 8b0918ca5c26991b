"""Recognizes photographs by their first bytes, whatever their names are. It reads nothing else, so it is quick."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

STILL_SUFFIXES: Final = frozenset(
    f".{suffix}"
    for suffix in (
        *("avif", "bmp", "gif", "heic", "heif", "hif", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl"),
        *("mpo", "png", "tif", "tiff", "webp"),
    )
)
"""Usual file name endings of photographs, lower case. They only tell a damaged photograph from another kind of file."""

HEADER_BYTES: Final = 256
"""How much of a file is looked at."""
_SIGNATURES: Final = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"RIFF....WEBP", "WebP"),
    # The file's size is often wrong; what follows is two reserved words and the size of a header that exists.
    (rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"P[1-6]\s", "PPM"),
    (rb"qoif", "QOI"),
    # Known, so that the refusal can name them. Most camera raw files are TIFFs that hold no more than a thumbnail.
    (rb"II\*\0.{4}CR|FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\0|FOVb", "camera raw"),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (rb"II\xbc", "JPEG XR"),
    (rb"8BPS", "Photoshop"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"#\?RADIANCE|#\?RGBE", "Radiance HDR"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
)
_PATTERNS: Final = [(re.compile(signature, re.DOTALL), name) for signature, name in _SIGNATURES]
_BRANDS: Final = (
    ({b"avif", b"avis"}, "AVIF"),
    ({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}, "HEIF"),
    ({b"crx "}, "camera raw"),
)


def still_format(path: Path) -> str | None:
    """The format of a photograph: ``"JPEG"``, ``"HEIF"``, ... Animated pictures have the format of one picture.

    Returns:
        Its name; None if the file is not a photograph, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return format_of(file.read(HEADER_BYTES))
    except (OSError, ValueError):
        return None


def format_of(header: bytes) -> str | None:
    """Like :func:`still_format`, for the beginning of a file.

    Args:
        header: ``HEADER_BYTES``, or all there are.
    """
    if header[4:8] == b"ftyp":  # ISO/IEC 14496-12: size, "ftyp", major brand, version, compatible brands
        end = min(int.from_bytes(header[:4], "big"), len(header))
        brands = [header[8:12], *(header[at : at + 4] for at in range(16, end - 3, 4))]
        # A video may name a still's brand as compatible, so the major brand decides; mif1 says only "some still".
        if not any(brands[0] in names for names, _ in _BRANDS):
            return None
        return next(name for names, name in _BRANDS if names.intersection(brands))
    return next((name for pattern, name in _PATTERNS if pattern.match(header)), None)


def has_still_suffix(path: Path) -> bool:
    """Whether the file's name ends like a photograph's."""
    return path.suffix.lower() in STILL_SUFFIXES
