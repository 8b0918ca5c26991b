"""Reading a picture file that nobody vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
import av.error
import cv2
import numpy as np

from rtsod.config import MAX_FRAME_PIXELS, MAX_FRAME_SIDE
from rtsod.errors import SourceError
from rtsod.frames import Image

SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def is_still(path: Path) -> bool:
    """Whether the file's name says that it is a photograph."""
    return path.suffix.lower() in SUFFIXES


def load(path: Path) -> Image:
    """Read a photograph.

    16-bit channels are scaled to 8 bits, grey becomes BGR, an alpha channel is dropped; of an animation, the first
    picture.

    Returns:
        ``(H, W, 3)`` uint8 BGR, contiguous, upright by its EXIF orientation.

    Raises:
        SourceError: it cannot be read, or is larger than ``MAX_FRAME_SIDE`` or ``MAX_FRAME_PIXELS``.
    """
    _check_header(path)
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error, MemoryError) as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'damaged picture'}") from error
    if image is None or image.ndim != 3 or image.dtype != np.uint8:
        raise SourceError(f"cannot read {path}: not a picture, or damaged")
    return np.ascontiguousarray(image)


def _check_header(path: Path) -> None:
    # OpenCV decodes whatever the header claims, up to 3 GB; FFmpeg tells the size first and can be bounded.
    limits = {"max_pixels": str(MAX_FRAME_PIXELS)}
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"cannot read {path}: it is empty")
        with path.open("rb") as file:
            size = _animated_webp_size(file.read(30))
            file.seek(0)
            if size is None:
                with av.open(file, "r", container_options={"protocol_whitelist": ""}, options=limits) as container:
                    size = max(((s.width, s.height) for s in container.streams.video), default=(0, 0))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not a picture'}") from error
    if 0 in size or max(size) > MAX_FRAME_SIDE or size[0] * size[1] > MAX_FRAME_PIXELS:
        limit = f"{MAX_FRAME_SIDE} pixels a side or {MAX_FRAME_PIXELS // 1_000_000} megapixels"
        raise SourceError(f"cannot read {path}: damaged, or larger than {limit}")


def _animated_webp_size(head: bytes) -> tuple[int, int] | None:
    # The one format here whose size FFmpeg does not tell. WebP container specification: flags at 20, canvas at 24.
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or len(head) < 30 or not head[20] & 0x02:
        return None
    return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
