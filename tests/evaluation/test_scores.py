"""The metrics of a set are those of its pictures, by the two conventions."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.evaluation.alignment import e_curve
from rtsod.evaluation.curves import f_measure
from rtsod.evaluation.matting import MattingErrors
from rtsod.evaluation.scores import PairScores, measure, summarise
from tests.evaluation.pairs import pair, stretched

NUMBERS = (20, 41, 55, 73, 90, 104, 121)
"""Pairs, two of which have a truth without foreground."""


def _scores() -> list[PairScores]:
    return [measure(*pair(number)) for number in (*NUMBERS, 1, 16)]


def test_a_set_is_the_mean_of_its_pictures() -> None:
    scores = _scores()
    of_set = summarise(scores)
    assert of_set.count == len(scores)
    assert of_set.empty == sum(not pair(number)[1].any() for number in (*NUMBERS, 1, 16)) >= 2
    for name in ("mae", "adaptive_f", "weighted_f", "s", "adaptive_e", "relax_f", "relax_f_cross", "boundary_iou"):
        assert getattr(of_set, name) == pytest.approx(sum(getattr(one, name) for one in scores) / len(scores))
    f = np.mean([one.curves.f for one in scores], axis=0)
    e = np.mean([e_curve(one.curves) for one in scores], axis=0)
    assert (of_set.fan_max_f, of_set.fan_mean_f) == pytest.approx((f.max(), f.mean()))
    assert (of_set.max_e, of_set.mean_e) == pytest.approx((e.max(), e.mean()))
    precision = np.mean([one.curves.precision for one in scores], axis=0)
    recall = np.mean([one.curves.recall for one in scores], axis=0)
    assert of_set.max_f == pytest.approx(f_measure(precision, recall)[:255].max())
    assert of_set.max_f != pytest.approx(of_set.fan_max_f)
    np.testing.assert_allclose(of_set.precision, precision)
    np.testing.assert_allclose(of_set.recall, recall)


def test_pictures_without_foreground_can_be_left_out() -> None:
    scores = _scores()
    some = [one for one in scores if not one.is_empty]
    without = summarise(scores, with_empty=False)
    assert without.empty == 0
    assert without.count == len(some) < len(scores)
    assert without.numbers() == summarise(some).numbers()
    with pytest.raises(ValueError, match="at least one"):
        summarise([one for one in scores if one.is_empty], with_empty=False)


def test_matting_errors_are_those_of_the_pictures_with_a_real_alpha() -> None:
    truth = np.eye(8, dtype=np.bool_)
    alpha = truth.astype(np.float32) * np.float32(0.75)
    exact, without = measure(alpha, truth, alpha), measure(alpha, truth)
    assert exact.matting == MattingErrors(0, 0, 0, 0)
    assert without.matting is None
    off = measure(np.zeros((8, 8), np.uint8), truth, alpha)
    assert off.matting is not None
    assert off.matting.mad == pytest.approx(8 * 0.75 / 64 * 1e3)
    of_set = summarise([exact, without, off])
    assert of_set.matting is not None
    assert of_set.matting.mad == pytest.approx(off.matting.mad / 2)
    assert summarise([without]).matting is None
    assert {"mad", "mse", "gradient", "connectivity"} <= of_set.numbers().keys()
    assert "mad" not in without.numbers()


@pytest.mark.parametrize(
    "prediction",
    [
        np.full((2, 2), 1.5),
        np.full((2, 2), -0.1, np.float32),
        np.full((2, 2), np.nan),
        np.zeros((2, 2), np.float16),
        np.zeros((2, 2), np.int64),
        np.zeros((2, 3)),
    ],
)
def test_what_is_no_map_is_refused(prediction: np.ndarray) -> None:
    with pytest.raises(ValueError, match="map"):
        measure(prediction, np.ones((2, 2), np.bool_))


def test_a_table_of_values_is_the_same_as_a_map_of_them() -> None:
    for number in (10, 13, 34, 37, 49):  # none of them is flat, and none reaches 255
        prediction, truth = pair(number)
        low, high = prediction.min() / 255, prediction.max() / 255
        values = np.clip((np.arange(256) / 255 - low) / (high - low), 0, 1)
        by_table, by_map = measure(prediction, truth, values=values), measure(stretched(prediction), truth)
        assert by_table.numbers() == by_map.numbers()
        assert by_table.curves.hits.tolist() == by_map.curves.hits.tolist()


def test_a_table_is_checked() -> None:
    prediction, truth = pair(20)
    with pytest.raises(ValueError, match="256 numbers"):
        measure(prediction, truth, values=np.zeros(255))
    with pytest.raises(ValueError, match="not within 0 and 1"):
        measure(prediction, truth, values=np.arange(256.0))


def test_memory_order_does_not_matter() -> None:
    prediction, truth = pair(55)
    assert (
        measure(np.asfortranarray(prediction), np.asfortranarray(truth)).numbers()
        == measure(prediction, truth).numbers()
    )
    frozen, frozen_truth = prediction.copy(), truth.copy()
    frozen.flags.writeable = frozen_truth.flags.writeable = False
    assert measure(frozen, frozen_truth).numbers() == measure(prediction, truth).numbers()
