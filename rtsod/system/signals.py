"""Handles Ctrl-C, SIGTERM and SIGHUP so that outputs are finished, and ends the process."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Final, NoReturn, Self

from rtsod.errors import ExitCode

_CODES: Final = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _CODES[signal.SIGHUP] = ExitCode.HUNG_UP
STOP_SIGNALS: Final = tuple(_CODES)
"""What a process is told to end with: SIGINT, SIGTERM, and SIGHUP where there is one."""
_FORCED_SIGNALS: Final = 3
"""This many signals end the process at once, even with open outputs, so that ``kill -9`` is never needed."""

_POLL_SECONDS: Final = 0.01
_JOIN_SECONDS: Final = 1.0
"""How long to wait for daemon threads that are about to end."""
_SHOW_CURSOR: Final = "\x1b[?25h"
"""Undoes what a progress bar does to a terminal."""


class Interrupted(BaseException):
    """A signal arrived during startup. Not an :class:`Exception`, so that no handler on the way swallows it."""


class _Shield:
    """How deep the main thread is in :func:`interrupted_later`, and whether a signal has arrived there."""

    depth = 0
    hit = False


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Let a signal that arrives within the block raise :class:`Interrupted` at its end.

    For libraries in C that call Python back: an exception between the two is lost, and what it has left undone can
    crash the process. Signals are handled in the main thread, so elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Shield.depth += 1
    try:
        yield
    finally:
        _Shield.depth -= 1
        if _Shield.hit and _Shield.depth == 0:
            _Shield.hit = False
            raise Interrupted


class StopSignals:
    """A context manager in which SIGINT, SIGTERM and SIGHUP are recorded instead of killing the process.

    Until :meth:`hold` is called they also raise :class:`Interrupted`, which stops a download or a compilation at once.
    After that the pipeline polls :attr:`received` and ends by itself, so nothing interrupts closing the outputs.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._holding = False
        self._forced = _FORCED_SIGNALS
        self._last_words: Callable[[], str] | None = None
        self._previous: dict[int, object] = {}
        self._previous_hook = sys.unraisablehook
        self._repeated = False

    @property
    def received(self) -> bool:
        """Whether a signal has arrived."""
        return bool(self._received)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for the first signal, or 0 if there was none."""
        return _CODES[signal.Signals(self._received[0])] if self._received else ExitCode.DONE

    def arrives_within(self, seconds: float) -> bool:
        """Whether a signal has arrived, or does so soon. Call it from the main thread."""
        ends = time.monotonic() + seconds
        while not self._received and time.monotonic() < ends:
            time.sleep(_POLL_SECONDS)
        return self.received

    def hold(self, forced: int = _FORCED_SIGNALS, last_words: Callable[[], str] | None = None) -> None:
        """Only record signals from now on.

        Args:
            forced: this many times Ctrl-C end the process at once. Three signals of any kind always do. (SIGTERM and
                SIGHUP often come twice for one wish: ``timeout`` sends them to a process and to its group.)
            last_words: the line to print before that; empty for none. It runs as a signal handler.
        """
        self._holding = True
        self._forced = forced
        self._last_words = last_words

    def __enter__(self) -> Self:
        for number in _CODES:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the process is meant to outlive its terminal
            self._previous[number] = signal.signal(number, self._on_signal)
        self._previous_hook, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.unraisablehook = self._previous_hook
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._repeated:
            self._repeated = False
            self._interrupt()
            return
        self._received.append(number)
        if len(self._received) >= _FORCED_SIGNALS or self._received.count(signal.SIGINT) >= self._forced:
            self._end_at_once()
        if not self._holding:
            if number != signal.SIGINT and self._received.count(number) > 1:
                return  # the same wish again, see hold(): what the first one raised is on its way
            self._interrupt()
            return
        if self._last_words is None and len(self._received) == _FORCED_SIGNALS - 1:
            with suppress(OSError):  # the terminal may be gone
                print("closing the outputs; once more to quit at once", file=sys.stderr)

    def _interrupt(self) -> None:
        if _Shield.depth:
            _Shield.hit = True
        elif not self._holding:
            raise Interrupted

    def _on_unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        """Raise once more, a moment later, what was raised in a finalizer or a callback, where it is lost."""
        if lost.exc_type is Interrupted:
            again = threading.Timer(_POLL_SECONDS, self._repeat)
            again.daemon = True
            again.start()
        else:
            self._previous_hook(lost)

    def _repeat(self) -> None:
        number, main = self._received[-1], threading.main_thread().ident
        if signal.getsignal(number) != self._on_signal:
            return  # what was interrupted has ended meanwhile, and another handler would take this for a new wish
        self._repeated = True
        if hasattr(signal, "pthread_kill") and main is not None:
            signal.pthread_kill(main, number)  # which also ends what that thread waits for
        else:
            _thread.interrupt_main(signal.Signals(number))

    def _end_at_once(self) -> NoReturn:
        words = "" if self._last_words is None else self._last_words()
        with suppress(OSError, ValueError):  # there may be no stderr, or no longer
            terminal = f"{_SHOW_CURSOR}\n" if sys.stderr.isatty() else ""  # below a progress bar
            line = f"{words}\n" if words else ""
            # Not with print(): the signal may have come in the midst of one, whose buffer is then locked.
            os.write(sys.stderr.fileno(), f"{terminal}{line}".encode(errors="replace"))
        os._exit(self.exit_code)


@contextmanager
def stop_signals_kept_from_children() -> Iterator[None]:
    """Keep SIGINT, SIGTERM and SIGHUP from processes that this thread starts within the block: their parent decides.

    They come to a whole group of processes where a terminal, ``timeout`` or a scheduler sends them. A program inherits
    which signals are blocked, and so is safe from its first instruction on. Those of this thread wait for the end of
    the block. On Windows this does nothing.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _other_daemons() -> list[threading.Thread]:
    here = threading.current_thread()
    return [thread for thread in threading.enumerate() if thread.daemon and thread is not here]


def leave(code: int) -> NoReturn:
    """End the process with this exit code, even if a thread is stuck in a driver or a library.

    Call this after everything has been closed. Unloading a library while one of its threads runs can hang, or abort and
    change the exit code (PyTorch: 134), so if a daemon thread is still running nothing is unloaded.
    """
    for number in _CODES:
        signal.signal(number, signal.SIG_IGN)  # a late signal would only change the exit code
    deadline = time.monotonic() + _JOIN_SECONDS
    # Once more after each round: a thread may start another one before it ends.
    while (running := _other_daemons()) and time.monotonic() < deadline:
        for thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))
    if running:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                if stream is not None:  # it was closed when the program began
                    stream.flush()
        os._exit(code)
    raise SystemExit(code)
