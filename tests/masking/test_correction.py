"""Factors that bring one map's odds to those of another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtsod.masking.correction import gain_between
from rtsod.masking.roi import MAX_GAIN, RoiTracker

SIDE = 64
MAPS = arrays(np.float32, (SIDE, SIDE), elements=st.sampled_from([0.0, 1e-6, 0.3, 0.5, 0.9, 1.0]), fill=st.just(0.0))


@given(seen=MAPS, look=MAPS, later=MAPS)
def test_a_look_of_another_network_makes_nothing_visible_that_the_frames_own_inference_does_not_see(
    seen: np.ndarray, look: np.ndarray, later: np.ndarray
) -> None:
    region = RoiTracker(SIDE, SIDE, wide_only=True)
    region.see_everything()
    region.paste(seen)
    assert region.last is not None
    region.update_gain(region.last, look)
    placed = region.paste(later)
    assert np.isfinite(placed).all()
    assert placed.max() <= 1
    assert not placed[later == 0].any()
    odds = later / np.maximum(1 - later, 1e-9)
    assert (placed / np.maximum(1 - placed, 1e-9) <= MAX_GAIN * odds * (1 + 1e-3)).all()


@pytest.mark.parametrize(("width", "corrected"), [(2, False), (40, True)])
def test_narrow_differences_between_two_networks_stay(width: int, corrected: bool) -> None:
    part = np.full((320, 320), 0.1, np.float32)
    whole = part.copy()
    whole[100:200, 100 : 100 + width] = 0.9
    gain = gain_between(part, whole, 320, MAX_GAIN, wide_only=True)
    assert (gain[150, 100 + width // 2] > 10) == corrected
    assert gain[10, 10] == 1
    if not corrected:
        np.testing.assert_array_equal(gain, 1)
        assert gain_between(part, whole, 320, MAX_GAIN, wide_only=False).max() > 1.5
