"""Presentation times that always increase, whatever the file says."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

_DISCONTINUITY_SECONDS: Final = Fraction(1)
"""A time stamp this far behind the previous one means that the file's clock was set back."""


class Timeline:
    """Turns a file's time stamps into seconds since its first frame, strictly increasing.

    Args:
        time_base: seconds per unit of a time stamp.
        frame_seconds: nominal duration of one frame, used where time stamps are missing or set back.
    """

    def __init__(self, time_base: Fraction, frame_seconds: Fraction) -> None:
        self._tick = time_base
        self._frame_seconds = frame_seconds
        self._origin: Fraction | None = None
        self._last = Fraction(0)

    def seconds(self, pts: int | None) -> Fraction:
        """The time of the next frame.

        Args:
            pts: the frame's own time stamp in units of the time base; None if it has none.
        """
        if self._origin is None:
            self._origin = (pts or 0) * self._tick
            return self._last
        time = self._last + self._frame_seconds if pts is None else pts * self._tick - self._origin
        if time <= self._last - _DISCONTINUITY_SECONDS and pts is not None:
            # The clock was set back, as in concatenated recordings: continue from here.
            time = self._last + self._frame_seconds
            self._origin = pts * self._tick - time
        # A stamp that repeats or goes back a little advances by the smallest step, so that no drift against the sound
        # builds up.
        self._last = max(time, self._last + self._tick)
        return self._last
