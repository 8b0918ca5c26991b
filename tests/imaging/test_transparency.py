from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtsod.frames import BLANK, Frame, Image, Picture
from rtsod.imaging.transparency import cleared, over_black, picture_of

pictures = arrays(np.uint8, (4, 5, 3))
alphas = arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 128, 254, 255]))


@given(pictures, alphas)
def test_what_is_hidden_is_removed_and_nothing_else(image: Image, alpha: Image) -> None:
    picture = picture_of(image, alpha)
    shown = alpha > 0
    assert (picture.image[~shown] == BLANK).all()
    assert np.array_equal(picture.image[shown], image[shown])
    if picture.alpha is None:
        assert (alpha == 255).all()
    else:
        assert np.array_equal(picture.alpha, alpha)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_parts_of_an_array_with_alpha_become_contiguous(level: int) -> None:
    pixels = np.full((4, 5, 4), level, np.uint8)
    picture = picture_of(pixels[:, :, :3], pixels[:, :, 3])
    assert picture.image.flags.c_contiguous
    assert picture.alpha is None or picture.alpha.flags.c_contiguous


@given(pictures, alphas)
def test_over_black_nothing_is_left_of_what_is_hidden(image: Image, alpha: Image) -> None:
    exact = image * (alpha[..., None] / 255)
    assert np.abs(over_black(image, alpha) - exact).max() <= 0.5
    assert np.array_equal(cleared(image, alpha), np.where(alpha[..., None] == 0, 0, image))


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_neither_a_picture_nor_a_frame_has_hidden_colours(channel: int) -> None:
    image, alpha = np.full((4, 5, 3), BLANK, np.uint8), np.full((4, 5), 255, np.uint8)
    alpha[2, 3] = 0
    assert Picture(image, alpha).image is image
    image[2, 3, channel] -= 1
    with pytest.raises(ValueError, match="hidden"):
        Picture(image, alpha)
    with pytest.raises(ValueError, match="hidden"):
        Frame(image, 0, 0.0, alpha=alpha)
    assert Frame(image, 0, 0.0).alpha is None


def test_an_alpha_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha of shape"):
        Picture(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8))
