"""Blocking calls on a thread that the caller can stop waiting for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rtsod.interfaces import Wait
from rtsod.system.priority import give_way

T = TypeVar("T")
_log = logging.getLogger(__name__)


class CallTimeout(Exception):
    """A call did not return in time. Its thread is still inside it."""


class WorkerStopped(Exception):
    """The worker was stopped before the call, or during it."""


class WorkerThread:
    """Runs one call at a time on one thread, always the same.

    Cameras, FFmpeg containers and inference libraries can block for seconds, or forever, and must not be closed while
    another thread is inside them. So only the worker's thread touches them: it makes every call and, at the end, the
    one that releases the device. The caller can give up waiting at any moment: after a timeout, or because another
    thread calls :meth:`stop`. Native code that never returns then costs this one daemon thread, not the program.

    The thread starts with the first :meth:`call` or :meth:`stop`. Only one thread at a time may use :meth:`call`; every
    other method may be called from any thread.

    Args:
        name: of the thread, for stack dumps and tests.
        wait: waits on a condition, with a timeout in seconds of the program's clock.
        gives_way: the thread takes little of a core that others want, see :mod:`rtsod.system.priority`.
    """

    def __init__(self, name: str, *, wait: Wait = threading.Condition.wait_for, gives_way: bool = False) -> None:
        self._name = name
        self._gives_way = gives_way
        self._wait = wait
        self._changed = threading.Condition()
        self._next: _Call[Any] | None = None
        self._release: Callable[[], None] | None = None
        self._busy = False
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether the thread is inside a call. Once stopped, this changes from True to False at most once."""
        with self._changed:
            return self._busy

    def call(self, work: Callable[[], T], timeout: float | None = None) -> T:
        """Run ``work`` on the worker's thread and return its result.

        Args:
            work: takes no arguments; runs after any earlier call that timed out.
            timeout: seconds to wait for the result; None waits until the worker is stopped.

        Raises:
            CallTimeout: there was no result in time. The result is dropped if it still arrives.
            WorkerStopped: :meth:`stop` was called, before or meanwhile.
            BaseException: whatever ``work`` raised.
        """
        call = _Call(work)
        with self._changed:
            if self._release is not None:
                raise WorkerStopped("the worker was stopped")
            self._next = call
            self._wake()
            if not self._wait(self._changed, lambda: call.done or self._release is not None, timeout):
                raise CallTimeout(f"no result within {timeout} s")
            if not call.done:
                raise WorkerStopped("the worker was stopped")
        return call.result()

    def stop(self, release: Callable[[], None] = lambda: None) -> None:
        """End the thread once its current call returns. Returns at once, and only the first stop has an effect.

        Args:
            release: the last call on the thread; an exception it raises is logged.
        """
        with self._changed:
            if self._release is None:
                self._release = release
            self._wake()

    def join(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the thread to end."""
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        if self._gives_way:
            give_way()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._release is not None)
                call, self._next = self._next, None
                if self._release is not None:
                    break
                self._busy = True
            assert call is not None
            call.run()
            with self._changed:
                call.done = True
                self._busy = False
                self._changed.notify_all()
            del call  # the thread must not keep a frame alive until the next call
        try:
            self._release()
        except Exception:
            _log.warning("%s: cannot release the device", self._name, exc_info=True)


class _Call(Generic[T]):
    """One call, and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.done = False
        self._work: Callable[[], T] | None = work
        self._value: T
        self._error: BaseException | None = None

    def run(self) -> None:
        assert self._work is not None
        try:
            self._value = self._work()
        except BaseException as error:  # raised in the thread that asked
            self._error = error
        self._work = None

    def result(self) -> T:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # no cycle through the traceback
        return self._value
