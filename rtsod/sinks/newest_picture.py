"""Which picture a live output shows at this moment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from rtsod.frames import Composited
from rtsod.interfaces import Clock
from rtsod.metrics import Event

_log = logging.getLogger(__name__)

HANG_SECONDS: Final = 1.0
"""How long after its last picture became too old the writing thread is considered hung. One that only waits for its
source has sent a slate by then."""


class NewestPicture:
    """The newest picture, or the last slate once that picture is too old. It does no locking.

    Args:
        name: of the output, for messages.
        clock: monotonic, in seconds.
        on_event: receives an event when the writing thread hangs.
    """

    def __init__(self, name: str, clock: Clock, on_event: Callable[[Event], None]) -> None:
        self._name, self._clock, self._on_event = name, clock, on_event
        self._newest: Composited | None = None
        self._slate: Composited | None = None
        self._put_at = 0.0
        self._starved = False
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

    def put(self, picture: Composited) -> None:
        """Make this picture the newest one."""
        self._newest, self._put_at = picture, self._clock()
        if picture.is_slate:
            self._slate = picture

    def to_show(self) -> Composited | None:
        """The picture to show now; None if there is none, or if one is too old and there was no slate yet."""
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
