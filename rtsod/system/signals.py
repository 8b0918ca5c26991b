"""Ctrl-C, SIGTERM and a terminal that is closed, turned into an orderly end; and the end itself."""

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
_FORCED_AFTER: Final = 3
"""The signal that ends the process at once, outputs closed or not: nobody should need ``kill -9``."""

_LAST_WAIT: Final = 1.0
"""Seconds for threads that are about to end."""


class Interrupted(BaseException):
    """A signal came while something was being opened. Not an Exception, so that nothing on the way swallows it."""


class StopSignals:
    """While it is entered, SIGINT, SIGTERM and SIGHUP are noted instead of killing the process.

    Until :meth:`hold` they also raise :class:`Interrupted`, so that a download or a model being compiled is left at
    once; from then on the pipeline asks :attr:`received` and ends by itself, and nothing interrupts the closing of
    the outputs.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._holding = False
        self._before: dict[int, object] = {}

    @property
    def received(self) -> bool:
        """Whether one has come."""
        return bool(self._received)

    @property
    def exit_code(self) -> ExitCode:
        """What the first one means for the process, or 0."""
        return _CODES[signal.Signals(self._received[0])] if self._received else ExitCode.DONE

    def hold(self) -> None:
        """From here on signals are only noted."""
        self._holding = True

    def __enter__(self) -> Self:
        for number in _CODES:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: whoever started this wants it to go on
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._received.append(number)
        if len(self._received) >= _FORCED_AFTER:
            os._exit(self.exit_code)
        if not self._holding:
            raise Interrupted
        if len(self._received) == _FORCED_AFTER - 1:
            with suppress(OSError):  # the terminal may be what is gone
                print("closing the outputs; once more to give them up", file=sys.stderr)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, also where a thread is stuck in a driver or a library.

    Everything of ours is closed by now. But to unload a library under its own running thread may hang, or abort and
    change the exit code (PyTorch: 134), so in that case nothing is unloaded.
    """
    for number in _CODES:
        signal.signal(number, signal.SIG_IGN)  # all is done: one that comes now would only spoil the exit code
    ends = time.monotonic() + _LAST_WAIT
    stuck = [thread for thread in threading.enumerate() if thread.daemon and thread is not threading.current_thread()]
    for thread in stuck:
        thread.join(max(0.0, ends - time.monotonic()))
    if any(thread.is_alive() for thread in stuck):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)
    raise SystemExit(code)
