"""The network's input: sizes, ranges, and the authors' protocol for photographs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.config import Fit
from rtsod.errors import MaskError
from rtsod.frames import Alpha, Fitting, Image, Mask
from rtsod.imaging.network_input import blank_unseen, lay_over, shrink, shrink_still, stretch_still
from rtsod.training.square import fitted


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


SQUARE = [Fitting("stretch"), Fitting("pad", (10, 20, 30)), Fitting("crop")]
WIDE_OR_HIGH = st.tuples(st.integers(2, 200), st.integers(2, 200)).filter(lambda sides: sides[0] != sides[1])


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([64, 97]), st.sampled_from(SQUARE))
def test_every_fit_gives_the_networks_size(height: int, width: int, size: int, fitting: Fitting) -> None:
    for function in (shrink, shrink_still):
        small = function(_noise(height, width), size, fitting)
        assert small.shape == (size, size, 3)
        assert small.dtype == np.uint8
        assert small.flags.c_contiguous


def test_square_pictures_are_the_same_in_every_fit() -> None:
    image, alpha = _noise(100, 100), np.random.default_rng(0).random((64, 64), np.float32)
    for fitting in SQUARE:
        assert np.array_equal(shrink(image, 64, fitting), shrink(image, 64))
        assert lay_over(alpha, image, fitting) is alpha
        assert blank_unseen(alpha, image, fitting) is alpha


@pytest.mark.parametrize(("shape", "rows", "columns"), [((90, 160, 3), 36, 64), ((160, 80, 3), 64, 32)])
def test_padding_keeps_the_shape_and_adds_bars(shape: tuple[int, ...], rows: int, columns: int) -> None:
    image = np.full(shape, 200, np.uint8)
    small = shrink(image, 64, Fitting("pad", (10, 20, 30)))
    inside = (small == 200).all(axis=2)
    assert inside.sum() == rows * columns
    top, left = (64 - rows) // 2, (64 - columns) // 2
    assert inside[top : top + rows, left : left + columns].all()
    assert (small[~inside] == (10, 20, 30)).all()


def test_bars_are_no_highlight_of_a_photograph() -> None:
    dark = np.full((50, 100, 3), 20, np.uint8)
    small = shrink_still(dark, 64, Fitting("pad", (10, 20, 30)))
    assert (small[32] == 255).all()
    assert (small[0] == (10, 20, 30)).all()


@pytest.mark.parametrize("shape", [(90, 160), (160, 90)])
def test_cropping_shows_the_central_square_alone(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    image[(shape[0] - 90) // 2 : (shape[0] + 90) // 2, (shape[1] - 90) // 2 : (shape[1] + 90) // 2] = 255
    assert (shrink(image, 64, Fitting("crop")) == 255).all()
    image = 255 - image
    assert (shrink(image, 64, Fitting("crop")) == 0).all()


def _written_out(saliency: Alpha, width: int, height: int, fit: str) -> Alpha:
    """Each cell of the whole picture, looked up where the network saw it, one by one."""
    size = len(saliency)
    result = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            x, y = (column + 0.5) / size * width, (row + 0.5) / size * height  # in pixels of the picture
            if fit == "pad":
                rows = max(1, round(size * height / max(width, height)))
                columns = max(1, round(size * width / max(width, height)))
                top, left = (size - rows) // 2, (size - columns) // 2
                v = min(max(top + y / height * rows - 0.5, top), top + rows - 1)
                u = min(max(left + x / width * columns - 0.5, left), left + columns - 1)
            else:
                side = min(width, height)
                left, top = (width - side) // 2, (height - side) // 2
                cell_x, cell_y = width / size, height / size
                if not (left <= x - cell_x and x + cell_x <= left + side) and width > height:
                    continue
                if not (top <= y - cell_y and y + cell_y <= top + side) and height > width:
                    continue
                u = min(max((x - left) / side * size - 0.5, 0), size - 1)
                v = min(max((y - top) / side * size - 0.5, 0), size - 1)
            i, j = int(v), int(u)
            a, b = v - i, u - j
            i2, j2 = min(i + 1, size - 1), min(j + 1, size - 1)
            upper = saliency[i, j] * (1 - b) + saliency[i, j2] * b
            lower = saliency[i2, j] * (1 - b) + saliency[i2, j2] * b
            result[row, column] = upper * (1 - a) + lower * a
    return result.astype(np.float32)


@settings(max_examples=30)
@given(WIDE_OR_HIGH, st.sampled_from(["pad", "crop"]), st.integers(0, 9))
def test_a_map_is_laid_over_the_picture_where_the_network_saw_it(sides: tuple[int, int], fit: Fit, seed: int) -> None:
    saliency = np.random.default_rng(seed).random((16, 16), np.float32)
    laid = lay_over(saliency, np.empty((*sides, 3), np.uint8), Fitting(fit))
    assert laid.dtype == np.float32
    assert np.allclose(laid, _written_out(saliency, sides[1], sides[0], fit), atol=1e-5)
    assert 0 <= laid.min() <= laid.max() <= 1


@given(WIDE_OR_HIGH)
def test_beside_a_crop_nothing_is_in_front_however_the_map_is_enlarged(sides: tuple[int, int]) -> None:
    height, width = sides
    laid = lay_over(np.ones((64, 64), np.float32), np.empty((height, width, 3), np.uint8), Fitting("crop"))
    large = cv2.resize(laid, (8 * width, 8 * height), interpolation=cv2.INTER_LINEAR)
    side = min(width, height)
    left, top = 8 * ((width - side) // 2), 8 * ((height - side) // 2)
    large[top : top + 8 * side, left : left + 8 * side] = 0
    assert not large.any()


def test_most_of_a_crop_is_seen() -> None:
    laid = lay_over(np.ones((320, 320), np.float32), np.empty((720, 1280, 3), np.uint8), Fitting("crop"))
    assert 0.98 * 9 / 16 < laid.mean() <= 9 / 16


@pytest.mark.parametrize("bad", [np.nan, 1.5, -0.5])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_an_invalid_map_stays_invalid(bad: float, fit: Fit) -> None:
    saliency = np.zeros((64, 64), np.float32)
    saliency[20:40, 20:40] = bad
    with pytest.raises(MaskError):
        Mask(lay_over(saliency, np.empty((90, 160, 3), np.uint8), Fitting(fit)), 0, 0.0)


@given(WIDE_OR_HIGH, st.sampled_from(SQUARE))
def test_training_fits_pictures_as_the_engines_do(sides: tuple[int, int], fitting: Fitting) -> None:
    image = _noise(*sides)
    assert np.array_equal(fitted(image, 64, fitting.fit, fitting.bars), shrink(image, 64, fitting))
