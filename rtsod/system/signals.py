"""Handles Ctrl-C, SIGTERM and SIGHUP so that outputs are finished, and ends the process."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Final, NoReturn, Self

from rtsod.errors import ExitCode

_CODES: Final = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _CODES[signal.SIGHUP] = ExitCode.HUNG_UP
_FORCED_SIGNALS: Final = 3
"""This many signals end the process at once, even with open outputs, so that ``kill -9`` is never needed."""

_JOIN_SECONDS: Final = 1.0
"""How long to wait for daemon threads that are about to end."""


class Interrupted(BaseException):
    """A signal arrived during startup. Not an :class:`Exception`, so that no handler on the way swallows it."""


class StopSignals:
    """A context manager in which SIGINT, SIGTERM and SIGHUP are recorded instead of killing the process.

    Until :meth:`hold` is called they also raise :class:`Interrupted`, which stops a download or a compilation at once.
    After that the pipeline polls :attr:`received` and ends by itself, so nothing interrupts closing the outputs.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._holding = False
        self._forced = _FORCED_SIGNALS
        self._previous: dict[int, object] = {}

    @property
    def received(self) -> bool:
        """Whether a signal has arrived."""
        return bool(self._received)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for the first signal, or 0 if there was none."""
        return _CODES[signal.Signals(self._received[0])] if self._received else ExitCode.DONE

    def hold(self, forced: int = _FORCED_SIGNALS) -> None:
        """Only record signals from now on.

        Args:
            forced: this many signals of one kind end the process at once. (Of one kind, because ``torchrun`` sends a
                SIGTERM to processes that Ctrl-C has sent a SIGINT already.)
        """
        self._holding = True
        self._forced = forced

    def __enter__(self) -> Self:
        for number in _CODES:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the process is meant to outlive its terminal
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._received.append(number)
        if len(self._received) >= _FORCED_SIGNALS or self._received.count(number) >= self._forced:
            os._exit(self.exit_code)
        if not self._holding:
            raise Interrupted
        if len(self._received) == _FORCED_SIGNALS - 1:
            with suppress(OSError):  # the terminal may be gone
                print("closing the outputs; once more to quit at once", file=sys.stderr)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, even if a thread is stuck in a driver or a library.

    Call this after everything has been closed. Unloading a library while one of its threads runs can hang, or abort and
    change the exit code (PyTorch: 134), so if a daemon thread is still running nothing is unloaded.
    """
    for number in _CODES:
        signal.signal(number, signal.SIG_IGN)  # a late signal would only change the exit code
    deadline = time.monotonic() + _JOIN_SECONDS
    stuck = [thread for thread in threading.enumerate() if thread.daemon and thread is not threading.current_thread()]
    for thread in stuck:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in stuck):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)
    raise SystemExit(code)
