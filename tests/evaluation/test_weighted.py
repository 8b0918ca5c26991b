"""The weighted F-measure against loops over all pairs of pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from rtsod.evaluation.curves import Levels, Map, Truth
from rtsod.evaluation.weighted import weighted_f
from rtsod.evaluation.weighted_kernels import nearest_rows, spread_errors
from tests.evaluation.masks import PAIRS
from tests.evaluation.pairs import COUNT, pair


def _nearest(y: int, x: int, truth: Truth) -> tuple[int, int, int]:
    """Squared distance, column and row of the nearest foreground pixel: the leftmost, then the uppermost."""
    height, width = truth.shape
    return min(((y - v) ** 2 + (x - u) ** 2, u, v) for v in range(height) for u in range(width) if truth[v, u])


def _weighted_f(prediction: Map, truth: Truth) -> float:
    """Margolin's definition, term by term."""
    if not truth.any():
        return 0.0
    height, width = truth.shape
    errors = abs(prediction - truth)
    spread = errors.copy()
    weights = np.ones(truth.shape)
    for y in range(height):
        for x in range(width):
            if not truth[y, x]:
                squared, column, row = _nearest(y, x, truth)
                spread[y, x] = errors[row, column]
                weights[y, x] = 2 - math.exp(math.log(0.5) / 5 * math.sqrt(squared))
    gaussian = {(i, j): math.exp(-(i * i + j * j) / 50) for i in range(-3, 4) for j in range(-3, 4)}
    hit = miss = alarms = 0.0
    for y in range(height):
        for x in range(width):
            if truth[y, x]:
                near = {(i, j) for i, j in gaussian if 0 <= y + i < height and 0 <= x + j < width}
                blurred = sum(gaussian[i, j] * spread[y + i, x + j] for i, j in near) / sum(gaussian.values())
                error = min(errors[y, x], blurred)
                hit, miss = hit + 1 - error, miss + error
            else:
                alarms += errors[y, x] * weights[y, x]
    recall, precision = hit / (hit + miss), hit / (hit + alarms + 2**-52)
    return 2 * recall * precision / (recall + precision + 2**-52)


@given(PAIRS)
def test_small_maps_equal_the_definition(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair[0] / 255, pair[1]
    assert weighted_f(prediction, truth) == pytest.approx(_weighted_f(prediction, truth), abs=1e-12)


@given(PAIRS)
def test_each_pixel_finds_the_nearest_and_of_several_the_leftmost_then_the_uppermost(
    pair: tuple[Levels, Truth],
) -> None:
    truth = pair[1]
    if not truth.any():
        return
    errors = np.arange(truth.size).reshape(truth.shape) / 256  # each pixel's own, and exact
    rows, spread = np.empty(truth.shape, np.int32), np.empty(truth.shape)
    nearest_rows(truth, rows)
    alarms = spread_errors(1 - errors, truth, rows, np.arange(500.0), spread)
    expected = 0.0
    for y, x in np.ndindex(truth.shape):
        distance, column, row = _nearest(y, x, truth)
        assert spread[y, x] == errors[row, column], (y, x)
        expected += 0.0 if truth[y, x] else distance * float(1 - errors[y, x])
    assert alarms == expected


@pytest.mark.parametrize("number", [n for n in range(COUNT) if 300 < pair(n)[1].size < 1500][::6])
def test_larger_maps_equal_the_definition(number: int) -> None:
    prediction, truth = pair(number)
    assert weighted_f(prediction / 255, truth) == pytest.approx(_weighted_f(prediction / 255, truth), abs=1e-12)


def test_a_very_distant_alarm_counts_twice() -> None:
    truth = np.zeros((3, 700), np.bool_)
    truth[1, 0] = True
    prediction = truth.astype(np.float64)
    prediction[1, 699] = 0.5  # beyond the table of weights
    assert weighted_f(prediction, truth) == pytest.approx(2 * 0.5 / (1 + 0.5))


@given(PAIRS)
def test_range_and_best_value(pair: tuple[Levels, Truth]) -> None:
    prediction, truth = pair
    assert 0 <= weighted_f(prediction / 255, truth) <= 1 + 1e-15
    assert weighted_f(truth.astype(np.float64), truth) == pytest.approx(float(truth.any()), abs=1e-15)
