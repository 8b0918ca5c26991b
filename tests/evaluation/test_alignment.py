"""The E-measure against its definition: the enhanced alignment matrix of two binary maps, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from rtsod.evaluation.alignment import e_curve, mean_of_e
from rtsod.evaluation.curves import Curves, Levels, Truth
from tests.evaluation.masks import PAIRS


def _e(predicted: Truth, truth: Truth) -> float:
    if truth.any() and not truth.all():
        one, other = predicted - predicted.mean(), truth - truth.mean()
        alignment = 2 * one * other / (one**2 + other**2 + np.spacing(1))
        matrix = (alignment + 1) ** 2 / 4
    else:
        matrix = (predicted == truth).astype(np.float64)
    return float(matrix.sum() / (truth.size - 1 + np.spacing(1)))


@given(PAIRS)
def test_every_threshold_equals_the_definition(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair
    curve = e_curve(Curves.of(prediction, truth))
    for threshold in (0, 1, 77, 78, 128, 254, 255):
        assert curve[threshold] == pytest.approx(_e(prediction >= threshold, truth), rel=1e-12, abs=1e-12)


@given(PAIRS)
def test_range_and_best_value(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair
    best = truth.size / (truth.size - 1 + np.spacing(1))
    curve = e_curve(Curves.of(prediction, truth))
    assert 0 <= curve.min() <= curve.max() <= best * (1 + 1e-12)
    perfect = e_curve(Curves.of(truth.astype(np.uint8) * np.uint8(255), truth))
    np.testing.assert_allclose(perfect[1:], best, rtol=1e-9)


def test_the_mean_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_of_e([])
