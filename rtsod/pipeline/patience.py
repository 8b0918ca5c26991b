"""Whether a live frame should wait for its own mask, or be shown at once with an older one, propagated.

Waiting never costs a frame: it ends long before the next one arrives.
"""

from __future__ import annotations

import threading
from collections import deque
from fractions import Fraction
from statistics import median
from typing import Final

from rtsod.frames import Frame
from rtsod.interfaces import Clock, Wait

PATIENCE_SHARE: Final = 0.6
"""Share of the time between two frames for which a frame waits for its mask, counted from its capture. The rest is for
compositing and the sinks."""
_RECENT_MASKS: Final = 5
"""Masks whose times tell what the next one will take: their median."""


class Patience:
    """Makes the compositor thread wait for the inference thread, where that makes sense.

    The inference thread reports :meth:`began` and :meth:`ended`; the compositor thread calls :meth:`await_mask`.

    Args:
        fps: the source's; None means that no frame waits.
        clock: monotonic time in seconds, the clock that stamps the frames.
        wait: waits on a condition, in seconds of that clock.
    """

    def __init__(self, fps: Fraction | None, *, clock: Clock, wait: Wait) -> None:
        self._limit = PATIENCE_SHARE / float(fps) if fps is not None else 0.0
        self._clock = clock
        self._wait = wait
        self._changed = threading.Condition()
        self._inferring: int | None = None
        """Index of the frame whose mask is being made."""
        self._ended = -1
        """Index of the last frame that inference is done with: it has a mask, or gets none."""
        self._began_at = 0.0
        self._seconds: deque[float] = deque(maxlen=_RECENT_MASKS)

    def began(self, frame: Frame) -> None:
        """A mask of this frame is being made from now on."""
        with self._changed:
            self._inferring, self._began_at = frame.index, self._clock()
            self._changed.notify_all()

    def ended(self, frame: Frame) -> None:
        """The frame has its mask, or gets none."""
        with self._changed:
            if self._inferring is not None:
                self._seconds.append(self._clock() - self._began_at)
            self._inferring, self._ended = None, frame.index
            self._changed.notify_all()

    def await_mask(self, frame: Frame) -> None:
        """Wait for the frame's mask if it can come in time: until it is there, or is late after all."""
        with self._changed:
            deadline = frame.captured_at + self._limit
            expected = median(self._seconds) if self._seconds else 0.0
            if self._inferring is None or self._inferring == frame.index:
                began_at = self._began_at if self._inferring is not None else self._clock()
                if began_at + expected <= deadline:
                    self._wait(self._changed, lambda: self._is_hopeless(frame), max(0.0, deadline - self._clock()))

    def _is_hopeless(self, frame: Frame) -> bool:
        """Whether waiting changes nothing: inference is done with the frame, or busy with another one."""
        return self._ended >= frame.index or self._inferring not in (None, frame.index)
