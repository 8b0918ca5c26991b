"""When a small network is suspected, doubted and trusted again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.frames import Alpha
from rtsod.masking.doubt import (
    CONFIRMING_LOOKS,
    DEFAULT_THRESHOLD,
    LOWEST_THRESHOLD,
    MAX_RETURN_LOOKS,
    PROBATION_LOOKS,
    RETURN_LOOKS,
    Doubt,
    Trust,
    agreement,
    threshold_for,
)

SIZE = 160


def square(left: int, top: int, right: int, bottom: int, size: int = SIZE) -> Alpha:
    alpha = np.zeros((size, size), np.float32)
    alpha[top:bottom, left:right] = 1
    return alpha


PERSON = square(40, 30, 120, 160)


def test_the_same_map_at_another_size_agrees() -> None:
    assert agreement(PERSON, square(80, 60, 240, 320, 320)) == 1.0
    assert agreement(square(80, 60, 240, 320, 320), PERSON) == 1.0


def test_outlines_may_differ_and_things_may_not() -> None:
    wider = square(38, 28, 122, 160)
    assert agreement(PERSON, wider) == 1.0
    holding = np.maximum(PERSON, square(120, 60, 150, 95))
    assert agreement(PERSON, holding) == pytest.approx(1 - 30 * 35 / np.count_nonzero(holding), abs=0.02)


def test_a_thin_thing_counts_where_it_stands_out() -> None:
    near, far = square(118, 60, 121, 150), square(130, 10, 133, 150)
    assert agreement(PERSON, np.maximum(PERSON, near)) == 1.0
    holding = np.maximum(PERSON, far)
    assert agreement(PERSON, holding) == pytest.approx(1 - 3 * 140 / np.count_nonzero(holding), abs=1e-6)


def test_two_empty_maps_agree_and_a_speck_is_no_disagreement_about_everything() -> None:
    nothing = np.zeros((SIZE, SIZE), np.float32)
    assert agreement(nothing, nothing) == 1.0
    assert agreement(nothing, square(50, 50, 56, 56)) > 0.7
    assert agreement(nothing, PERSON) < 0.02


@given(st.integers(0, 2**32 - 1))
def test_agreement_is_symmetric_and_a_share(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = (random.random((64, 64), np.float32) for _ in range(2))
    assert 0 <= agreement(one, other) <= 1
    assert agreement(one, other) == agreement(other, one)
    assert agreement(one, one) == 1


def test_who_was_taught_to_differ_may_differ_but_not_without_limit() -> None:
    assert threshold_for([]) == threshold_for([1.0] * 20) == DEFAULT_THRESHOLD
    assert threshold_for([0.93] * 20) == pytest.approx(DEFAULT_THRESHOLD - 0.07)
    assert threshold_for([1.0] * 39 + [0.2]) == DEFAULT_THRESHOLD, "single frames do not count"
    assert threshold_for([0.1] * 20) == LOWEST_THRESHOLD


def test_one_disagreement_is_suspicious_and_two_are_enough() -> None:
    doubt = Doubt(0.9)
    assert [doubt.record(value) for value in (0.95, 0.89, 0.95, 0.5)] == [
        Trust.TRUSTED, Trust.SUSPECTED, Trust.TRUSTED, Trust.SUSPECTED,
    ]  # fmt: skip
    assert doubt.record(0.5) is Trust.DOUBTED


def doubted(doubt: Doubt) -> int:
    """Disagree until the network is doubted, then agree until it is trusted. Returns how many looks that took."""
    while doubt.record(0.0) is not Trust.DOUBTED:
        pass
    looks = 1
    while doubt.record(1.0) is not Trust.TRUSTED:
        looks += 1
    return looks


def test_it_takes_more_agreement_to_come_back() -> None:
    doubt = Doubt(0.9)
    for _ in range(CONFIRMING_LOOKS):
        doubt.record(0.1)
    for _ in range(100):
        assert doubt.record(0.92) is Trust.DOUBTED
    for _ in range(RETURN_LOOKS - 1):
        assert doubt.record(0.94) is Trust.DOUBTED
    assert doubt.record(0.94) is Trust.TRUSTED


def test_each_relapse_makes_the_return_slower_and_time_heals() -> None:
    doubt = Doubt()
    assert [doubted(doubt) for _ in range(3)] == [RETURN_LOOKS, 2 * RETURN_LOOKS, 4 * RETURN_LOOKS]
    assert max(doubted(doubt) for _ in range(5)) == MAX_RETURN_LOOKS
    for _ in range(PROBATION_LOOKS):
        doubt.record(1.0)
    assert doubted(doubt) == RETURN_LOOKS


@given(st.lists(st.sampled_from([0.0, 0.89, 0.92, 1.0]), max_size=200))
def test_it_is_doubted_from_the_second_disagreement_until_enough_looks_agree(values: list[float]) -> None:
    doubt, low, high, known = Doubt(0.9), 0, 0, False
    for value in values:
        trust = doubt.record(value)
        low = low + 1 if value < 0.9 else 0
        high = high + 1 if value >= 0.94 else 0
        if low >= CONFIRMING_LOOKS:
            assert trust is Trust.DOUBTED
            known = True
        elif known and high < RETURN_LOOKS:
            assert trust is Trust.DOUBTED
        elif known:
            known = trust is Trust.DOUBTED
        else:
            assert trust is (Trust.SUSPECTED if low else Trust.TRUSTED)
