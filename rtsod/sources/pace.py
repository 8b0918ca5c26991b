"""When the frames of a source that behaves like a camera are due."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from fractions import Fraction

from rtsod.interfaces import Clock


class Pace:
    """Gives the index of the frame that is due; a late caller misses frames, as with a camera.

    Args:
        fps: frames per second, above 0.
        clock: monotonic time in seconds.
        wait: waits for a number of seconds of ``clock``; by default for real ones, until ``stop`` ends the wait.
    """

    def __init__(self, fps: Fraction, clock: Clock, wait: Callable[[float], object] | None = None) -> None:
        self._fps = fps
        self._clock = clock
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._start: float | None = None
        self._next = 0

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped.is_set()

    def next(self) -> int:
        """Wait until a frame is due. The first is due at the first call; indexes only grow."""
        now = self._clock()
        if self._start is None:
            self._start = now
        index = max(self._next, math.floor((now - self._start) * self._fps))
        ahead = self._start + float(index / self._fps) - now
        if ahead > 0:
            self._wait(ahead)
        self._next = index + 1
        return index

    def stop(self) -> None:
        """End a wait. Idempotent; from any thread."""
        self._stopped.set()
