"""Counts and logs what happens to a supervised source."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rtsod.metrics import Event
from rtsod.sources.recovery import STABLE_SECONDS

_log = logging.getLogger(__name__)


class FaultReport:
    """Counts events and logs them, without repeating itself.

    Args:
        name: of the source, for messages.
        on_event: called for every event.
    """

    def __init__(self, name: str, on_event: Callable[[Event], None]) -> None:
        self._name, self._on_event = name, on_event
        self._last_reason = ""
        self._broken_at: float | None = None

    def fault(self, event: Event, reason: str) -> None:
        """Count a fault; log it unless it repeats the previous one."""
        self._on_event(event)
        if reason != self._last_reason:
            _log.warning("%s", reason)
        self._last_reason = reason

    def broken_frame(self, now: float) -> None:
        """Report broken frames once, until none has arrived for ``STABLE_SECONDS``."""
        if self._broken_at is None or now - self._broken_at > STABLE_SECONDS:
            self.fault(Event.SOURCE_BROKEN, f"{self._name} delivers broken frames: they are skipped")
        self._broken_at = now

    def recovery(self) -> None:
        """Count and log that frames arrive again."""
        self._on_event(Event.SOURCE_RECOVERED)
        self._last_reason = ""
        _log.warning("%s delivers again", self._name)
