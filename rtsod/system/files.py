"""Results as files: whole or not at all, and never in the place of something that is no file."""

from __future__ import annotations

import argparse
import errno
import json
import os
from pathlib import Path
from typing import Any, Final

from rtsod.errors import OutputError, UsageError

_SEPARATORS: Final = ("/", os.sep)


def file_to_write(text: str) -> Path:
    """A file as an argument of a command line, where a path would forget what was wrong with it."""
    if not text:
        raise argparse.ArgumentTypeError("is empty: give a file")
    if text == "-":
        raise argparse.ArgumentTypeError("-: is no file: for standard output give /dev/stdout, for a file ./-")
    if text.endswith(_SEPARATORS):
        raise argparse.ArgumentTypeError(f"{text}: is a folder, not a file")
    return Path(text)


def check_writable(option: str, path: Path) -> None:
    """Fail before minutes are spent on what could not be kept.

    Raises:
        UsageError: ``path`` is a folder, a pipe or a socket.
        OutputError: its folder is missing or cannot be written.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: is a folder, not a file")
        if path.exists() and not (path.is_file() or path.is_char_device()):
            raise UsageError(f"{option} {path}: is not a file")
        if path.is_char_device():
            return
        trial = _unfinished(path)
        trial.touch()  # asking for permission is not enough: root has it everywhere, even where nothing can be made
        trial.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"{option} {path}: the folder {path.parent} is missing or cannot be written: {reason}"
        ) from error


def read_text(path: Path) -> str:
    """:func:`read_bytes`, which must be UTF-8.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is no text.
    """
    return read_bytes(path).decode()


def read_bytes(path: Path) -> bytes:
    """The content of a file; never waits for another program, as a pipe in its place would have it.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is not a file", str(path))
    return path.read_bytes()


def json_from_text(text: str) -> Any:
    """What a file that may be damaged holds.

    Raises:
        ValueError: it is no JSON, or nested so deep that nobody wrote it on purpose.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of the text in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole, over an older one, or leave the older one as it is. A device is written into.

    Raises:
        OutputError: it cannot be written.
    """
    unfinished = _unfinished(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # such as /dev/stdout
            return
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}-{os.getpid()}")
