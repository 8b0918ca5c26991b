"""Reads photographs: the one bounded loader for sources, backgrounds and export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np

from rtsod.config import MAX_FRAME_PIXELS, MAX_FRAME_SIDE
from rtsod.errors import SourceError
from rtsod.frames import Picture
from rtsod.imaging.media import fits_limits, open_handle

STILL_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""File name endings of photographs, lower case."""
_MAX_FILE_BYTES: Final = 8 * MAX_FRAME_PIXELS
"""The largest allowed picture, uncompressed, with four channels of 16 bits."""
_WEBP_HEADER_BYTES: Final = 30


def has_still_suffix(path: Path) -> bool:
    """Whether the file's name ends like a photograph's."""
    return path.suffix.lower() in STILL_SUFFIXES


def is_still(path: Path) -> bool:
    """Whether the file's first bytes are a photograph's.

    An animated GIF counts as a video, though OpenCV could read its first picture.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:  # bytes that are no text in this locale: OpenCV would crash on them
        return has_still_suffix(path)
    return path.suffix.lower() != ".gif" and bool(cv2.haveImageReader(str(path)))


def load(path: Path) -> Picture:
    """Read a photograph.

    16-bit channels are scaled to 8 bits, grey becomes BGR, an alpha channel is dropped. An animation gives its first
    picture.

    Returns:
        The picture, upright by its EXIF orientation.

    Raises:
        SourceError: the file cannot be read, or the picture is larger than ``MAX_FRAME_SIDE`` or ``MAX_FRAME_PIXELS``.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _MAX_FILE_BYTES:
                raise SourceError(f"cannot read {path}: it is larger than {_MAX_FILE_BYTES // 1_000_000} MB")
            _check_size(file, path)
            file.seek(0)
            data = file.read(_MAX_FILE_BYTES)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "the picture is damaged"
        raise SourceError(f"cannot read {path}: {reason}") from error
    if image is None or image.ndim != 3 or image.dtype != np.uint8:
        raise SourceError(f"cannot read {path}: it is not a picture, or it is damaged")
    return Picture(np.ascontiguousarray(image))


def _check_size(file: BinaryIO, path: Path) -> None:
    # OpenCV decodes whatever the header claims, up to 3 GB; FFmpeg reports the size first and can be bounded.
    size = _animated_webp_size(file.read(_WEBP_HEADER_BYTES))
    file.seek(0)
    if size is None:
        with open_handle(file, path) as container:
            size = max(((s.width, s.height) for s in container.streams.video), default=(0, 0))
    if 0 in size or not fits_limits(*size):  # FFmpeg reports 0 where the header exceeds its own limit
        limit = f"{MAX_FRAME_SIDE} pixels a side or {MAX_FRAME_PIXELS // 1_000_000} megapixels"
        raise SourceError(f"cannot read {path}: it is damaged, or larger than {limit}")


def _animated_webp_size(header: bytes) -> tuple[int, int] | None:
    # FFmpeg does not report this format's size. WebP container specification: flags at byte 20, canvas size at 24.
    if header[:4] != b"RIFF" or header[8:16] != b"WEBPVP8X" or len(header) < 30 or not header[20] & 0x02:
        return None
    return 1 + int.from_bytes(header[24:27], "little"), 1 + int.from_bytes(header[27:30], "little")
