"""What was measured, kept as JSON: written whole or not at all."""

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
