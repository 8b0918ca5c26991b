"""Bootstrap intervals: the same numbers as a loop over resamples, and the same pictures for all methods."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.evaluation.intervals import Interval, SetNumbers, intervals
from rtsod.evaluation.scores import PairScores, measure, summarise
from tests.evaluation.pairs import pair

RESAMPLES = 150


def _scores(seed: int = 0, count: int = 12) -> list[PairScores]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        truth = np.zeros((24, 32), np.bool_)
        truth[4:20, 6:24] = True
        noise = rng.normal(0, rng.uniform(20, 120), truth.shape)
        made.append(measure(np.clip(truth * 160.0 + 40 + noise, 0, 255).astype(np.uint8), truth))
    return made


def test_every_picture_once_gives_the_set_itself() -> None:
    scores = [*_scores(), *(measure(*pair(number)) for number in (1, 16, 20, 41))]
    alpha = np.full((8, 8), 0.5, np.float32)
    scores.append(measure(np.zeros((8, 8), np.uint8), alpha > 1, alpha))
    numbers = SetNumbers(scores).of(np.ones((1, len(scores))))
    expected = summarise(scores).numbers()
    assert expected.keys() >= {"max_f", "mae", "mad"}
    assert {name: values[0] for name, values in numbers.items()} == pytest.approx(expected, rel=1e-12)


def test_the_interval_is_that_of_a_loop_over_resamples() -> None:
    scores = _scores()
    rng = np.random.default_rng(7)
    drawn = np.concatenate([rng.integers(12, size=(64, 12)), rng.integers(12, size=(64, 12)),
                            rng.integers(12, size=(RESAMPLES - 128, 12))])  # fmt: skip
    resampled = [summarise([scores[index] for index in row]).numbers() for row in drawn]
    own = intervals({"a": SetNumbers(scores)}, resamples=RESAMPLES, seed=7).own["a"]
    for name in ("max_f", "fan_max_f", "mae", "weighted_f", "s", "mean_e", "max_e", "relax_f"):
        low, high = np.percentile([one[name] for one in resampled], [2.5, 97.5])
        assert (own[name].low, own[name].high) == pytest.approx((low, high), abs=1e-12), name


def test_methods_are_compared_on_the_same_resamples() -> None:
    one = SetNumbers(_scores())
    found = intervals({"a": one, "b": one, "c": SetNumbers(_scores(1))}, resamples=RESAMPLES)
    assert set(found.differences) == {"b", "c"}
    assert all(interval == Interval(0, 0) for interval in found.differences["b"].values())
    assert found.own["a"] == found.own["b"] != found.own["c"]


def test_a_constant_difference_has_no_width_though_its_parts_have() -> None:
    """The point of pairing: how hard a picture is, drops out."""
    truth = np.zeros((20, 20), np.bool_)
    levels = np.random.default_rng(0).integers(0, 200, 15)
    better = [measure(np.full((20, 20), level, np.uint8), truth) for level in levels]
    worse = [measure(np.full((20, 20), level + 51, np.uint8), truth) for level in levels]
    found = intervals({"worse": SetNumbers(worse), "better": SetNumbers(better)}, resamples=RESAMPLES)
    own, difference = found.own["worse"]["mae"], found.differences["better"]["mae"]
    assert own.high - own.low > 0.05
    assert (difference.low, difference.high) == pytest.approx((0.2, 0.2))
    assert difference.excludes_zero


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    rng = np.random.default_rng(3)
    truth = np.zeros((4, 4), np.bool_)
    scores = [measure(np.full((4, 4), level, np.uint8), truth) for level in rng.integers(0, 256, 400)]
    values = np.array([one.mae for one in scores])
    error = values.std() / 400**0.5
    own = intervals({"a": SetNumbers(scores)}).own["a"]["mae"]
    assert own.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert own.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_a_seed_repeats_and_another_does_not() -> None:
    rows = {"a": SetNumbers(_scores())}
    first = intervals(rows, resamples=RESAMPLES, seed=1)
    assert first == intervals(rows, resamples=RESAMPLES, seed=1)
    assert first != intervals(rows, resamples=RESAMPLES, seed=2)


def test_other_pictures_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same pictures"):
        intervals({"a": SetNumbers(_scores()), "b": SetNumbers(_scores(count=3))}, resamples=RESAMPLES)
    with pytest.raises(ValueError, match="at least one"):
        SetNumbers([])


def test_an_interval_excludes_zero_on_one_side_only() -> None:
    assert Interval(0.1, 0.2).excludes_zero
    assert Interval(-0.2, -0.1).excludes_zero
    assert not Interval(-0.1, 0.1).excludes_zero
    assert not Interval(0, 0.1).excludes_zero
