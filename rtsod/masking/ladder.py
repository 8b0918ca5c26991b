"""Steps down to cheaper masks when the machine cannot keep up, and back up when it can.

The cost of an inference depends on what else the machine does, so it is measured while the run goes on: the time that
masks took, as a share of the time available for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rtsod.mask_plan import Rung

WINDOW_SECONDS: Final = 2.0
"""Masks are judged over this many seconds, long enough to contain several of the rarer full-frame refreshes."""
MIN_MASKS: Final = 4
"""Fewer masks than this in a window are not judged."""
OVERLOAD_LOAD: Final = 1.0
"""Share of the available time: above it, masks do not keep up and the ladder steps down."""
STEP_UP_LOAD: Final = 0.75
"""Share of the available time: the best rung expected to stay at or below it is tried. The distance to
``OVERLOAD_LOAD`` is the hysteresis."""
MIN_STEP_UP_SECONDS: Final = 10.0
"""Seconds for which a better rung must have looked affordable before the first step up."""
MAX_STEP_UP_SECONDS: Final = 640.0
"""Upper limit of that delay, which doubles whenever a step up does not last."""
PROBATION_SECONDS: Final = 60.0
"""A step up that lasts this long succeeded, and resets the delay. Otherwise the delay doubles, so that failing attempts
become rare."""


@dataclass(frozen=True, slots=True)
class Step:
    """A move from one rung to another."""

    rung: Rung
    """The new rung."""
    load: float
    """Time that masks took on the old rung, as a share of the time available."""

    @property
    def reason(self) -> str:
        """A clause to follow "because"."""
        return f"masks took {self.load:.0%} of the time available"


class Ladder:
    """Decides which rung to stand on. It has no clock: every call is given the time. Not thread-safe.

    Args:
        rungs: the best first, the cheapest last.
        period: seconds available for one mask if every frame gets one.
        start: index of the rung to start on.
    """

    def __init__(self, rungs: Sequence[Rung], period: float, start: int = 0) -> None:
        self._rungs = tuple(rungs)
        self._period = period
        self._index = start
        self._window: deque[tuple[float, float]] = deque()
        self._began_at: float | None = None
        self._affordable_since: float | None = None
        self._step_up_delay = MIN_STEP_UP_SECONDS
        self._stepped_up_at: float | None = None

    @property
    def rung(self) -> Rung:
        """The current rung."""
        return self._rungs[self._index]

    @property
    def cheapest(self) -> Rung:
        """The last rung."""
        return self._rungs[-1]

    def record(self, seconds: float, now: float) -> Step | None:
        """Record one mask made on :attr:`rung`.

        Args:
            seconds: how long it took, deferred work included.
            now: monotonic time in seconds.

        Returns:
            The step to another rung, if one is due; :attr:`rung` has changed by then.
        """
        if self._began_at is None:  # the first inference on a rung allocates memory: not representative
            self._began_at = now
            return None
        self._window.append((now, seconds))
        while len(self._window) > MIN_MASKS and now - self._window[0][0] > WINDOW_SECONDS:
            self._window.popleft()
        if now - self._began_at < WINDOW_SECONDS or len(self._window) < MIN_MASKS:
            return None
        if self._stepped_up_at is not None and now - self._stepped_up_at >= PROBATION_SECONDS:
            self._stepped_up_at, self._step_up_delay = None, MIN_STEP_UP_SECONDS
        load = self._load()
        if load > OVERLOAD_LOAD:
            self._affordable_since = None
            return self._step_down(load) if self._index + 1 < len(self._rungs) else None
        affordable = [index for index in range(self._index) if self._expected_load(index, load) <= STEP_UP_LOAD]
        if not affordable:
            self._affordable_since = None
            return None
        if self._affordable_since is None:
            self._affordable_since = now
        if now - self._affordable_since < self._step_up_delay:
            return None
        return self._step_up(affordable[0], load, now)

    def reset(self) -> None:
        """Discard all measurements, because the time since was not spent on masks."""
        self._window.clear()
        self._began_at = self._affordable_since = None

    def _load(self) -> float:
        """Mean time of a mask, as a share of the time available for one."""
        mean = sum(seconds for _, seconds in self._window) / len(self._window)
        return mean / (self._period * self.rung.mask_interval)

    def _expected_load(self, index: int, load: float) -> float:
        """The load on another rung, given the load on the current one."""
        return load * self._cost_per_frame(index) / self._cost_per_frame(self._index)

    def _cost_per_frame(self, index: int) -> float:
        return self._rungs[index].cost / self._rungs[index].mask_interval

    def _step_down(self, load: float) -> Step:
        if self._stepped_up_at is not None:
            self._step_up_delay = min(2 * self._step_up_delay, MAX_STEP_UP_SECONDS)
            self._stepped_up_at = None
        self._index += 1
        self.reset()
        return Step(self.rung, load)

    def _step_up(self, index: int, load: float, now: float) -> Step:
        self._stepped_up_at = now
        self._index = index
        self.reset()
        return Step(self.rung, load)
