"""Ctrl-C, SIGTERM and a terminal that is closed, turned into an orderly end."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Final, Self

from rtsod.errors import ExitCode

_CODES: Final = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _CODES[signal.SIGHUP] = ExitCode.HUNG_UP
_FORCED_AFTER: Final = 3
"""The signal that ends the process at once, outputs closed or not: nobody should need ``kill -9``."""


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
