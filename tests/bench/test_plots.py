"""Plots of the report."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.bench.plots import axis_range, histogram, spread_apart


@given(st.lists(st.floats(0, 1), max_size=8))
def test_labels_never_overlap_and_stay_in_place_where_possible(places: list[float]) -> None:
    moved = spread_apart(sorted(places), 0.1)
    assert all(after - before >= 0.1 - 1e-9 for before, after in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(places))
    if all(after - before >= 0.1 for before, after in pairwise(sorted(places))):
        assert moved == sorted(places)


@pytest.mark.parametrize("values", [[500.0], [500.0, 500.001], [10.0, 500.0, 900.0], [0.001]])
def test_a_histogram_axis_is_never_so_narrow_that_it_magnifies_noise(values: list[float]) -> None:
    low, high = axis_range(values)
    assert 0 <= low <= min(values)
    assert max(values) <= high
    assert high - low >= 0.05 * min(values)
    assert histogram([("one", "#000000", values)], "ms").startswith("<svg")
