"""Recovers the playable part of a video file that could not be finished."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import av

from rtsod.errors import SourceError
from rtsod.imaging.media import open_media


def recover(path: Path) -> bool:
    """Make an unfinished video file playable, in place and without any free disk space.

    Args:
        path: a fragmented MP4 or MOV file, which is cut after its last complete fragment; or a Matroska file, which is
            playable as it is.

    Returns:
        Whether the file holds at least one picture; False if it does not exist.

    Raises:
        OSError: it cannot be read or truncated.
    """
    try:
        with open_media(path) as container:
            if "mp4" in container.format.name.split(","):
                _cut_to_whole_fragments(path)
        with open_media(path) as container:
            return next(container.decode(video=0), None) is not None
    except (SourceError, av.error.FFmpegError, IndexError):
        return False


def _cut_to_whole_fragments(path: Path) -> None:
    """Walk the boxes (ISO/IEC 14496-12, 4.2) and truncate after the last complete fragment."""
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
            if kind != b"moof":  # describes the mdat box after it and is useless alone
                whole = position
        file.truncate(whole)
