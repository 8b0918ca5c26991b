"""The rows of a batch: what became of each item. One file for each shard, appended by one process at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rtsod.batch.config import Shard
from rtsod.batch.places import ROWS
from rtsod.errors import OutputError
from rtsod.system.files import output_error

State = Literal["done", "failed", "outdated"]
"""The last one takes back what earlier rows say: ``--force`` is about to make the item again."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one item."""

    name: str
    """Of the item."""
    state: State
    at: float
    """When, in seconds since 1970."""
    result: str = ""
    """Name of the result, relative to the output folder; empty where it failed."""
    bytes: int = 0
    """Size of the result."""
    frames: int = 0
    megapixels: float = 0.0
    """Of all frames together."""
    shown: float = 0.0
    """Of a video: how long it is shown, in seconds."""
    seconds: float = 0.0
    """What it took."""
    reading: float = 0.0
    """Seconds of reading and decoding."""
    inference: float = 0.0
    """Seconds of inference, with its preparation."""
    writing: float = 0.0
    """Seconds of encoding and writing."""
    stage: str = ""
    """Where it failed: ``read``, ``infer``, ``write``, or ``process`` where its process ended."""
    message: str = ""
    """Why it failed."""
    attempts: int = 1
    settings: str = ""
    """Digest of the settings it was made with; see :mod:`rtsod.batch.settings`."""
    part: bool = False
    """Whether this is a part of a long video, which lies among the records."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What became of the items of an output folder so far."""

    items: dict[str, Row]
    """The newest row of each item, by its name."""
    parts: dict[str, Row]
    """The newest row of each part of a video that is not finished, by the name of its file."""


class Manifest:
    """Appends rows. A row is on the disk, as far as the system knows, when :meth:`append` returns.

    Args:
        path: of the file. A line that an earlier process left unfinished stays, and counts for nothing.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("ab")
            if self._file.tell() and not _ends_a_line(path):
                self._file.write(b"\n")
                self._file.flush()
        except OSError as error:
            raise output_error(path, error) from error

    def append(self, row: Row) -> None:
        """Add a row.

        Raises:
            OutputError: it cannot be written, or the file was deleted.
        """
        try:
            if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                raise FileNotFoundError  # others may have made the folder anew: the rows would go nowhere
            self._file.write(json.dumps(asdict(row), ensure_ascii=True).encode() + b"\n")
            self._file.flush()
        except FileNotFoundError as error:
            raise OutputError(f"{self._path}: was deleted meanwhile") from error
        except OSError as error:
            raise output_error(self._path, error) from error

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()


def manifest_path(records: Path, shard: Shard) -> Path:
    """The file of a shard."""
    return records / f"shard-{shard.label}.jsonl"


def read_rows(records: Path) -> Rows:
    """The rows of all shards. What is no row is passed over: a process may have died in a line.

    Raises:
        OutputError: a file cannot be read.
    """
    rows = Rows({}, {})
    for path in sorted(records.glob(ROWS)):
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise output_error(path, error) from error
        for row in _parsed(lines):
            kept, name = (rows.parts, row.result) if row.part else (rows.items, row.name)
            if name not in kept or row.at >= kept[name].at:
                kept[name] = row
    return Rows(_without_outdated(rows.items), _without_outdated(rows.parts))


def _without_outdated(rows: dict[str, Row]) -> dict[str, Row]:
    return {name: row for name, row in rows.items() if row.state != "outdated"}


def is_done(row: Row | None, settings: str, size_of: Callable[[str], int | None]) -> bool:
    """Whether an item needs nothing more: its row says so, and its result is there with the size that the row says.

    Args:
        row: the item's newest, if there is one.
        settings: digest of those that it must have been made with.
        size_of: tells the size of a result by its name; None if there is none.
    """
    return row is not None and row.state == "done" and row.settings == settings and size_of(row.result) == row.bytes


def _parsed(lines: Iterable[bytes]) -> Iterable[Row]:
    for line in lines:
        try:
            record: Any = json.loads(line)
            row = Row(**record)
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(row.name, str) and isinstance(row.at, int | float) and row.state in get_args(State):
            yield row


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
