"""Pictures that come over the network: decoded here, so that nothing else ever sees their bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.control.messages import check_upload
from rtsod.errors import SourceError, UsageError
from rtsod.frames import Image
from rtsod.imaging.stills.image_file import load, read_header
from rtsod.imaging.stills.still_format import HEADER_BYTES, format_of
from rtsod.imaging.transparency import over_black

MAX_PIXELS: Final = 64_000_000
"""Of an upload: as a picture it takes 192 MB for a moment, beside a run that goes on."""
MAX_SIDE: Final = 3840
"""Longer side of what is kept, in pixels: no camera is larger."""
FORMATS: Final = ("JPEG", "PNG", "WebP", "BMP", "GIF")
"""Whose size can be read without decoding them, and which browsers send. SVG is a program, and none of these."""
MAX_NAME: Final = 40
"""Letters of a name that are kept, for display."""


def picture_from_upload(data: bytes, folder: Path) -> Image:
    """Decode an upload.

    Args:
        data: the file's content.
        folder: where a copy lies while it is decoded, for its user alone.

    Returns:
        ``(H, W, 3)`` uint8 BGR, at most ``MAX_SIDE`` on its longer side, over black where it is transparent.

    Raises:
        UsageError: it is too large, no picture, or damaged.
    """
    check_upload(len(data), "the picture")
    kind = format_of(data[:HEADER_BYTES])
    if kind not in FORMATS:
        said = f"it is {kind}" if kind is not None else "it is no picture"
        raise UsageError(f"the upload cannot be used: {said}: give {', '.join(FORMATS)}")
    with tempfile.TemporaryDirectory(dir=folder, prefix="upload-") as private:
        path = Path(private) / "upload"
        path.write_bytes(data)
        try:
            header = read_header(path)
            if header.width * header.height > MAX_PIXELS:
                raise UsageError(f"the picture has more than {MAX_PIXELS // 1_000_000} megapixels: scale it down")
            picture = load(path, damage="refuse")
        except SourceError as error:
            raise UsageError(str(error).replace(str(path), "the picture")) from error
    image = picture.image if picture.alpha is None else over_black(picture.image, picture.alpha)
    scale = MAX_SIDE / max(image.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(image)


def display_name(text: str) -> str:
    """A name of somebody else's choice as a few printable words. It names nothing on the disk."""
    stem = text.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or text
    words = "".join(char if char.isprintable() else " " for char in stem).split()
    return " ".join(words)[:MAX_NAME].strip() or "picture"
