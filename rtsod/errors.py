"""All errors that reach the user, each with the exit code of the command line.

::

    RtsodError
    ├── UsageError          2   an option, or a combination of options, is invalid
    ├── SourceError         3   the input cannot be opened or read
    │   ├── SourceGone          the camera is not connected
    │   └── SourceBusy          another program uses the camera
    ├── DataError           3   pictures with masks, for training or evaluation, cannot be used
    ├── WeightsError        4   the weights cannot be downloaded or read, or belong to another model
    ├── EngineError         5   inference cannot start, or failed; memory or threads are short
    │   └── EngineUnavailable   the engine, device or precision is not available on this machine
    ├── OutputError         6   an output cannot be opened or written
    │   └── ReceiverGone        who was to receive the pictures left, or was never there
    ├── NotRunning          7   no run can be controlled, or it does not answer
    └── MaskError           -   one mask is unusable: a slate replaces its frame, and the run goes on
        └── MaskWithheld        nor are the masks before it, because their network is out of its depth

Each message is one line that says what is wrong and how to fix it. Errors of other libraries are converted to these
where the library is wrapped, with ``raise ... from``.
"""

from __future__ import annotations

import errno
import traceback
from enum import IntEnum
from pathlib import Path
from typing import Final


class ExitCode(IntEnum):
    """The exit codes of the command line."""

    DONE = 0
    """All went well."""
    CHECK_FAILED = 1
    """``rtsod bench --check``: a network is slower than its target. ``rtsod doctor``: the main job would not run.
    ``rtsod service``: it is not active."""
    USAGE = 2
    """An option, or a combination of options, is invalid: :class:`UsageError`."""
    SOURCE = 3
    """The input, or a data set, cannot be used: :class:`SourceError`, :class:`DataError`."""
    WEIGHTS = 4
    """The weights cannot be used: :class:`WeightsError`."""
    ENGINE = 5
    """Inference cannot start, or failed; memory or threads are short: :class:`EngineError`."""
    OUTPUT = 6
    """An output cannot be opened or written: :class:`OutputError`."""
    NOT_RUNNING = 7
    """No run can be controlled, or it does not answer: :class:`NotRunning`."""
    ITEMS_FAILED = 8
    """``rtsod batch``: it is finished, and some items failed."""
    INTERNAL = 70
    """A bug in rtsod."""
    HUNG_UP = 129
    """Ended by SIGHUP."""
    INTERRUPTED = 130
    """Ended by SIGINT (Ctrl-C)."""
    TERMINATED = 143
    """Ended by SIGTERM."""


class RtsodError(Exception):
    """Base class of all errors. Its text is one line for the user."""

    exit_code: ExitCode = ExitCode.INTERNAL
    """The exit code of the command line after this error."""


class UsageError(RtsodError):
    """An option, or a combination of options, is invalid."""

    exit_code = ExitCode.USAGE


class SourceError(RtsodError):
    """The input cannot be opened or read."""

    exit_code = ExitCode.SOURCE


class SourceGone(SourceError):
    """The camera is not connected, or was unplugged."""


class SourceBusy(SourceError):
    """Another program uses the camera."""


class DataError(RtsodError):
    """A data set cannot be used: files are missing, damaged or do not fit each other, or it is the wrong one."""

    exit_code = ExitCode.SOURCE


class WeightsError(RtsodError):
    """The weights cannot be downloaded or read, or belong to another model."""

    exit_code = ExitCode.WEIGHTS


class EngineError(RtsodError):
    """Inference cannot start, or failed."""

    exit_code = ExitCode.ENGINE


class EngineUnavailable(EngineError):
    """The engine, device or precision is not available on this machine."""


class OutputError(RtsodError):
    """An output cannot be opened or written."""

    exit_code = ExitCode.OUTPUT


class ReceiverGone(OutputError):
    """Who was to receive the pictures left, or was never there. A signal that ends a run may well be why."""


class NotRunning(RtsodError):
    """``rtsod ctl`` finds no run that can be controlled, or it does not answer."""

    exit_code = ExitCode.NOT_RUNNING


class MaskError(RtsodError):
    """One mask is unusable: its values are not finite or out of range, or it belongs to another frame."""


class MaskWithheld(MaskError):
    """The network is out of its depth: its masks, those that were handed out included, must not be shown."""


NOT_ENOUGH_MEMORY: Final = "not enough memory or threads: close other programs, or raise the limits of this process"

_SHORTAGES: Final = (
    "allocate memory",
    "failed to allocate",
    "bad_alloc",
    "failed to map segment",
    "resource temporarily unavailable",
    "can't start new thread",
)
"""What C++, the dynamic linker, the system and Python say, in lower case."""


def is_shortage(error: BaseException) -> bool:
    """Whether an error, or one that led to it, means that memory or threads are short."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, MemoryError) or getattr(link, "errno", None) in (errno.ENOMEM, errno.EAGAIN):
            return True
        text = str(link).lower()
        if any(words in text for words in _SHORTAGES):
            return True
        link = link.__cause__ or link.__context__
    return False


def internal_error(error: Exception) -> str:
    """Describe a bug in one line, with the place where it occurred; a shortage of memory or threads is none."""
    if is_shortage(error):
        return NOT_ENOUGH_MEMORY
    places = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    return f"internal error: {type(error).__name__}: {' '.join(str(error).split())}{where}"
