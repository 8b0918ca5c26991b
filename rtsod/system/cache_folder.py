"""The folder for what the program can fetch or make again: weights, converted networks, compiled code."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from rtsod.system.files import read_bytes, replace_file
from rtsod.system.user_folder import user_folder

CACHE_LOG: Final = "rtsod.cache"
"""Name of the log that is told when a cache costs time: what is in it is damaged, or nothing can be stored."""

CODE_MODE: Final = 0o644
"""Permissions of files with machine code, less the umask. Others may read them, but only the user may write them,
because the program executes what it reads."""
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """The program's folder in the user's cache, which need not exist.

    Raises:
        OSError: there is none: the user has no home folder, or ``XDG_CACHE_HOME`` is not an absolute path.
    """
    return user_folder("cache")


def read_checked(path: Path) -> memoryview:
    """Read what :func:`write_checked` stored. It is not copied: a compiled network has up to 180 MB.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not, byte for byte, what was stored.
    """
    stored = read_bytes(path)
    content = memoryview(stored)[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != stored[:_DIGEST_BYTES]:
        raise ValueError("is damaged")
    return content


def write_checked(path: Path, content: bytes) -> None:
    """Store machine code with its SHA-256, atomically, in a folder that exists.

    Raises:
        OSError: it cannot be written; an older file is unchanged.
    """
    replace_file(path, hashlib.sha256(content).digest() + content, mode=CODE_MODE)


def reason(error: Exception) -> str:
    """What an error says, without its number and the name of the file."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
