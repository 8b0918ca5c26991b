"""Steps down to cheaper masks when viewers would see that the machine cannot keep up, and back up when it can.

What viewers see is judged: frames that were lost, pictures that came late, masks that take longer than the time to the
next one. What a rung would cost is foreseen from what one inference cost at the start and from what everything else
takes, which is measured while the run goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rtsod.mask_plan import Budget, InferenceCost, Rung
from rtsod.metrics import Pace

WINDOW_SECONDS: Final = 1.0
"""Masks and frames are judged over this many seconds."""
MIN_MASKS: Final = 3
"""Fewer masks than this in a window are not judged."""
MAX_LOST_SHARE: Final = 0.01
"""Share of the frames: above it, the ladder steps down."""
MIN_LOST_FRAMES: Final = 2
"""Frames lost on one rung before it is left: a single one may be a hiccup."""
MAX_LATENCY_PERIODS: Final = 1.5
"""Pictures that are later than this many periods, in the 95th percentile, come late."""
OVERLOAD_SHARE: Final = 0.95
"""Share of the time to the next mask: above it, masks do not keep up."""
AFFORDABLE_SHARE: Final = 0.6
"""Share of the time to the next mask that a mask may take for its rung to be chosen. The rest is for variation. The
distance to ``OVERLOAD_SHARE`` is the hysteresis. On two cores, at three quarters, one frame in four was lost."""
AFFORDABLE_CORES: Final = 0.75
"""Share of the machine's cores that the whole program may take for a rung to be chosen. The rest is for the call that
the picture is for."""
FRAME_CPU_SECONDS: Final = 0.012
"""Processor time of a frame without inference, before it has been measured: a 720p frame that is decoded, carried,
composited and recorded."""
MIN_STEP_UP_SECONDS: Final = 5.0
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
    reason: str
    """A clause to follow "because"."""


class Ladder:
    """Decides which rung to stand on. It has no clock: every call is given the time. Not thread-safe.

    Args:
        rungs: the best first, the cheapest last.
        budget: what there is for each frame.
        start: index of the rung to start on.
    """

    def __init__(self, rungs: Sequence[Rung], budget: Budget, start: int = 0) -> None:
        self._rungs = tuple(rungs)
        self._budget = budget
        self._index = start
        self._masks: deque[tuple[float, float]] = deque()
        self._paces: deque[tuple[float, Pace, float]] = deque()
        """When, the pace up to then, and the processor seconds up to then."""
        self._began: tuple[float, Pace] | None = None
        """When, and at which pace, the measurements began."""
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

    def record(self, seconds: float, pace: Pace, cpu_seconds: float, now: float) -> Step | None:
        """Record one mask made on :attr:`rung`, and judge.

        Args:
            seconds: how long it took.
            pace: of the run so far.
            cpu_seconds: processor time of the whole process so far.
            now: monotonic time in seconds.

        Returns:
            The step to another rung, if one is due; :attr:`rung` has changed by then.
        """
        if self._began is None:  # the first inference on a rung allocates memory: not representative
            self._began = (now, pace)
            return None
        self._masks.append((now, seconds))
        self._paces.append((now, pace, cpu_seconds))
        for window in (self._masks, self._paces):
            while len(window) > MIN_MASKS and now - window[0][0] > WINDOW_SECONDS:
                window.popleft()
        if self._stepped_up_at is not None and now - self._stepped_up_at >= PROBATION_SECONDS:
            self._stepped_up_at, self._step_up_delay = None, MIN_STEP_UP_SECONDS
        is_judged = now - self._began[0] >= WINDOW_SECONDS and len(self._masks) >= MIN_MASKS
        if reason := self._losses() or (self._lateness() if is_judged else None):
            return self._step_down(self._index + 1, reason)
        if not is_judged:
            return None
        if reason := self._overload():
            return self._step_down(self._next_cheaper_mask(), reason)
        better = self._better_rung()
        if better is None:
            self._affordable_since = None
            return None
        if self._affordable_since is None:
            self._affordable_since = now
        if now - self._affordable_since < self._step_up_delay:
            return None
        self._stepped_up_at = now
        return self._step_to(better, "there is time for it now")

    def do_without_assistant(self, cost: float) -> None:
        """Have the network itself make the masks of all rungs, because the smaller one cannot be opened.

        Args:
            cost: of the smaller network, as a share of the network's own.
        """
        self._rungs = tuple(
            rung if rung.network is None else replace(rung, cost=rung.cost / cost, network=None, corrected_by="")
            for rung in self._rungs
        )
        self.reset()

    def reset(self) -> None:
        """Discard all measurements, because the time since was not spent on masks."""
        self._masks.clear()
        self._paces.clear()
        self._began = self._affordable_since = None

    def _losses(self) -> str | None:
        """How many frames are lost, if too many, as a clause to follow "because"."""
        assert self._began is not None
        first, last = self._paces[0][1], self._paces[-1][1]
        lost, due = last.lost - first.lost, last.due - first.due
        too_many = last.lost - self._began[1].lost >= MIN_LOST_FRAMES and lost > MAX_LOST_SHARE * due
        return f"{lost} of {due} frames were lost" if too_many else None

    def _lateness(self) -> str | None:
        """How late pictures come, if too late, as a clause to follow "because"."""
        latency = self._paces[-1][1].latency
        too_late = latency is not None and latency > MAX_LATENCY_PERIODS * self._budget.period
        return f"pictures were {latency * 1e3:.0f} ms late" if latency is not None and too_late else None

    def _overload(self) -> str | None:
        """How much of the time there is masks take, if too much, as a clause to follow "because"."""
        load = self._mask_seconds() / (self._budget.period * self.rung.mask_interval)
        return f"masks took {load:.0%} of the time available" if load > OVERLOAD_SHARE else None

    def _next_cheaper_mask(self) -> int:
        """The first rung below whose masks are cheaper. Fewer of the same would only be older."""
        below = range(self._index + 1, len(self._rungs))
        return next((index for index in below if self._rungs[index].cost < self.rung.cost), len(self._rungs))

    def _better_rung(self) -> int | None:
        """The best rung above the current one that is affordable."""
        (_, first, cpu_before), (_, last, cpu_after) = self._paces[0], self._paces[-1]
        best = self._best()
        per_frame = (cpu_after - cpu_before) / max(1, last.due - first.due)
        others = max(0.0, per_frame - best.cpu_seconds * self.rung.cost / self.rung.mask_interval)
        for index in range(self._index):
            rung = self._rungs[index]
            if is_affordable(rung, best.seconds * rung.cost, others, replace(self._budget, best=best)):
                return index
        return None

    def _best(self) -> InferenceCost:
        """What a mask costs on the best rung, by the masks made lately: the first inference may have had bad luck."""
        seconds = self._mask_seconds() / self.rung.cost
        return InferenceCost(seconds, min(self._budget.best.cpu_seconds, seconds * self._budget.cores))

    def _mask_seconds(self) -> float:
        return sum(seconds for _, seconds in self._masks) / len(self._masks)

    def _step_down(self, index: int, reason: str) -> Step | None:
        """The step to a lower rung; None where there is none."""
        self._affordable_since = None
        if index >= len(self._rungs):
            return None
        if self._stepped_up_at is not None:
            self._step_up_delay = min(2 * self._step_up_delay, MAX_STEP_UP_SECONDS)
            self._stepped_up_at = None
        return self._step_to(index, reason)

    def _step_to(self, index: int, reason: str) -> Step:
        self._index = index
        self.reset()
        return Step(self.rung, reason)


def is_affordable(rung: Rung, seconds: float, others: float, budget: Budget) -> bool:
    """Whether a rung leaves enough time and enough of the processor.

    Args:
        rung: the rung.
        seconds: how long one of its masks takes.
        others: processor seconds that everything but its masks takes for one frame.
        budget: what there is.
    """
    cpu = others + budget.best.cpu_seconds * rung.cost / rung.mask_interval
    return (
        seconds <= AFFORDABLE_SHARE * budget.period * rung.mask_interval
        and cpu <= AFFORDABLE_CORES * budget.cores * budget.period
    )
