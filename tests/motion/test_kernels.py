"""The compiled loops against plain NumPy and OpenCV."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.frames import Alpha
from rtsod.motion.flow import HEIGHT, WIDTH, ComposedFlow, Flow, FlowEstimator, downscale_frame, warp
from rtsod.motion.warp_kernel import BLOCK, find_background, find_ranges, warp_map
from tests.motion.drawings import disc
from tests.motion.test_flow import texture, uniform

NOTHING = np.zeros((HEIGHT, WIDTH), np.float32)


def warped(alpha: Alpha, flow: Flow, removed: Alpha = NOTHING) -> Alpha:
    ranges = np.empty((-(-alpha.shape[0] // BLOCK), -(-alpha.shape[1] // BLOCK), 2), np.float32)
    find_ranges(alpha, ranges)
    result = np.full_like(alpha, np.nan)
    warp_map(alpha, ranges, ComposedFlow.from_step(flow).layers, removed, bool(removed.any()), result)
    return result


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(4, 330), st.integers(4, 330), st.sampled_from([0.5, 4.0, 30.0]))
def test_a_map_is_warped_as_opencv_does_it(seed: int, height: int, width: int, strength: float) -> None:
    """Within what OpenCV's interpolation in 32 steps, and uniform blocks, leave: a level, on a map without jumps."""
    random = np.random.default_rng(seed)
    coarse = (random.random((4, 5, 2), np.float32) - np.float32(0.5)) * np.float32(strength)
    flow = warp(np.repeat(np.repeat(coarse, 30, axis=0), 32, axis=1), uniform(0.3, 0.3))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    alpha = np.clip((40 - np.hypot(columns - width / 2, rows - height / 2)) / 40, 0, 1).astype(np.float32)
    result = warped(alpha, flow)
    assert np.abs(result - warp(alpha, flow)).max() < 1.5 / 255
    assert result.max() <= alpha.max() + 1e-6


def test_what_is_removed_becomes_0_and_the_rest_stays() -> None:
    removed = NOTHING.copy()
    removed[:60] = 1
    result = warped(np.ones((320, 320), np.float32), uniform(0, 0), removed)
    assert (result[:156] == 0).all()
    assert (result[164:] == 1).all()


def test_a_uniform_map_stays_exactly_as_it_is() -> None:
    for level in (0.0, 0.25, 1.0):
        assert (warped(np.full((37, 50), level, np.float32), uniform(3, -2)) == np.float32(level)).all()


def test_the_ranges_hold_every_value() -> None:
    alpha = disc(80)[:157, :150].copy()
    ranges = np.empty((20, 19, 2), np.float32)
    find_ranges(alpha, ranges)
    for row in range(20):
        for column in range(19):
            block = alpha[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
            assert tuple(ranges[row, column]) == (block.min(), block.max())


def test_only_what_is_connected_to_the_outside_is_found() -> None:
    """Two doubtful strips look like the background; one of them touches it."""
    colour = np.full((40, 60, 3), 50, np.uint8)
    colour[:, :20] = colour[10:30, 20:24] = colour[10:30, 40:44] = 200
    doubtful, outside, subject = (np.zeros((40, 60), np.bool_) for _ in range(3))
    doubtful[10:30, 20:24] = doubtful[10:30, 40:44] = True
    outside[:, :20] = True
    subject[:, 20:] = True
    subject &= ~doubtful
    found = np.empty_like(doubtful)
    count = find_background(
        colour, doubtful, np.zeros_like(doubtful), outside, outside, subject, np.float32(3), (17, 61), found
    )
    assert count == np.count_nonzero(found) == 20 * 4
    assert found[10:30, 20:24].all()


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0, 3.0])
def test_the_search_finds_a_fraction_of_a_pixel(shift: float) -> None:
    picture = downscale_frame(texture(5))
    moved = warp(picture.colour.astype(np.float32), uniform(shift, -shift)).astype(np.uint8)
    new = type(picture)(moved, np.ascontiguousarray(moved[..., 1]))
    old = type(picture)(picture.colour, np.ascontiguousarray(picture.colour[..., 1]))
    flow = FlowEstimator().backward(new, old)[15:-15, 15:-15]
    np.testing.assert_allclose(np.median(flow, axis=(0, 1)), (shift, -shift), atol=0.08)


def test_nothing_moves_where_there_is_no_texture() -> None:
    flat = downscale_frame(np.full((240, 320, 3), 90, np.uint8))
    assert (FlowEstimator().backward(flat, flat) == 0).all()
