"""Steps down when the machine cannot keep up, and back up when it can.

What an engine costs depends on what else the machine does, so it is watched while it runs: how long the masks took,
against the time there is for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 2.0
"""Seconds of masks that are judged together: the rare look at the whole frame is among them more than once."""
LEAST_MASKS: Final = 4
"""Fewer say nothing, however long they took."""
FULL: Final = 1.0
"""Of the time there is: what takes more does not keep up."""
EASY: Final = 0.75
"""Of the time there is: the best rung that would take less is tried. Well below ``FULL``: that is the hysteresis."""
FIRST_PATIENCE: Final = 10.0
"""Seconds that it must have been easy before a step up."""
LONGEST_PATIENCE: Final = 640.0
PROOF: Final = 60.0
"""Seconds that a step up must last; if it does not, patience doubles, so that steps become rare instead of regular."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to make masks."""

    size: int
    """The network sees so many pixels, squared."""
    region: bool = False
    """Of the subject's region; else of the whole frame."""
    mask_interval: int = 1
    """Only each so many-th frame; more than 1 means tracking."""
    cost: float = 1.0
    """Of one mask, against the top rung's."""

    def __str__(self) -> str:
        what = "the subject's region" if self.region else "the whole frame"
        rate = "" if self.mask_interval == 1 else f", masks for one frame in {self.mask_interval}"
        return f"{what} at {self.size}x{self.size}{rate}"


@dataclass(frozen=True, slots=True)
class Step:
    """From one rung to the next."""

    rung: Rung
    """The new one."""
    load: float
    """What masks took on the old one, of the time there was: more than 1 leads down."""

    @property
    def why(self) -> str:
        """To be read after "because"."""
        return f"masks took {self.load:.0%} of the time there is for them"


class Ladder:
    """Which rung to stand on. Pure: it is told the time. One thread.

    Args:
        rungs: the best first, the cheapest last.
        period: seconds there are for the mask of one frame.
        start: index of the rung to begin on.
    """

    def __init__(self, rungs: Sequence[Rung], period: float, start: int = 0) -> None:
        self._rungs = tuple(rungs)
        self._period = period
        self._index = start
        self._window: deque[tuple[float, float]] = deque()
        self._began: float | None = None
        self._easy_since: float | None = None
        self._patience = FIRST_PATIENCE
        self._climbed_at: float | None = None

    @property
    def rung(self) -> Rung:
        """The one to stand on."""
        return self._rungs[self._index]

    @property
    def last(self) -> Rung:
        """The cheapest."""
        return self._rungs[-1]

    def took(self, seconds: float, now: float) -> Step | None:
        """A mask was made on :attr:`rung`, all its work included.

        Args:
            seconds: how long it took.
            now: seconds that only grow.

        Returns:
            The step to a new rung, if there is one to be taken.
        """
        if self._began is None:  # the first on a rung allocates
            self._began = now
            return None
        self._window.append((now, seconds))
        while len(self._window) > LEAST_MASKS and now - self._window[0][0] > WINDOW:
            self._window.popleft()
        if now - self._began < WINDOW or len(self._window) < LEAST_MASKS:
            return None
        if self._climbed_at is not None and now - self._climbed_at >= PROOF:
            self._climbed_at, self._patience = None, FIRST_PATIENCE
        load = self._load()
        if load > FULL:
            self._easy_since = None
            return self._down(load) if self._index + 1 < len(self._rungs) else None
        easy = [index for index in range(self._index) if load * self._price(index) / self._price(self._index) <= EASY]
        if not easy:
            self._easy_since = None
            return None
        if self._easy_since is None:
            self._easy_since = now
        return self._up(easy[0], load, now) if now - self._easy_since >= self._patience else None

    def reset(self) -> None:
        """Forget what was measured: the time since was not spent on masks."""
        self._window.clear()
        self._began = self._easy_since = None

    def _load(self) -> float:
        """What a mask takes, of the time there is for one."""
        mean = sum(seconds for _, seconds in self._window) / len(self._window)
        return mean / (self._period * self.rung.mask_interval)

    def _price(self, index: int) -> float:
        return self._rungs[index].cost / self._rungs[index].mask_interval

    def _down(self, load: float) -> Step:
        if self._climbed_at is not None:
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)
            self._climbed_at = None
        self._index += 1
        self.reset()
        return Step(self.rung, load)

    def _up(self, index: int, load: float, now: float) -> Step:
        self._climbed_at = now
        self._index = index
        self.reset()
        return Step(self.rung, load)
