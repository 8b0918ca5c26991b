"""Accounts for every captured frame: each one is composited, dropped for a reason, or in flight when the run stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rtsod.frames import Compositable, Frame
from rtsod.metrics import Drop, Metrics


class AccountingError(RuntimeError):
    """A frame was lost or counted twice, which is a bug in the pipeline."""


class FrameLedger:
    """Knows which frames are in flight, and settles each one exactly once. Thread-safe.

    A frame is in flight from :meth:`captured` until :meth:`composited` or :meth:`dropped`. Whoever holds one settles
    it, or hands it on. Nothing is derived from a difference of counts, so a frame that goes missing stays in flight
    and is found: by the next frame that would exceed the pipeline's capacity, or by :meth:`close`.

    Args:
        metrics: receives the counts.
        capacity: the most frames that can be in flight: those in the rings, and one for each thread.
    """

    def __init__(self, metrics: Metrics, capacity: int) -> None:
        self._metrics = metrics
        self._capacity = capacity
        self._lock = threading.Lock()
        self._in_flight: dict[int, Frame] = {}
        self._closed = False

    def captured(self, frame: Frame) -> None:
        """Begin to account for a frame.

        Raises:
            AccountingError: more frames are in flight than the pipeline can hold.
        """
        with self._lock:
            self._metrics.captured()
            self._in_flight[id(frame)] = frame
            if len(self._in_flight) > self._capacity:
                raise AccountingError(f"a frame was lost: {self._describe()} in flight, capacity {self._capacity}")

    def composited(self, frame: Frame, shown: Compositable, composed_at: float) -> None:
        """Settle a frame that was shown.

        Args:
            frame: the captured frame.
            shown: what was composited for it; see :meth:`rtsod.metrics.Metrics.composited`.
            composed_at: see there.

        Raises:
            AccountingError: the frame is not in flight.
        """
        with self._lock:
            if self._settle(frame):
                self._metrics.composited(shown, composed_at)

    def dropped(self, frame: Frame, reason: Drop) -> None:
        """Settle a frame that is not shown.

        Raises:
            AccountingError: the frame is not in flight.
        """
        with self._lock:
            if self._settle(frame):
                self._metrics.dropped(reason)

    @contextmanager
    def holding(self, frame: Frame) -> Iterator[None]:
        """Settle a frame as stopped if the body raises before it was settled or handed on."""
        try:
            yield
        except BaseException:
            with self._lock:
                if self._in_flight.pop(id(frame), None) is not None:
                    self._metrics.dropped(Drop.STOPPED)
            raise

    def close(self, *, stuck_threads: int = 0) -> None:
        """Check that nothing is in flight any more. Later calls change nothing.

        Args:
            stuck_threads: threads that did not end. Each may hold one frame, which counts as stopped.

        Raises:
            AccountingError: a frame was neither settled nor is held by a stuck thread.
        """
        with self._lock:
            self._closed = True
            self._metrics.dropped(Drop.STOPPED, min(len(self._in_flight), stuck_threads))
            if len(self._in_flight) > stuck_threads:
                raise AccountingError(f"a frame was lost: {self._describe()} in flight after the run")

    def _settle(self, frame: Frame) -> bool:
        """Take a frame out of flight; False once the ledger is closed, because a stuck thread came loose."""
        if self._closed:
            return False
        if self._in_flight.pop(id(frame), None) is None:
            raise AccountingError(f"frame {frame.index} was counted twice")
        return True

    def _describe(self) -> str:
        indices = sorted(frame.index for frame in self._in_flight.values())
        return f"frame{'s' if len(indices) > 1 else ''} {', '.join(map(str, indices))}"
