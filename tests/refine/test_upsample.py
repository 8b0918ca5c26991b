"""Bilinear upsampling: to any size, within [0, 1], in a new array."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.refine.upsample import upsample


@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_any_size_stays_within_the_range_of_the_map(size: int, width: int, height: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((size, size), np.float32)
    alpha = upsample(mask, width, height)
    assert alpha.shape == (height, width)
    assert alpha.dtype == np.float32
    assert mask.min() - 1e-6 <= alpha.min() <= alpha.max() <= mask.max() + 1e-6
    assert not np.shares_memory(alpha, mask)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_certainty_stays_certain(value: float) -> None:
    alpha = upsample(np.full((320, 320), value, np.float32), 1280, 720)
    assert (alpha == value).all()


def test_it_is_bilinear_between_pixel_centres() -> None:
    mask = np.random.default_rng(1).random((32, 32), np.float32)
    alpha = upsample(mask, 71, 45)
    y, x = (np.arange(45) + 0.5) * 32 / 45 - 0.5, (np.arange(71) + 0.5) * 32 / 71 - 0.5
    y, x = y.clip(0, 31), x.clip(0, 31)
    top, left = np.minimum(y.astype(int), 30), np.minimum(x.astype(int), 30)
    v, u = (y - top)[:, None], (x - left)[None]
    upper = mask[top][:, left] * (1 - u) + mask[top][:, left + 1] * u
    lower = mask[top + 1][:, left] * (1 - u) + mask[top + 1][:, left + 1] * u
    np.testing.assert_allclose(alpha, upper * (1 - v) + lower * v, atol=1e-5)


def test_a_mirrored_map_gives_a_mirrored_alpha() -> None:
    mask = np.random.default_rng(2).random((48, 48), np.float32)
    flipped = upsample(np.asarray(cv2.flip(mask, 1), np.float32), 100, 60)
    np.testing.assert_allclose(flipped, upsample(mask, 100, 60)[:, ::-1], atol=1e-5)
