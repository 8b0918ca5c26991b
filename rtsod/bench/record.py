"""What was measured, kept as JSON: written whole or not at all."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rtsod.errors import OutputError, UsageError


def check_writable(option: str, path: Path) -> None:
    """Fail before minutes are spent on measuring.

    Raises:
        UsageError: ``path`` is a folder.
        OutputError: its folder is missing or cannot be written.
    """
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder, not a file")
    if not os.access(path.absolute().parent, os.W_OK):
        raise OutputError(f"{option} {path}: the folder {path.parent} is missing or cannot be written")


def write_text(path: Path, text: str) -> None:
    """Write a file whole, over an older one, or leave the older one as it is.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.absolute().parent, prefix=f".{path.name}-", delete=False
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644)  # a temporary file's own mode shuts other users out
        os.replace(file.name, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_json(path: Path, record: object) -> None:
    """Write a result.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def command_line(module: str, argv: Sequence[str] | None = None) -> str:
    """A command as it would be typed, for the result that it makes.

    Args:
        module: that is run.
        argv: its arguments; None takes them from the process.
    """
    return shlex.join(["python", "-m", module, *(sys.argv[1:] if argv is None else argv)])
