"""The learning rate over a run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.training.config import PRESETS, Schedule
from rtsod.training.schedule import learning_rate

MODERN = replace(PRESETS["modern"], learning_rate=2.0, warmup=0.2)


def test_the_paper_keeps_one_rate() -> None:
    assert {learning_rate(PRESETS["paper"], progress / 10) for progress in range(11)} == {1e-3}


@pytest.mark.parametrize(
    ("progress", "rate"),
    [(0.0, 0.0), (0.1, 1.0), (0.2, 2.0), (0.6, 1.0), (0.4, 1 + math.sqrt(0.5)), (1.0, 0.0), (1.1, 0.0)],
)
def test_warm_up_and_cosine(progress: float, rate: float) -> None:
    assert learning_rate(MODERN, progress) == pytest.approx(rate, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(get_args(Schedule)))
def test_never_more_than_asked_for_and_never_negative(progress: float, warmup: float, schedule: Schedule) -> None:
    rate = learning_rate(replace(MODERN, warmup=warmup, schedule=schedule), progress)
    assert 0 <= rate <= 2.0
