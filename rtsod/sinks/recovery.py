"""What can be kept of a video file that could not be finished."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import av


def salvage(path: Path) -> bool:
    """Make an unfinished file playable to its last byte, in place and without needing any space.

    Args:
        path: an unfinished MP4 or MOV in fragments, or a Matroska file, which needs nothing done.

    Returns:
        Whether it holds a picture; False also where it does not exist.

    Raises:
        OSError: it cannot be read or cut.
    """
    try:
        with av.open(str(path)) as container:
            if "mp4" in container.format.name.split(","):
                _cut_to_whole_fragments(path)
        with av.open(str(path)) as container:
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, IndexError):
        return False


def _cut_to_whole_fragments(path: Path) -> None:
    """Walk the boxes (ISO/IEC 14496-12, 4.2) and cut after the last one that is whole and of use by itself."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        position = whole = 0
        while position + 8 <= size:
            file.seek(position)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1 and position + 16 <= size:
                (length,) = struct.unpack(">Q", file.read(8))
            position += length
            if length < 8 or position > size:
                break
            if kind != b"moof":  # which only lists what the box after it holds
                whole = position
        file.truncate(whole)
