"""Writes results as JSON files, completely or not at all."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rtsod.system.files import write_text


def write_json(path: Path, record: object) -> None:
    """Write a result.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def command_line(module: str, argv: Sequence[str] | None = None) -> str:
    """A command as you would type it, to be stored with the result it produces.

    Args:
        module: the module to run.
        argv: its arguments; None takes those of this process.
    """
    return shlex.join(["python", "-m", module, *(sys.argv[1:] if argv is None else argv)])
