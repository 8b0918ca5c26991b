from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import UsageError
from rtsod.training.order import Batches, Order, small_oftener


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3), batch=st.integers(1, 6), seed=st.integers(0, 9),
    epochs=st.integers(1, 3),
)  # fmt: skip
def test_every_epoch_draws_every_sample_once(sizes: list[int], batch: int, seed: int, epochs: int) -> None:
    order = Order.of_sets(sizes, batch=batch, seed=seed)
    length = sum(sizes)
    steps = -(-epochs * length // batch)
    stream = [draw for step in range(steps) for draw in order.step(step)]
    assert all(len(order.step(step)) == batch for step in range(steps))
    for epoch in range(epochs):
        drawn = stream[epoch * length : (epoch + 1) * length]
        assert sorted(draw.sample for draw in drawn) == list(range(length))
        assert {draw.epoch for draw in drawn} == {epoch}


@given(weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3), seed=st.integers(0, 9))
def test_mixed_sets_are_drawn_by_their_weights_and_no_draw_repeats(weights: list[float], seed: int) -> None:
    sizes = [3, 50, 7]
    order = Order.of_sets(sizes, batch=10, seed=seed, weights=weights)
    steps = 100
    stream = [draw for step in range(steps) for draw in order.step(step)]
    counts = Counter(0 if draw.sample < 3 else 1 if draw.sample < 53 else 2 for draw in stream)
    for number, weight in enumerate(weights):
        assert counts[number] / len(stream) == pytest.approx(weight / sum(weights), abs=0.002)
    assert len(set(stream)) == len(stream), "the same sample with the same chance"


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_together_draw_what_one_would(world: int) -> None:
    order = Order.of_sets([5, 8], batch=6, seed=1, weights=[1, 2])
    for step in range(9):
        together = [draw for rank in range(world) for draw in order.step(step, rank, world)]
        assert sorted(together) == sorted(order.step(step))
        assert len({len(order.step(step, rank, world)) for rank in range(world)}) == 1


def test_a_step_depends_on_nothing_before_it() -> None:
    whole = list(Batches(Order.of_sets([7, 4], batch=3, seed=5, weights=[1, 3]), 0, 40))
    resumed = list(Batches(Order.of_sets([7, 4], batch=3, seed=5, weights=[1, 3]), 23, 40))
    assert whole[23:] == resumed
    assert len(Batches(Order.of_sets([7], batch=3, seed=5), 23, 40)) == 17


def test_small_subjects_are_drawn_twice_as_often_and_data_sets_keep_their_weights() -> None:
    areas = np.array([0.01] * 10 + [0.5] * 40 + [0.0] * 5 + [0.2] * 45)
    groups, weights = small_oftener([np.arange(50), np.arange(50, 100)], areas, [1, 3])
    assert [len(group) for group in groups] == [40, 10, 50]
    order = Order(groups, batch=100, seed=0, weights=weights)
    counts = Counter(draw.sample for step in range(40) for draw in order.step(step))
    often = np.array([counts[sample] for sample in range(100)])
    assert often[:10].mean() == pytest.approx(2 * often[10:50].mean(), rel=0.1)
    assert often[:50].sum() / often.sum() == pytest.approx(0.25, abs=0.01)


def test_seeds_and_epochs_differ() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        return [draw.sample for draw in Order.of_sets([20], batch=20, seed=seed).step(number)]

    assert epoch(0, 0) != epoch(1, 0)
    assert epoch(0, 0) != epoch(0, 1)


@pytest.mark.parametrize(
    ("sizes", "weights"),
    [([], None), ([3, 0], None), ([3], [0.0]), ([3], [-1.0]), ([3], [float("nan")]), ([3], [1, 1])],
)
def test_what_cannot_be_drawn_from_is_an_error(sizes: list[int], weights: list[float] | None) -> None:
    with pytest.raises(UsageError):
        Order.of_sets(sizes, batch=1, seed=0, weights=weights)


def test_a_batch_that_cannot_be_split_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"--batch 5 .* 2 processes"):
        Order.of_sets([9], batch=5, seed=0).step(0, 0, 2)
