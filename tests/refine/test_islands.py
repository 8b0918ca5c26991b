"""Weak islands: removed when weak throughout, faded in between, kept when connected to something strong."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rtsod.frames import Alpha
from rtsod.refine.islands import suppress_weak_components


def islands(peak: float) -> Alpha:
    """A strong subject, and beside it an island with this peak."""
    mask = np.zeros((64, 64), np.float32)
    mask[8:40, 8:30] = 1.0
    mask[10:20, 44:56] = peak
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1), np.float32)


@pytest.mark.parametrize(("peak", "kept"), [(0.3, 0.0), (0.49, 0.0), (0.65, 0.5), (0.9, 1.0)])
def test_a_weak_island_is_removed_and_a_strong_one_stays(peak: float, kept: float) -> None:
    mask = islands(peak)
    seen = suppress_weak_components(mask)
    assert seen[15, 50] / mask[15, 50] == pytest.approx(kept, abs=0.03)
    assert (seen[:, :40] == mask[:, :40]).all()


def test_an_island_whose_peak_hovers_does_not_pop() -> None:
    shown = [float(suppress_weak_components(islands(peak))[15, 50]) for peak in np.arange(0.3, 1.0, 0.01)]
    assert max(np.diff(shown)) < 0.06
    assert min(np.diff(shown)) >= 0


def test_what_is_connected_to_the_subject_stays() -> None:
    mask = islands(0.3)
    mask[14:16, 28:46] = 0.3
    assert (suppress_weak_components(mask) == mask).all()


@pytest.mark.parametrize("mask", [np.zeros((32, 32), np.float32), np.full((32, 32), 0.9, np.float32), islands(0.9)])
def test_a_map_without_weak_islands_is_returned_as_it_is(mask: Alpha) -> None:
    assert suppress_weak_components(mask) is mask
