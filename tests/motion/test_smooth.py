"""Temporal smoothing: masks stay where the picture is static and follow at once where it moves."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.motion.flow import downscale_frame
from rtsod.motion.smooth import Smoother, colour_change, static_weight
from tests.motion.drawings import FPS, SIZE, disc, noise, small_with_discs


def test_a_wavering_mask_on_a_static_picture_holds_still() -> None:
    picture, smoother = downscale_frame(noise(1)), Smoother()
    random = np.random.default_rng(0)
    raw = [np.clip(disc(80) + random.normal(0, 0.05, (SIZE, SIZE)), 0, 1).astype(np.float32) for _ in range(40)]
    shown = [smoother.smooth(alpha, picture, index / FPS) for index, alpha in enumerate(raw)]
    assert np.abs(np.diff(shown, axis=0)).mean() < 0.15 * np.abs(np.diff(raw, axis=0)).mean()


def test_where_the_picture_moves_the_mask_is_followed_at_once() -> None:
    smoother = Smoother()
    smoother.smooth(disc(40), downscale_frame(noise(1)), 0)
    assert (smoother.smooth(disc(120), downscale_frame(noise(2)), 1 / FPS) == disc(120)).all()


def test_static_and_moving_parts_are_told_apart() -> None:
    before, after = noise(1), noise(1)
    after[:, 160:] = noise(2)[:, 160:]
    smoother = Smoother()
    smoother.smooth(np.ones((SIZE, SIZE), np.float32), downscale_frame(before), 0)
    shown = smoother.smooth(np.full((SIZE, SIZE), 0.4, np.float32), downscale_frame(after), 1 / FPS)
    assert shown[:, :70].min() > 0.9
    assert shown[:, 85:].max() == np.float32(0.4)


def test_what_is_plainly_gone_goes_at_once_even_on_a_static_picture() -> None:
    picture, smoother = downscale_frame(noise(1)), Smoother()
    smoother.smooth(np.ones((SIZE, SIZE), np.float32), picture, 0)
    assert smoother.smooth(disc(40), picture, 1 / FPS)[disc(40) == 0].max() == 0


def test_a_change_that_lasts_is_followed_in_the_end() -> None:
    picture, smoother = downscale_frame(noise(1)), Smoother()
    smoother.smooth(disc(40), picture, 0)
    for index in range(1, 3 * FPS):
        shown = smoother.smooth(disc(120), picture, index / FPS)
    assert np.abs(shown - disc(120)).max() < 0.01


def test_slow_motion_adds_up_and_leaves_nothing_behind() -> None:
    """A quarter of a pixel per frame is below what counts as motion between two frames, but not in sum."""
    smoother, worst = Smoother(), 0.0
    for index in range(120):
        x = 50 + index / 4
        shown = smoother.smooth(disc(x), small_with_discs((x, 200)), index / FPS)
        worst = max(worst, float(np.abs(shown - disc(x)).mean()))
    assert worst < 0.5 * float(np.abs(disc(50) - disc(53)).mean()), "less than three pixels of lag, at any moment"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**16), st.floats(0, 2)), min_size=1, max_size=8))
def test_the_result_lies_between_the_last_result_and_the_new_mask(steps: list[tuple[int, int, float]]) -> None:
    smoother, time, before = Smoother(), 0.0, None
    for picture, seed, later in steps:
        time += later
        alpha = np.random.default_rng(seed).random((24, 24), np.float32)
        shown = smoother.smooth(alpha, downscale_frame(noise(picture)), time)
        if before is not None:
            assert (shown >= np.minimum(before, alpha) - 1e-5).all()
            assert (shown <= np.maximum(before, alpha) + 1e-5).all()
        before = shown.copy()


def test_it_starts_again_with_a_mask_of_another_size_and_when_time_goes_back() -> None:
    picture, smoother = downscale_frame(noise(1)), Smoother()
    smoother.smooth(np.ones((SIZE, SIZE), np.float32), picture, 1.0)
    other_size = np.full((24, 24), 0.5, np.float32)
    assert smoother.smooth(other_size, picture, 1.1) is other_size
    earlier = np.full((24, 24), 0.9, np.float32)
    assert smoother.smooth(earlier, picture, 0.5) is earlier


def test_static_weight_falls_from_1_to_0_between_six_and_twelve_levels() -> None:
    before = np.full((20, 20, 3), 100, np.float32)
    for levels, weight in ((0, 1.0), (6, 1.0), (9, 0.5), (12, 0.0), (50, 0.0)):
        np.testing.assert_allclose(static_weight(before + np.float32(levels), before), weight, atol=1e-6)


def test_a_change_reaches_its_neighbourhood_in_the_worst_channel() -> None:
    before = np.zeros((21, 21, 3), np.uint8)
    after = before.copy()
    after[9:12, 9:12] = (10, 90, 20)
    change = colour_change(after, before)
    assert change.dtype == np.uint8
    assert change[10, 10] == 90
    assert change[10, 12] == 90, "two pixels on, the maximum of the neighbourhood"
    assert change[10, 15] == 0
