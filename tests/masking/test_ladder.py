"""The ladder steps down when viewers would notice, and up when it can, and does not oscillate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.mask_plan import Budget, InferenceCost, Rung
from rtsod.masking.ladder import (
    AFFORDABLE_CORES,
    MAX_STEP_UP_SECONDS,
    MIN_STEP_UP_SECONDS,
    PROBATION_SECONDS,
    WINDOW_SECONDS,
    Ladder,
    Step,
    is_affordable,
)
from rtsod.metrics import Pace

PERIOD = 1 / 30
RUNGS = (
    Rung(320, cost=1.0),
    Rung(192, region=True, cost=0.42),
    Rung(128, region=True, cost=0.22),
    Rung(128, region=True, mask_interval=2, cost=0.22),
)
BUDGET = Budget(PERIOD, 2.0, InferenceCost(PERIOD, 0.0))
Seconds = Callable[[float], float]


@dataclass
class Run:
    """A run on a machine whose top rung takes ``top(now)`` seconds for a mask."""

    top: Seconds
    lost_share: Seconds = lambda now: 0.0
    """Share of the frames that is lost at that moment."""
    latency: Seconds = lambda now: 0.01
    cpu: Seconds = lambda now: 0.0
    """Processor seconds for each frame."""
    budget: Budget = BUDGET
    rungs: tuple[Rung, ...] = RUNGS

    def __post_init__(self) -> None:
        self.ladder = Ladder(self.rungs, self.budget)
        self.now = self.due = self.lost = self.cpu_seconds = 0.0

    def until(self, end: float) -> list[tuple[float, Step]]:
        """Its steps and their times."""
        steps = []
        while self.now < end:
            seconds = self.top(self.now) * self.ladder.rung.cost
            passed = max(seconds, PERIOD * self.ladder.rung.mask_interval)
            self.now += passed
            self.due += passed / PERIOD
            self.lost += passed / PERIOD * self.lost_share(self.now)
            self.cpu_seconds += passed / PERIOD * self.cpu(self.now)
            pace = Pace(int(self.due), int(self.lost), self.latency(self.now))
            step = self.ladder.record(seconds, pace, self.cpu_seconds, self.now)
            if step is not None:
                assert step.rung is self.ladder.rung
                steps.append((self.now, step))
        return steps


def test_a_machine_that_keeps_up_stays_on_the_top_rung() -> None:
    run = Run(lambda now: 0.9 * PERIOD)
    assert run.until(600) == []
    assert run.ladder.rung is RUNGS[0]


def test_masks_that_take_too_long_are_made_cheaper_until_they_do_not() -> None:
    steps = Run(lambda now: 3 * PERIOD).until(60)
    assert [step.rung for _, step in steps] == [RUNGS[1], RUNGS[2]]
    assert steps[0][0] == pytest.approx(WINDOW_SECONDS, abs=0.5)
    assert steps[1][1].reason == "masks took 126% of the time available"


def test_frames_that_are_lost_cost_a_rung_within_a_second() -> None:
    run = Run(lambda now: 0.5 * PERIOD, lost_share=lambda now: 0.1 if 20 <= now < 20.9 else 0.0)
    ((at, step),) = run.until(24)
    assert 20 < at < 21
    assert step.reason.endswith("frames were lost")
    assert step.rung is RUNGS[1]


def test_a_single_frame_that_is_lost_is_a_hiccup() -> None:
    run = Run(lambda now: 0.5 * PERIOD)
    run.until(20)
    run.lost += 1
    assert run.until(60) == []


def test_late_pictures_cost_a_rung() -> None:
    run = Run(lambda now: 0.5 * PERIOD, latency=lambda now: 0.07 if 20 <= now < 21 else 0.01)
    ((at, step),) = run.until(24)
    assert 20 < at < 21.2
    assert step.reason == "pictures were 70 ms late"


def test_there_is_no_step_below_the_last_rung() -> None:
    run = Run(lambda now: 1.0, lost_share=lambda now: 0.3)
    assert len(run.until(120)) == 3
    assert run.ladder.rung is RUNGS[3]


def test_masks_that_take_too_long_are_not_made_rarer_for_that_which_would_only_make_them_older() -> None:
    run = Run(lambda now: 20 * PERIOD)
    assert [step.rung for _, step in run.until(60)] == [RUNGS[1], RUNGS[2]]


def test_masks_slower_than_the_window_are_judged_too() -> None:
    assert Run(lambda now: 20.0).until(200)


def test_a_short_peak_causes_no_step() -> None:
    assert Run(lambda now: 2 * PERIOD if 30 < now < 30.15 else 0.6 * PERIOD).until(60) == []


def test_it_steps_up_after_the_load_has_been_low_for_a_while() -> None:
    run = Run(lambda now: (3 if now < 30 else 0.5) * PERIOD)
    steps = run.until(120)
    assert run.ladder.rung is RUNGS[0]
    ((up, step),) = [(now, step) for now, step in steps if now > 30]
    assert up >= 30 + MIN_STEP_UP_SECONDS
    assert step.rung is RUNGS[0], "all the way at once, since what each rung costs is known"


def test_a_busy_machine_does_not_step_up_however_fast_a_mask_is() -> None:
    """The first ten seconds throw it down. Then a mask is quick, but it and the frames take most of two cores."""
    busy = Budget(PERIOD, 2.0, InferenceCost(0.5 * PERIOD, PERIOD))
    others, low = 0.9 * PERIOD, RUNGS[2].cost
    run = Run(lambda now: (4 if now < 10 else 0.5) * PERIOD, cpu=lambda now: others + low * PERIOD, budget=busy)
    run.until(20)
    below = run.ladder.rung
    run.until(60)
    assert run.ladder.rung is RUNGS[1], f"from {below}: all of it would take {others + PERIOD:.3f} s a frame"
    assert not is_affordable(RUNGS[0], 0.5 * PERIOD, others, busy)
    assert is_affordable(RUNGS[1], 0.21 * PERIOD, others, busy)


def test_a_start_that_had_bad_luck_is_made_good() -> None:
    """The first inference took a second on a busy machine; masks then take a hundredth of that."""
    unlucky = Budget(PERIOD, 2.0, InferenceCost(1.0, 2.0))
    cpu = 0.1 * PERIOD + 0.3 * PERIOD * 2
    run = Run(lambda now: 0.3 * PERIOD, cpu=lambda now: cpu, budget=unlucky)
    run.ladder = Ladder(RUNGS, unlucky, start=3)
    run.until(60)
    assert run.ladder.rung is RUNGS[0]


def test_affordable_leaves_time_and_cores() -> None:
    budget = Budget(0.04, 1.0, InferenceCost(0.02, 0.02))
    assert is_affordable(Rung(64), 0.02, 0.0, budget)
    assert not is_affordable(Rung(64), 0.025, 0.0, budget)
    assert is_affordable(Rung(64, mask_interval=2), 0.025, 0.0, budget)
    assert is_affordable(Rung(64), 0.02, AFFORDABLE_CORES * 0.04 - 0.0201, budget)
    assert not is_affordable(Rung(64), 0.02, AFFORDABLE_CORES * 0.04 - 0.0199, budget)
    assert is_affordable(Rung(64, cost=0.5), 0.02, AFFORDABLE_CORES * 0.04 - 0.0101, budget)


def test_a_step_up_that_does_not_last_makes_the_next_one_rarer() -> None:
    """By its costs the ladder expects 0.57 of the time above, and it takes all: an hour takes only a few steps."""
    promised = (Rung(320, cost=1.0), Rung(192, region=True, cost=0.42))
    ladder = Ladder(promised, BUDGET)
    now, due, ups = 0.0, 0, []
    while now < 3600:
        seconds = 1.1 * PERIOD if ladder.rung is promised[0] else 0.24 * PERIOD
        now += max(seconds, PERIOD)
        due += 1
        step = ladder.record(seconds, Pace(due, 0, 0.01), 0.0, now)
        if step is not None and step.rung is promised[0]:
            ups.append(now)
    gaps = np.diff(ups)
    assert len(ups) < 3 + np.log2(MAX_STEP_UP_SECONDS / MIN_STEP_UP_SECONDS) + 3600 / MAX_STEP_UP_SECONDS
    assert (np.diff(gaps) > -1).all()
    assert gaps.max() > MAX_STEP_UP_SECONDS


def test_the_delay_is_reset_once_a_step_up_has_lasted() -> None:
    hard = ((0, 10), (22, 32), (200, 205))  # the second one throws it back down soon after it has stepped up

    def top(now: float) -> float:
        return (2 if any(start <= now < end for start, end in hard) else 0.5) * PERIOD

    ups = [now for now, step in Run(top, rungs=RUNGS[:2]).until(300) if step.rung is RUNGS[0]]
    assert ups[1] >= 32 + 2 * MIN_STEP_UP_SECONDS
    assert ups[1] + PROBATION_SECONDS < 200
    assert 205 + MIN_STEP_UP_SECONDS <= ups[2] < 205 + MIN_STEP_UP_SECONDS + 3 * WINDOW_SECONDS


@settings(max_examples=40)
@given(top=st.floats(0.1, 8), noise=st.floats(0, 0.05), seed=st.integers(0, 2**16))
def test_on_a_machine_that_does_not_change_it_settles(top: float, noise: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    run = Run(lambda now: top * PERIOD * float(1 + noise * random.uniform(-1, 1)))
    late = [step for now, step in run.until(600) if now > 60]
    assert len(late) <= 2 * np.log2(600 / MIN_STEP_UP_SECONDS)
    load = top * run.ladder.rung.cost / run.ladder.rung.mask_interval
    assert load <= 1.1 or run.ladder.rung is RUNGS[2]
