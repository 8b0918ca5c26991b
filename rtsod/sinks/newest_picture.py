"""The picture that a live output shows at this moment, handed from the thread that writes to the one that shows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from rtsod.errors import OutputError
from rtsod.frames import Composited
from rtsod.interfaces import Clock, Wait
from rtsod.metrics import Event
from rtsod.sinks.pixels import require_composited

_log = logging.getLogger(__name__)

HANG_SECONDS: Final = 1.0
"""How long after its last picture became too old the writing thread is considered hung. One that only waits for its
source has sent a slate by then."""


class NewestPicture:
    """The newest picture, or the last slate once that picture is too old.

    One thread calls :meth:`write` and :meth:`close`. The other one, which the output's device or server may hold up,
    calls the rest. It is over once it is closed, or once :meth:`fail` was called.

    Args:
        name: of the output, for messages.
        clock: monotonic, in seconds.
        wait: waits on a condition, with a timeout in seconds of ``clock``.
        on_event: receives an event when the writing thread hangs.
    """

    def __init__(self, name: str, clock: Clock, wait: Wait, on_event: Callable[[Event], None]) -> None:
        self._name, self._clock, self._wait, self._on_event = name, clock, wait, on_event
        self._changed = threading.Condition()
        self._newest: Composited | None = None
        self._slate: Composited | None = None
        self._put_at = 0.0
        self._starved = False
        self._error: OutputError | None = None
        self._closed = False
        self.max_age: float | None = None
        """Seconds after which any picture but a slate is too old; None: never."""

    @property
    def exists(self) -> bool:
        """Whether there was any picture yet."""
        return self._newest is not None

    @property
    def slate(self) -> Composited | None:
        """The last slate; None if there was none."""
        return self._slate

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or the showing thread has given up."""
        return self._closed or self._error is not None

    def write(self, picture: Composited) -> None:
        """Make this picture the newest one.

        Raises:
            OutputError: the showing thread has given up, or it is closed.
        """
        require_composited(picture)
        with self._changed:
            if self._error is not None:
                raise self._error
            if self._closed:
                raise OutputError(f"{self._name}: is already closed")
            self._newest, self._put_at = picture, self._clock()
            if picture.is_slate:
                self._slate = picture
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more pictures, and wake whoever sleeps. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: OutputError) -> None:
        """Give up: the next :meth:`write` raises the first error."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def wait_for_first(self) -> None:
        """Wait until there is a picture, or it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.exists or self.is_over)

    def sleep(self, seconds: float, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Wait, no longer than until it is over; return whether it is.

        Args:
            seconds: how long.
            interrupted: ends it as well; asked after :meth:`wake`.
        """
        with self._changed:
            self._wait(self._changed, lambda: self.is_over or interrupted(), max(0.0, seconds))
            return self.is_over

    def wake(self) -> None:
        """Let whoever sleeps ask whether that is interrupted."""
        with self._changed:
            self._changed.notify_all()

    def to_show(self) -> Composited | None:
        """The picture to show now; None if there is none, or if one is too old and there was no slate yet."""
        with self._changed:
            newest = self._newest
            too_old = self._clock() - self._put_at - self.max_age if self.max_age is not None else 0.0
            if newest is None or newest.is_slate or too_old <= 0.0:
                if self._starved:
                    _log.warning("%s receives pictures again", self._name)
                self._starved = False
                return newest
            if too_old > HANG_SECONDS and not self._starved:
                self._starved = True
                self._on_event(Event.OUTPUT_STARVED)
                _log.warning("%s receives no pictures: showing a slate", self._name)
            return self._slate
