"""The ladder steps down when it must and up when it can, and does not oscillate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.mask_plan import Rung
from rtsod.masking.ladder import (
    MAX_STEP_UP_SECONDS,
    MIN_STEP_UP_SECONDS,
    PROBATION_SECONDS,
    WINDOW_SECONDS,
    Ladder,
    Step,
)

PERIOD = 1 / 30
RUNGS = (
    Rung(320, cost=1.0),
    Rung(192, region=True, cost=0.42),
    Rung(128, region=True, cost=0.22),
    Rung(128, region=True, mask_interval=2, cost=0.22),
)


def live(ladder: Ladder, top: Callable[[float], float], until: float, start: float = 0.0) -> list[tuple[float, Step]]:
    """Run a ladder on a machine whose top rung takes ``top(now)`` seconds; return its steps and their times."""
    now, steps = start, []
    while now < until:
        seconds = top(now) * ladder.rung.cost
        now += max(seconds, PERIOD * ladder.rung.mask_interval)
        step = ladder.record(seconds, now)
        if step is not None:
            assert step.rung is ladder.rung
            steps.append((now, step))
    return steps


def test_a_machine_that_keeps_up_stays_on_the_top_rung() -> None:
    ladder = Ladder(RUNGS, PERIOD)
    assert live(ladder, lambda now: 0.9 * PERIOD, 600) == []
    assert ladder.rung is RUNGS[0]


def test_an_overloaded_machine_steps_down_until_it_keeps_up() -> None:
    ladder = Ladder(RUNGS, PERIOD)
    steps = live(ladder, lambda now: 3 * PERIOD, 60)
    assert [step.rung for _, step in steps] == [RUNGS[1], RUNGS[2]]
    assert steps[0][0] == pytest.approx(WINDOW_SECONDS, abs=0.5)
    assert steps[1][1].load == pytest.approx(3 * 0.42)
    assert steps[1][1].reason == "masks took 126% of the time available"


def test_there_is_no_step_below_the_last_rung() -> None:
    ladder = Ladder(RUNGS, PERIOD)
    assert len(live(ladder, lambda now: 1.0, 120)) == 3
    assert ladder.rung is RUNGS[3]


def test_masks_slower_than_the_window_are_judged_too() -> None:
    ladder = Ladder(RUNGS, PERIOD)
    assert live(ladder, lambda now: 20.0, 200)


def test_a_short_peak_causes_no_step() -> None:
    ladder = Ladder(RUNGS, PERIOD)
    assert live(ladder, lambda now: 2 * PERIOD if 30 < now < 30.3 else 0.6 * PERIOD, 60) == []


def test_it_steps_up_after_the_load_has_been_low_for_a_while() -> None:
    ladder = Ladder(RUNGS, PERIOD)
    steps = live(ladder, lambda now: (3 if now < 30 else 0.5) * PERIOD, 120)
    assert ladder.rung is RUNGS[0]
    ((up, step),) = [(now, step) for now, step in steps if now > 30]
    assert up >= 30 + MIN_STEP_UP_SECONDS
    assert step.rung is RUNGS[0], "all the way at once, since what each rung costs is known"


def test_a_step_up_that_does_not_last_makes_the_next_one_rarer() -> None:
    """By its costs the ladder expects a load of 0.7 above, and gets 1.1: an hour of that takes only a few steps."""
    promised = (Rung(320, cost=1.0), Rung(192, region=True, cost=0.42))
    ladder = Ladder(promised, PERIOD)
    now, ups = 0.0, []
    while now < 3600:
        seconds = 1.1 * PERIOD if ladder.rung is promised[0] else 0.25 * PERIOD
        now += PERIOD
        step = ladder.record(max(seconds, 1e-9), now)
        now += max(0.0, seconds - PERIOD)
        if step is not None and step.rung is promised[0]:
            ups.append(now)
    gaps = np.diff(ups)
    assert len(ups) < 3 + np.log2(MAX_STEP_UP_SECONDS / MIN_STEP_UP_SECONDS) + 3600 / MAX_STEP_UP_SECONDS
    assert (np.diff(gaps) > -1).all()
    assert gaps.max() > MAX_STEP_UP_SECONDS


def test_the_delay_is_reset_once_a_step_up_has_lasted() -> None:
    ladder = Ladder(RUNGS[:2], PERIOD)
    hard = ((0, 10), (30, 40), (200, 205))  # the second one throws it back down soon after it has stepped up

    def top(now: float) -> float:
        return (2 if any(start <= now < end for start, end in hard) else 0.5) * PERIOD

    steps = live(ladder, top, 300)
    ups = [now for now, step in steps if step.rung is RUNGS[0]]
    assert ups[1] >= 40 + 2 * MIN_STEP_UP_SECONDS
    assert ups[1] + PROBATION_SECONDS < 200
    assert 205 + MIN_STEP_UP_SECONDS <= ups[2] < 205 + MIN_STEP_UP_SECONDS + 2 * WINDOW_SECONDS


@settings(max_examples=40, deadline=None)
@given(top=st.floats(0.1, 8), noise=st.floats(0, 0.1), seed=st.integers(0, 2**16))
def test_on_a_machine_that_does_not_change_it_settles(top: float, noise: float, seed: int) -> None:
    ladder = Ladder(RUNGS, PERIOD)
    random = np.random.default_rng(seed)
    steps = live(ladder, lambda now: top * PERIOD * float(1 + noise * random.uniform(-1, 1)), 600)
    late = [step for now, step in steps if now > 60]
    assert len(late) <= 2 * np.log2(600 / MIN_STEP_UP_SECONDS)
    load = top * ladder.rung.cost / ladder.rung.mask_interval
    assert load <= 1.1 or ladder.rung is RUNGS[-1]
