"""One blocking device, one thread: so that a wait for the device can be given up at any moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)

RELEASE_SECONDS: Final = 3.0
"""How long :meth:`Worker.close` waits for a device that is still busy."""


class Worker(Generic[T]):
    """Calls ``fetch`` on a thread of its own, once for each :meth:`next`, and ``release`` there at the end.

    Neither ``cv2.VideoCapture`` nor an FFmpeg container may be closed while another thread reads from it, and both can
    block for seconds. Here only the worker's thread touches them; ``close`` lets a waiting :meth:`next` go at once. A
    driver that never returns keeps this one daemon thread, not the program.
    """

    def __init__(self, fetch: Callable[[], T | None], release: Callable[[], None], *, name: str) -> None:
        self._fetch = fetch
        self._release = release
        self._state = threading.Condition()
        self._wanted = False
        self._answer: tuple[T | None, Exception | None] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def next(self) -> T | None:
        """What ``fetch`` returns or raises; None once closed."""
        with self._state:
            if self._closed:
                return None
            self._wanted = True
            self._state.notify_all()
            self._state.wait_for(lambda: self._answer is not None or self._closed)
            if self._closed or self._answer is None:
                return None
            value, error = self._answer
            self._answer = None
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """Let a pending :meth:`next` go and have the device released. Idempotent; from any thread."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        self._thread.join(RELEASE_SECONDS)

    def _run(self) -> None:
        try:
            while self._is_wanted():
                try:
                    answer: tuple[T | None, Exception | None] = (self._fetch(), None)
                except Exception as error:  # handed to the thread that asked
                    answer = (None, error)
                with self._state:
                    self._answer = answer
                    self._state.notify_all()
        finally:
            try:
                self._release()
            except Exception:
                _log.warning("%s: releasing failed", self._thread.name, exc_info=True)

    def _is_wanted(self) -> bool:
        with self._state:
            self._state.wait_for(lambda: self._wanted or self._closed)
            self._wanted = False
            return not self._closed
