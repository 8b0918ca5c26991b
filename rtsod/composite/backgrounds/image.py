"""A still picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from rtsod.config import MAX_FRAME_PIXELS, MAX_FRAME_SIDE
from rtsod.errors import SourceError
from rtsod.frames import Image
from rtsod.imaging.fit import cover

_MAX_FILE_BYTES: Final = 4 * MAX_FRAME_PIXELS
"""More than the largest picture allowed takes without compression."""


class ImageBackground:
    """A picture file, scaled to cover the frame.

    Args:
        path: any format OpenCV reads. Turned as EXIF says; grey and 16-bit become 8-bit BGR, alpha is left out.

    Raises:
        SourceError: the file cannot be read, is no picture, or is too large.
    """

    def __init__(self, path: Path) -> None:
        self._original = _read(path)
        self._picture = self._original

    def picture(self, width: int, height: int, at: float) -> Image:
        """The picture, at a size: see :class:`rtsod.interfaces.Background`."""
        if self._picture.shape[:2] != (height, width):
            self._picture = cover(self._original, width, height)
        return self._picture

    def close(self) -> None:
        """Nothing to release: the file was closed when it had been read."""


def _read(path: Path) -> Image:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise SourceError(f"{path}: more than {_MAX_FILE_BYTES // 1_000_000} MB, too large for a background")
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    _check_size(path, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SourceError(f"{path}: not a picture that can be read, or cut short") from error
    if image is None:
        raise SourceError(f"{path}: not a picture that can be read, or cut short")
    return np.asarray(image, np.uint8)


def _check_size(path: Path, data: bytes) -> None:
    """Refuse by what the header says: a file of 200 kB can ask for gigabytes of pixels, and OpenCV would try."""
    try:
        with av.open(io.BytesIO(data), options={"max_pixels": str(MAX_FRAME_PIXELS)}) as container:
            context = container.streams.video[0].codec_context
            width, height = context.width, context.height
    except (av.FFmpegError, IndexError) as error:
        raise SourceError(f"{path}: not a picture that can be read") from error
    # FFmpeg leaves 0 where the header has more pixels than it may decode.
    if not (0 < width <= MAX_FRAME_SIDE and 0 < height <= MAX_FRAME_SIDE):
        limits = f"{MAX_FRAME_PIXELS // 1_000_000} megapixels or {MAX_FRAME_SIDE} pixels a side"
        raise SourceError(f"{path}: broken, or more than {limits}; scale it down")
