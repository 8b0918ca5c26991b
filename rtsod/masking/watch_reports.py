"""What a watched run counts, and tells its user: each kind of change once, in plain words."""

from __future__ import annotations

import logging

from rtsod.errors import RtsodError
from rtsod.masking.doubt import Trust
from rtsod.metrics import Event, Metrics
from rtsod.progress import Notify

_log = logging.getLogger(__name__)


class WatchReports:
    """Counts the changes between a watched network and the one that takes over from it. Not thread-safe.

    Args:
        student: name of the network that is watched.
        fallback: name of the one that takes over.
        metrics: counts the changes.
        say: receives a line when something happens for the first time; the log receives the others.
    """

    def __init__(self, student: str, fallback: str, metrics: Metrics, say: Notify) -> None:
        self._student, self._fallback, self._metrics, self._say = student, fallback, metrics, say
        self._said: set[Event] = set()

    def doubted(self) -> None:
        """The student is out of its depth."""
        self._tell(
            Event.NETWORK_DOUBTED,
            f"masks: {self._student} does not know what it sees here, so {self._fallback} takes over until it does",
        )

    def trusted(self) -> None:
        """The student knows again what it sees."""
        self._tell(
            Event.NETWORK_TRUSTED,
            f"masks: {self._student} knows what it sees again, and takes over from {self._fallback}",
        )

    def teacher_failed(self, error: RtsodError, trust: Trust) -> None:
        """Nobody can look any more; what was known of the student until then."""
        left = "nobody checks its masks" if trust is Trust.TRUSTED else f"{self._fallback} makes the masks to the end"
        self._tell(Event.TEACHER_FAILED, f"masks: what {self._student} sees cannot be checked, so {left}: {error}")

    def fallback_failed(self, error: RtsodError) -> None:
        """The other network cannot be opened."""
        self._say(
            f"masks: {self._fallback} cannot take over from {self._student}: {error}; nothing is shown that "
            f"{self._student} does not know"
        )

    def _tell(self, event: Event, line: str) -> None:
        self._metrics.event(event)
        if event in self._said:
            _log.info("%s", line)
            return
        self._said.add(event)
        self._say(line)
