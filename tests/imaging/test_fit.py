"""Covering and fitting: sizes, proportions, cropping and bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.frames import Image
from rtsod.imaging.fit import cover, fit

SIDES = st.integers(1, 60)


@given(SIDES, SIDES, SIDES, SIDES)
def test_cover_fills_every_size_with_the_picture(w: int, h: int, width: int, height: int) -> None:
    image = np.full((h, w, 3), (10, 200, 90), np.uint8)
    result = cover(image, width, height)
    assert result.shape == (height, width, 3)
    assert result.flags.c_contiguous
    assert (result == (10, 200, 90)).all()


@given(SIDES, SIDES, SIDES, SIDES)
def test_fit_shows_the_whole_picture_and_black_bars_on_one_axis_only(w: int, h: int, width: int, height: int) -> None:
    result = fit(np.full((h, w, 3), 255, np.uint8), width, height)
    assert result.shape == (height, width, 3)
    lit = result[..., 0] == 255
    rows, columns = lit.any(axis=1), lit.any(axis=0)
    assert lit[np.ix_(rows, columns)].all()
    assert rows.all() or columns.all()
    assert lit.any()


def halves() -> Image:
    image = np.zeros((90, 160, 3), np.uint8)
    image[:, :80] = (255, 0, 0)
    image[:, 80:] = (0, 0, 255)
    return image


@pytest.mark.parametrize("transform", [cover, fit])
def test_same_size_is_the_same_picture(transform: object) -> None:
    image = halves()
    assert callable(transform)
    assert transform(image, 160, 90) is image


def test_cover_cuts_evenly_and_keeps_proportions() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 90:110] = 255  # a square in the middle
    result = cover(image, 100, 100)
    lit = result[..., 0] > 127
    assert lit.any(axis=0).sum() == lit.any(axis=1).sum() == 20
    assert lit[40:60, 40:60].all()


def test_fit_centres_between_the_bars() -> None:
    result = fit(halves(), 160, 160)
    assert (result[:35] == 0).all()
    assert (result[125:] == 0).all()
    assert (result[35:125] == halves()).all()


def test_fit_takes_grey_pictures() -> None:
    assert fit(np.full((10, 20), 9, np.uint8), 40, 40).shape == (40, 40)


def test_shrinking_averages_instead_of_picking() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (abs(cover(stripes, 16, 16).astype(int) - 100) <= 1).all()
