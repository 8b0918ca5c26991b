"""Tells the service manager that a run is ready, and that pictures go out."""

from __future__ import annotations

import time
from typing import Final

from rtsod.interfaces import Clock
from rtsod.metrics import Metrics
from rtsod.system.sd_notify import ServiceManager

LOADING_SECONDS: Final = 900
"""How long the network may take from the first slate on. The first start downloads 176 MB and converts them, which took
minutes on slow machines; a device may compile for as long."""
_BEATS: Final = 4
"""Looks at the meter within the watchdog's time: systemd recommends two, and a look may come late on a busy machine."""


class Heartbeat:
    """What one run tells its service manager. Used by the main thread only."""

    def __init__(self, manager: ServiceManager, clock: Clock = time.monotonic) -> None:
        """Tell nothing yet.

        Args:
            manager: of this process.
            clock: monotonic time in seconds.
        """
        self._manager = manager
        self._clock = clock
        self._watchdog = manager.watchdog_seconds
        self._due = 0.0
        self._pictures = 0

    def ready(self) -> None:
        """The outputs are open and have got their first slate. The network is not loaded yet, which takes its time."""
        self._manager.tell("READY=1", *self._limit(LOADING_SECONDS))

    def beat(self, metrics: Metrics, *, waits: bool) -> None:
        """Feed the watchdog if a picture or a slate went out since the last time; at most once in a while.

        Args:
            metrics: of the run.
            waits: no picture is due, because somebody paused a file.
        """
        if self._watchdog is None or self._clock() < self._due:
            return
        pictures = metrics.pictures()
        if pictures == self._pictures and not waits:
            return
        first, self._pictures = self._pictures == 0, pictures
        self._due = self._clock() + self._watchdog / _BEATS
        self._manager.tell("WATCHDOG=1", *(self._limit(self._watchdog) if first else ()))

    def stopping(self) -> None:
        """The run ends. Closing the outputs may take some seconds."""
        self._manager.tell("STOPPING=1")

    def _limit(self, seconds: float) -> tuple[str, ...]:
        """What sets the watchdog's time."""
        return () if self._watchdog is None else (f"WATCHDOG_USEC={round(seconds * 1e6)}",)
