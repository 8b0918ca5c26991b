"""Opens what takes a moment on a thread of its own, when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Opening(Generic[T]):
    """Something that is opened once, when it is first asked for, and closed with this.

    :meth:`ready` is called from one thread at a time; :meth:`close` from any.

    Args:
        open_it: opens it.
        close_it: closes it.
        in_place: True: :meth:`ready` opens it before it returns, for files, which have time.
        name: of the thread.
    """

    def __init__(
        self, open_it: Callable[[], T], close_it: Callable[[T], None], *, in_place: bool = False, name: str = "opener"
    ) -> None:
        self._open_it, self._close_it, self._in_place = open_it, close_it, in_place
        self._name = f"rtsod-{name}"
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._opened: T | None = None
        self._error: BaseException | None = None
        self._closed = False

    def ready(self) -> T | None:
        """It, if it is open; None while it is being opened, which the first call begins.

        Raises:
            BaseException: what opening raised, each time.
        """
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._open, name=self._name, daemon=True)
            self._thread.start()
        if self._in_place and self._thread is not None:
            self._thread.join()
        with self._lock:
            if self._error is not None:
                raise self._error
            return self._opened

    def close(self) -> None:
        """Close it. If it is still being opened, the thread that opens it closes it. Idempotent."""
        with self._lock:
            opened, self._opened, self._closed = self._opened, None, True
        if opened is not None:
            self._close_it(opened)

    def _open(self) -> None:
        try:
            opened = self._open_it()
        except BaseException as error:
            with self._lock:
                self._error = error
            return
        with self._lock:
            if not self._closed:
                self._opened = opened
                return
        self._close_it(opened)
