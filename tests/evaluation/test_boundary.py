"""The relaxed F-measure and boundary IoU against loops over all pairs of pixels, as their definitions say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from rtsod.evaluation.boundary import Element, boundary_iou, relax_f
from rtsod.evaluation.curves import Truth
from tests.evaluation.masks import MASKS
from tests.evaluation.pairs import COUNT, pair

Pixels = set[tuple[int, int]]
NEIGHBOURS: dict[Element, Pixels] = {
    "square": {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)},
    "cross": {(-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)},
}


def _pixels(mask: Truth) -> Pixels:
    height, width = mask.shape
    return {(y, x) for y in range(height) for x in range(width) if mask[y, x]}


def _outline(mask: Truth, element: Element) -> Pixels:
    """The pixels with a neighbour that is not in the mask; beyond the picture, none is."""
    pixels = _pixels(mask)
    return {(y, x) for y, x in pixels if any((y + i, x + j) not in pixels for i, j in NEIGHBOURS[element])}


def _share_near(outline: Pixels, other: Pixels) -> float:
    near = sum(any((y - v) ** 2 + (x - u) ** 2 <= 9 for v, u in other) for y, x in outline)
    return near / len(outline)


def _relax_f(predicted: Truth, truth: Truth, element: Element) -> float:
    outline, true_outline = _outline(predicted, element), _outline(truth, element)
    if not outline or not true_outline:
        return 1.0 if not outline and not true_outline else 0.0
    precision, recall = _share_near(outline, true_outline), _share_near(true_outline, outline)
    return 1.3 * precision * recall / (0.3 * precision + recall) if precision and recall else 0.0


def _band(mask: Truth) -> Pixels:
    height, width = mask.shape
    reach = max(1, round(0.02 * math.hypot(height, width)))
    steps = range(-reach, reach + 1)
    pixels = _pixels(mask)
    return {(y, x) for y, x in pixels if any((y + i, x + j) not in pixels for i in steps for j in steps)}


def _boundary_iou(predicted: Truth, truth: Truth) -> float:
    one, other = _band(predicted), _band(truth)
    return len(one & other) / len(one | other) if one | other else 1.0


@pytest.mark.parametrize("element", ["square", "cross"])
@given(pair=MASKS)
def test_relaxed_f_of_small_masks_equals_brute_force(element: Element, pair: tuple[Truth, Truth]) -> None:
    assert relax_f(*pair, element) == pytest.approx(_relax_f(*pair, element), abs=1e-12)


@given(MASKS)
def test_boundary_iou_of_small_masks_equals_brute_force(pair: tuple[Truth, Truth]) -> None:
    assert boundary_iou(*pair) == pytest.approx(_boundary_iou(*pair), abs=1e-12)


@pytest.mark.parametrize("number", [n for n in range(0, COUNT, 5) if pair(n)[1].size < 5000])
def test_larger_masks_equal_brute_force(number: int) -> None:
    prediction, truth = pair(number)
    predicted = prediction > 127
    for element in NEIGHBOURS:
        assert relax_f(predicted, truth, element) == pytest.approx(_relax_f(predicted, truth, element), abs=1e-12)
    assert boundary_iou(predicted, truth) == pytest.approx(_boundary_iou(predicted, truth), abs=1e-12)


@pytest.mark.parametrize(("size", "reach"), [((30, 40), 1), ((120, 160), 4), ((240, 320), 8)])
def test_the_band_grows_with_the_picture(size: tuple[int, int], reach: int) -> None:
    truth, predicted = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    truth[4:-4, 4:-4] = predicted[6:-6, 6:-6] = True

    def ring(first: int, last: int) -> int:
        """Pixels that are at least ``first`` and less than ``last`` pixels inside the truth's outline."""
        sides = [(size[0] - 8 - 2 * inset) * (size[1] - 8 - 2 * inset) for inset in (first, last)]
        return sides[0] - sides[1]

    both = ring(2, max(2, reach))
    expected = both / (ring(0, reach) + ring(2, 2 + reach) - both)
    assert boundary_iou(predicted, truth) == pytest.approx(expected, abs=1e-12)


@given(MASKS)
def test_ranges_symmetry_and_the_best_value(pair: tuple[Truth, Truth]) -> None:
    one, other = pair
    assert 0 <= boundary_iou(one, other) <= 1
    assert boundary_iou(one, other) == boundary_iou(other, one)
    assert boundary_iou(one, one) == 1
    for element in NEIGHBOURS:
        assert 0 <= relax_f(one, other, element) <= 1 + 1e-15
        assert relax_f(one, one, element) == pytest.approx(1, abs=1e-15)


def test_the_slack_is_3_px_and_euclidean() -> None:
    truth = np.zeros((12, 12), np.bool_)
    truth[1, 1] = True
    for (y, x), expected in {(1, 4): 1, (4, 1): 1, (3, 3): 1, (1, 5): 0, (3, 4): 0, (4, 4): 0}.items():
        predicted = np.zeros((12, 12), np.bool_)
        predicted[y, x] = True
        assert relax_f(predicted, truth) == pytest.approx(expected), (y, x)


def test_a_mask_at_the_border_has_its_outline_there() -> None:
    full, middle = np.ones((20, 20), np.bool_), np.zeros((20, 20), np.bool_)
    middle[4:16, 4:16] = True
    assert relax_f(full, middle) == 0  # outlines 4 px apart
    middle[3:17, 3:17] = True
    assert relax_f(full, middle) == pytest.approx(1.3 * _share(full, middle) / (0.3 * _share(full, middle) + 1))


def _share(full: Truth, middle: Truth) -> float:
    """All of the inner outline is within 3 px of the border, and of the border all but the corners' pixels."""
    return _share_near(_outline(full, "square"), _outline(middle, "square"))


def test_empty_masks() -> None:
    empty, some = np.zeros((5, 5), np.bool_), np.eye(5, dtype=np.bool_)
    for measure in (relax_f, boundary_iou):
        assert measure(empty, empty) == 1
        assert measure(empty, some) == measure(some, empty) == 0
