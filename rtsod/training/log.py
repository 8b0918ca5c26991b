"""``log.jsonl``: what happened in a run, one JSON object a line, for the report and for your own plots.

====================  ================================================================================================
``kind``              other keys
====================  ================================================================================================
``start``             ``config``, ``machine``, ``versions``, ``data``
``step``              ``step``, ``losses``, ``lr``, ``gradient_norm``, ``samples_per_second``, ``waiting_share``
``validation``        ``step``, ``mae``, ``max_f``
``event``             ``text``, and ``step`` where it belongs to one
``end``               ``reason``, ``steps``, ``seconds``, ``best``
====================  ================================================================================================
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rtsod.system.files import output_error, replace_file


class TrainLog:
    """Appends lines. Each is written at once, so that a run that is killed loses none.

    Args:
        path: of the file; None discards everything, for processes but the first.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def rewind(self, step: int) -> None:
        """Drop what was written after a step, and a last line that is torn: the run goes on from there.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._path is None:
            return
        try:
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
            kept = [line for line in lines if _belongs(line, step)]
            replace_file(self._path, b"".join(line + b"\n" for line in kept))
        except OSError as error:
            raise output_error(self._path, error) from error

    def write(self, kind: str, **fields: Any) -> None:
        """Append a line. Numbers that JSON does not know (NaN, infinity) become null.

        Raises:
            OutputError: it cannot be written, for example because the disk is full.
        """
        if self._path is None:
            return
        line = json.dumps(_finite({"kind": kind, **fields}), allow_nan=False) + "\n"
        try:
            with self._path.open("ab") as file:
                file.write(line.encode())
        except OSError as error:
            raise output_error(self._path, error) from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without one that is torn.

    Raises:
        OSError: it cannot be read.
    """
    return [record for line in path.read_bytes().splitlines() if (record := _parsed(line)) is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _belongs(line: bytes, step: int) -> bool:
    record = _parsed(line)
    return record is not None and record.get("kind") != "end" and record.get("step", 0) <= step


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
