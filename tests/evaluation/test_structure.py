"""The S-measure against its definition, written out, with a rule for the quarters that have no pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from rtsod.evaluation.curves import Levels, Map, Truth
from rtsod.evaluation.structure import s_measure
from tests.evaluation.masks import PAIRS
from tests.evaluation.pairs import COUNT, pair, stretched

EPSILON = np.spacing(1)


def _object(values: Map) -> float:
    deviation = values.std(ddof=1) if values.size > 1 else 0.0
    return float(2 * values.mean() / (values.mean() ** 2 + 1 + deviation + EPSILON))


def _similarity(prediction: Map, truth: Map) -> float:
    mean, true_mean = prediction.mean(), truth.mean()
    degrees = truth.size - 1 + EPSILON
    variances = (((prediction - mean) ** 2).sum() + ((truth - true_mean) ** 2).sum()) / degrees
    covariance = ((prediction - mean) * (truth - true_mean)).sum() / degrees
    above, below = 4 * mean * true_mean * covariance, (mean**2 + true_mean**2) * variances
    if above != 0:
        return float(above / (below + EPSILON))
    return 1.0 if below == 0 else 0.0


def _s(prediction: Map, truth: Truth) -> float:
    if not truth.any():
        return float(1 - prediction.mean())
    if truth.all():
        return float(prediction.mean())
    share = truth.mean()
    objects = share * _object(prediction[truth]) + (1 - share) * _object(1 - prediction[~truth])
    row, column = (np.round(np.mean(axis)) + 1 for axis in np.nonzero(truth))
    regions = 0.0
    for rows in (slice(0, int(row)), slice(int(row), None)):
        for columns in (slice(0, int(column)), slice(int(column), None)):
            part = prediction[rows, columns], truth[rows, columns].astype(np.float64)
            if part[0].size:
                regions += part[0].size / truth.size * _similarity(*part)
    return float(max(0, 0.5 * objects + 0.5 * regions))


@pytest.mark.parametrize("stretch", [True, False])
def test_the_pairs_equal_the_definition(stretch: bool) -> None:
    for number in range(COUNT):
        levels, truth = pair(number)
        prediction = stretched(levels) if stretch else levels / 255
        assert s_measure(prediction, truth) == pytest.approx(_s(prediction, truth), abs=1e-9), number


@given(PAIRS)
def test_small_maps_equal_the_definition(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair[0] / 255, pair[1]
    assert s_measure(prediction, truth) == pytest.approx(_s(prediction, truth), abs=1e-9)


@given(PAIRS)
def test_range_and_best_value(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair
    assert 0 <= s_measure(prediction / 255, truth) <= 1 + 1e-12
    assert s_measure(truth.astype(np.float64), truth) == pytest.approx(1, abs=1e-9)


def test_without_foreground_or_background_the_mean_decides() -> None:
    prediction = np.array([[0.25, 0.75], [1.0, 0.0]])
    assert s_measure(prediction, np.zeros((2, 2), np.bool_)) == 0.5
    assert s_measure(prediction**2, np.ones((2, 2), np.bool_)) == pytest.approx((0.0625 + 0.5625 + 1) / 4)


def test_a_quarter_without_pixels_counts_nothing() -> None:
    """PySODMetrics says NaN here, for a foreground whose centroid is in the last column."""
    truth = np.zeros((4, 6), np.bool_)
    truth[1:3, 5] = True
    assert s_measure(truth.astype(np.float64), truth) == pytest.approx(1, abs=1e-9)
