"""When the frames of a source that behaves like a camera are due, and which picture a clip without an end shows."""

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
        buffers: how many frames that are due wait for a late caller; those before them are missed.
    """

    def __init__(
        self, fps: Fraction, clock: Clock, wait: Callable[[float], object] | None = None, *, buffers: int = 1
    ) -> None:
        self._fps = fps
        self._buffers = buffers
        self._clock = clock
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._next = 0
        self.started_at: float | None = None
        """When frame 0 was due, in seconds of the clock; None before the first call of :meth:`next`."""

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped.is_set()

    def next(self) -> int:
        """Wait until a frame is due. The first is due at the first call; indexes only grow."""
        now = self._clock()
        if self.started_at is None:
            self.started_at = now
        newest = math.floor((now - self.started_at) * self._fps)
        index = max(self._next, newest - self._buffers + 1)
        ahead = self.due_at(index) - now
        if ahead > 0:
            self._wait(ahead)
        self._next = index + 1
        return index

    def due_at(self, index: int) -> float:
        """When a frame is due, in seconds of the clock. Call it after :meth:`next`."""
        assert self.started_at is not None
        return self.started_at + float(index / self._fps)

    def stop(self) -> None:
        """End a wait. Idempotent; from any thread."""
        self._stopped.set()


def to_and_fro(index: int, count: int) -> int:
    """Which of ``count`` frames is shown at ``index``: 0, 1, ... count - 1, count - 2, ... 1, 0, 1 and so on."""
    turn = max(1, count - 1)
    place = index % (2 * turn)
    return min(place, 2 * turn - place, count - 1)
