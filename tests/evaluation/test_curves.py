"""Precision, recall, F and MAE against what they are by definition, counted pixel by pixel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rtsod.evaluation.curves import Curves, Levels, MeanCurves, Truth, mae, max_f_of_means

PAIRS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 77, 128, 254, 255])),
        arrays.arrays(np.bool_, shape),
    )
)


def _counted(prediction: Levels, truth: Truth, threshold: int) -> tuple[Fraction, Fraction]:
    hits = predicted = foreground = 0
    for level, real in zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True):
        hits += level >= threshold and real
        predicted += level >= threshold
        foreground += real
    return Fraction(hits, max(predicted, 1)), Fraction(hits, max(foreground, 1))


@given(PAIRS)
def test_every_threshold_is_counted_pixel_by_pixel(pair: tuple[Levels, Truth]) -> None:
    curves = Curves.of(*pair)
    for threshold in (0, 1, 2, 77, 78, 128, 254, 255):
        precision, recall = _counted(*pair, threshold)
        f = 13 * precision * recall / (3 * precision + 10 * recall) if precision * recall else Fraction(0)
        assert curves.precision[threshold] == pytest.approx(float(precision), abs=1e-15)
        assert curves.recall[threshold] == pytest.approx(float(recall), abs=1e-15)
        assert curves.f[threshold] == pytest.approx(float(f), abs=1e-15)


@given(PAIRS)
def test_ranges_and_directions(pair: tuple[Levels, Truth]) -> None:
    curves = Curves.of(*pair)
    assert np.all(np.diff(curves.recall) <= 0)
    assert curves.predicted[0] == curves.area == pair[1].size
    for curve in (curves.precision, curves.recall, curves.f):
        assert curve.shape == (256,)
        assert curve.min() >= 0
        assert curve.max() <= 1


@given(PAIRS)
def test_a_perfect_map_has_the_best_values(pair: tuple[Levels, Truth]) -> None:
    truth = pair[1]
    perfect = truth.astype(np.uint8) * np.uint8(255)
    assert mae(perfect, truth) == 0
    assert Curves.of(perfect, truth).f[1:].tolist() == [float(truth.any())] * 255


@given(PAIRS)
def test_the_error_is_the_same_in_8_bits_and_in_floats(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair
    exact = sum(
        (
            abs(Fraction(level, 255) - real)
            for level, real in zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True)
        ),
        Fraction(0),
    )
    assert mae(prediction, truth) == pytest.approx(float(exact / truth.size), abs=1e-15)
    assert mae(prediction / 255, truth) == pytest.approx(float(exact / truth.size), abs=1e-15)


def test_the_two_conventions_differ() -> None:
    truth = np.array([[True, False]])
    good = Curves.of(np.array([[255, 0]], np.uint8), truth)
    bad = Curves.of(np.array([[0, 255]], np.uint8), truth)
    means = MeanCurves.of([good, bad])
    assert means.f_of_means[128] == pytest.approx(0.5)
    assert means.f[128] == pytest.approx(0.5)
    everything = Curves.of(np.array([[255, 255]], np.uint8), truth)
    means = MeanCurves.of([good, everything])
    assert means.f[128] == pytest.approx((1 + 1.3 * 0.5 / (0.15 + 1)) / 2)
    assert means.f_of_means[128] == pytest.approx(1.3 * 0.75 / (0.3 * 0.75 + 1))


def test_the_papers_maximum_leaves_out_the_last_threshold() -> None:
    curves = Curves.of(np.array([[255, 254, 0]], np.uint8), np.array([[True, False, False]]))
    assert MeanCurves.of([curves]).f_of_means.max() == 1
    assert max_f_of_means([curves]) == pytest.approx(1.3 * 0.5 / (0.15 + 1))


def test_an_empty_truth_scores_nothing() -> None:
    curves = Curves.of(np.array([[255, 0]], np.uint8), np.zeros((1, 2), np.bool_))
    assert not curves.precision.any()
    assert not curves.recall.any()
    assert not curves.f.any()


@pytest.mark.parametrize(
    ("prediction", "truth"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.bool_)),
        (np.zeros((2, 3, 1), np.uint8), np.zeros((2, 3, 1), np.bool_)),
        (np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.bool_)),
        (np.zeros((2, 3), np.int64), np.zeros((2, 3), np.bool_)),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8)),
    ],
)
def test_what_is_no_pair_is_refused(prediction: Levels, truth: Truth) -> None:
    with pytest.raises(ValueError, match="not"):
        Curves.of(prediction, truth)


def test_no_pictures_have_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one"):
        MeanCurves.of([])
