"""Files that appear under their name only when they are whole, and the words for what went wrong with them."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from rtsod.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def part_beside(path: Path) -> Path:
    """A new name in the folder of ``path``, to be renamed over it: two runs at once never share it."""
    return path.with_name(f".rtsod-{os.getpid()}-{uuid.uuid4().hex[:12]}.part")


def output_error(path: Path, error: Exception) -> OutputError:
    """One line for a failed write, by its errno (of OSError and of FFmpeg's errors alike)."""
    code = getattr(error, "errno", None)
    if code in _FULL:
        return OutputError(f"{path}: disk full: free some space or write to another folder")
    if code in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return OutputError(f"{path}: not writable: choose another folder or change its permissions")
    if code == errno.ENOENT:
        return OutputError(f"{path}: its folder is gone: create {path.parent} and run again")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OutputError(f"{path}: cannot be written: {' '.join(str(reason).split())}")
