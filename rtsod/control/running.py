"""The runs that can be controlled: each has a file, for its user alone, with its address and its token."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rtsod.errors import OutputError
from rtsod.system.files import json_from_text, read_text, replace_file
from rtsod.system.user_folder import runtime_folder

MODE: Final = 0o600
"""Whoever can read the file can control the run."""
PREFIX: Final = "run-"
"""Of the files; the number of the process and ``.json`` follow."""
_HAS_SIGNAL_0: Final = os.name != "nt"
"""Whether processes can be looked for by a signal; on Windows it would end them."""
_LISTEN_SECONDS: Final = 5.0
"""How long a connection may take. Windows needs two to be refused one."""
_BEGAN: Final = "began"
"""In the file: when the process began, by which a later one with the same number is told apart."""


@dataclass(frozen=True, slots=True)
class RunningRun:
    """How to reach a run."""

    pid: int
    """Of its process, by which ``rtsod ctl --run`` names it."""
    address: str
    """``"http://127.0.0.1:8737"``."""
    token: str
    source: str
    """What it shows, as it was called when the run started; for display."""


@contextmanager
def announced(run: RunningRun) -> Iterator[Path]:
    """Write the file of a run, and delete it at the end of the block.

    Raises:
        OutputError: there is no folder for it that only its user can read.
    """
    try:
        path = runtime_folder() / f"{PREFIX}{run.pid}.json"
        record = {**asdict(run), _BEGAN: _began(run.pid)}
        replace_file(path, json.dumps(record).encode(), mode=MODE)
    except OSError as error:
        raise OutputError(f"--control: the token cannot be stored: {error.strerror or error}") from error
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


def running_runs() -> list[RunningRun]:
    """The runs that have a file, the oldest first. Files that processes left behind are deleted.

    Raises:
        OutputError: there is no folder for them that only their user can read.
    """
    try:
        paths = sorted(runtime_folder().glob(f"{PREFIX}*.json"), key=_written)
    except OSError as error:
        raise OutputError(f"the folder of running programs cannot be read: {error.strerror or error}") from error
    found = []
    for path in paths:
        run = _read(path)
        if run is not None and _is_alive(run):
            found.append(run)
        else:
            with suppress(OSError):
                path.unlink()
    return found


def _written(path: Path) -> int:
    """When a file was written; 0 if its run has ended since the folder was listed."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _read(path: Path) -> RunningRun | None:
    try:
        record = json_from_text(read_text(path))
        began = record.pop(_BEGAN)
        run = RunningRun(**record)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return run if path.name == f"{PREFIX}{run.pid}.json" and began == _began(run.pid) else None


def _began(pid: int) -> str:
    """When a process began, in ticks of the system's clock; empty where that cannot be known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_alive(run: RunningRun) -> bool:
    if not _HAS_SIGNAL_0:
        return _listens(run.address)
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError, TypeError):  # another user's: a number that was used again
        return False
    return True


def _listens(address: str) -> bool:
    """Whether a run's port takes connections, or may: only one that refuses them tells that the run is gone."""
    try:
        parts = urlsplit(address)
        socket.create_connection((parts.hostname, parts.port), _LISTEN_SECONDS).close()
    except ConnectionRefusedError:
        return False
    except (OSError, ValueError):
        return True
    return True
