"""The folder for what the program can fetch or make again: weights, converted networks, compiled code."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The program's folder in the user's cache, which need not exist.

    Raises:
        OSError: there is none: the user has no home folder, or ``XDG_CACHE_HOME`` is not an absolute path.
    """
    folder = platformdirs.user_cache_path("rtsod")
    if not folder.is_absolute() or (os.environ.get("HOME") == "" and folder.parent == Path("/.cache")):
        named = os.environ.get("XDG_CACHE_HOME")
        reason = f"XDG_CACHE_HOME={named} is not an absolute path" if named else "there is no home folder for a cache"
        raise FileNotFoundError(errno.ENOENT, f"{reason}: set XDG_CACHE_HOME to a folder that can be written")
    return folder
