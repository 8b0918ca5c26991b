"""Every error that a user can see, with the exit code it leads to.

::

    RtsodError
    ├── UsageError          2   an option or a combination of options that cannot be met
    ├── SourceError         3   the input cannot be opened or read
    │   ├── SourceGone          the camera is not there
    │   └── SourceBusy          another program has the camera
    ├── WeightsError        4   the weights cannot be fetched, read, or are not this model's
    ├── EngineError         5   inference cannot start or failed
    │   └── EngineUnavailable   the engine asked for is not on this machine
    ├── OutputError         6   an output cannot be opened or written
    └── MaskError           -   one mask is unusable: its frame becomes a slate, the run goes on

A message is one line, says what is wrong and how to mend it. Errors of other libraries are turned
into these where the library is wrapped, with ``raise ... from``.
"""

from __future__ import annotations

import traceback
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the process returns; part of the public interface, listed in the README."""

    DONE = 0
    BELOW_TARGET = 1
    """Of ``python -m rtsod.bench --check`` only."""
    USAGE = 2
    SOURCE = 3
    WEIGHTS = 4
    ENGINE = 5
    OUTPUT = 6
    INTERNAL = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class RtsodError(Exception):
    """Base of all errors shown to the user as one line."""

    exit_code: ExitCode = ExitCode.INTERNAL


class UsageError(RtsodError):
    """An option, or a combination of options, cannot be met."""

    exit_code = ExitCode.USAGE


class SourceError(RtsodError):
    """The input cannot be opened or read."""

    exit_code = ExitCode.SOURCE


class SourceGone(SourceError):
    """The camera is not connected, or not any more."""


class SourceBusy(SourceError):
    """Another program has the camera."""


class WeightsError(RtsodError):
    """The weights cannot be fetched, cannot be read, or belong to another model."""

    exit_code = ExitCode.WEIGHTS


class EngineError(RtsodError):
    """Inference cannot start or failed."""

    exit_code = ExitCode.ENGINE


class EngineUnavailable(EngineError):
    """The engine, device or precision that was asked for is not on this machine."""


class OutputError(RtsodError):
    """An output cannot be opened or written."""

    exit_code = ExitCode.OUTPUT


class MaskError(RtsodError):
    """One mask is unusable (not finite, out of range, of another frame)."""


def internal_error(error: Exception) -> str:
    """A bug in one line, with the place it came from, for a report."""
    places = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    return f"internal error: {type(error).__name__}: {' '.join(str(error).split())}{where}"
