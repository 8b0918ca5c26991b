"""The network's input: sizes, ranges, and the authors' protocol for photographs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtsod.frames import Image
from rtsod.imaging.network_input import shrink, shrink_still, stretch_still


def _noise(height: int, width: int, peak: int = 255) -> Image:
    return np.random.default_rng(height * width).integers(0, peak + 1, (height, width, 3), dtype=np.uint8)


@given(height=st.integers(1, 200), width=st.integers(1, 200), size=st.sampled_from([64, 97]))
def test_any_picture_gets_the_networks_size(height: int, width: int, size: int) -> None:
    for function in (shrink, shrink_still):
        small = function(_noise(height, width), size)
        assert small.shape == (size, size, 3)
        assert small.dtype == np.uint8
        assert small.flags.c_contiguous


def test_a_stills_highest_value_becomes_white_and_a_streams_does_not() -> None:
    dark = np.full((40, 40, 3), 20, np.uint8)
    dark[10:20, 10:20] = 50
    assert shrink_still(dark, 64).max() == 255
    assert shrink(dark, 64).max() == 50
    assert shrink_still(np.zeros((40, 40, 3), np.uint8), 64).max() == 0


def test_stretching_reaches_both_ends_and_leaves_flat_and_invalid_maps_alone() -> None:
    ramp = np.linspace(0.3, 0.5, 100, dtype=np.float32).reshape(10, 10)
    stretched = stretch_still(ramp)
    assert (float(stretched.min()), float(stretched.max())) == (0.0, 1.0)
    flat = np.full((10, 10), 0.4, np.float32)
    assert stretch_still(flat) is flat
    invalid = np.full((10, 10), np.nan, np.float32)
    assert stretch_still(invalid) is invalid
