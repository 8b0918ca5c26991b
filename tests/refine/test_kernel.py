"""The compiled kernel: its formula in Python, and its bounds."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.refine.kernel import PLANE_COUNT, refine_cells

GREY = 100 / 255
Exact: TypeAlias = NDArray[np.float64]


def refined(planes: dict[int, float], *, level: int = 100, side: int = 4) -> tuple[Alpha, Image]:
    """Alpha and colours of one grey cell whose planes are constant; the planes not given are 0."""
    values = np.zeros((PLANE_COUNT, 1, 1), np.float32)
    for plane, value in planes.items():
        values[plane] = value
    return run(np.full((side, side, 3), level, np.uint8), values, np.ones((1, 1), np.bool_), side)


def run(image: Image, planes: Alpha, chosen: NDArray[np.bool_], side: int) -> tuple[Alpha, Image]:
    """Alpha and colours of the chosen cells of a grid whose planes begin at its first cell."""
    rows, columns = np.nonzero(chosen)
    first = np.searchsorted(rows, np.arange(chosen.shape[0] + 1)).astype(np.int64)
    alpha = np.full(rows.size * side * side, -1, np.float32)
    colours = np.zeros((alpha.size, 3), np.uint8)
    refine_cells(image, planes, np.zeros(2, np.int64), first, columns.astype(np.int64), side, alpha, colours)
    return alpha, colours


def test_alpha_is_the_linear_model_with_its_ends_trimmed() -> None:
    alpha, _ = refined({0: 0.1, 1: 0.2, 2: 0.3, 3: 0.2, 4: 0.5})
    np.testing.assert_allclose(alpha, (0.6 * GREY + 0.2 - 0.05) / 0.9, rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0.0), (0.01, 0.0), (0.21, 0.4), (0.79, 0.6), (0.99, 1.0), (1.0, 1.0)]
)
def test_the_map_bounds_alpha(value: float, expected: float) -> None:
    """A fit that says the opposite of the map gets as far as the bound."""
    alpha, _ = refined({3: 1.0 if value < 0.5 else 0.0, 4: value})
    np.testing.assert_allclose(alpha, expected, atol=1e-6)


def test_where_alpha_is_sure_the_colours_stay() -> None:
    for value in (0.0, 1.0):
        _, image = refined({3: value, 4: value, 5: 1.0, 8: 1.0})
        assert (image == 100).all()


def test_a_mixed_pixel_gets_the_subjects_colour() -> None:
    """Half of a white subject in front of black: the frame shows grey, the foreground is white."""
    alpha, image = refined({3: 0.5, 4: 0.5, 5: 1.0, 6: 1.0, 7: 1.0}, level=128)
    np.testing.assert_allclose(alpha, 0.5, rtol=1e-6)
    assert (image == 255).all()


def test_planes_are_interpolated_between_the_centres_of_the_cells() -> None:
    planes = np.zeros((PLANE_COUNT, 1, 2), np.float32)
    planes[3, 0], planes[4] = (0.2, 0.6), 0.5
    alpha, _ = run(np.zeros((4, 8, 3), np.uint8), planes, np.ones((1, 2), np.bool_), 4)
    offset = np.interp((np.arange(8) + 0.5) / 4 - 0.5, [0, 1], [0.2, 0.6])
    np.testing.assert_allclose(alpha.reshape(4, 8), np.tile((offset - 0.05) / 0.9, (4, 1)), atol=1e-6)


def by_the_formula(image: Image, planes: Alpha, side: int) -> tuple[Exact, Exact, Exact]:
    """Of every pixel of the grid, in float64: alpha, the subject's colour, and the image's."""
    rows, columns = planes.shape[1:]
    where = [np.clip((np.arange(count * side) + 0.5) / side - 0.5, 0, max(0, count - 1)) for count in (rows, columns)]
    floor = [np.minimum(at.astype(int), max(0, count - 2)) for at, count in zip(where, (rows, columns), strict=True)]
    v, u = (where[0] - floor[0])[:, None], where[1] - floor[1]
    y, x = np.minimum(floor[0] + 1, rows - 1), np.minimum(floor[1] + 1, columns - 1)
    wide = planes.astype(np.float64)
    top = wide[:, floor[0]][:, :, floor[1]] * (1 - u) + wide[:, floor[0]][:, :, x] * u
    bottom = wide[:, y][:, :, floor[1]] * (1 - u) + wide[:, y][:, :, x] * u
    near = top * (1 - v) + bottom * v
    padding = (0, rows * side - image.shape[0]), (0, columns * side - image.shape[1]), (0, 0)
    pixel = np.pad(image, padding, mode="edge").transpose(2, 0, 1) / 255
    value = (near[3] + (near[:3] * pixel).sum(axis=0) - 0.05) / 0.9
    value = np.maximum(np.minimum(value, 2 * (near[4] - 0.01)), 1 - 2 * (0.99 - near[4])).clip(0, 1)
    colour = near[5:8] + value * (pixel - near[8:] - value * (near[5:8] - near[8:]))
    return value, np.rint(colour.clip(0, 1) * 255).transpose(1, 2, 0), pixel.transpose(1, 2, 0) * 255


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.tuples(st.integers(1, 8), st.integers(1, 140)),
    side=st.integers(1, 7),
    missing=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    share=st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]),
)
def test_any_cells_get_what_the_formula_says(
    seed: int, grid: tuple[int, int], side: int, missing: tuple[int, int], share: float
) -> None:
    random = np.random.default_rng(seed)
    height, width = (max(1, count * side - less) for count, less in zip(grid, missing, strict=True))
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    planes = random.normal(0.3, 0.4, (PLANE_COUNT, *grid)).astype(np.float32)
    planes[4:] = planes[4:].clip(0, 1)
    chosen = random.random(grid) < share
    image.flags.writeable = False
    alpha, colours = run(image, planes, chosen, side)
    exact, subject, frame = by_the_formula(image, planes, side)
    pixels = np.repeat(np.repeat(chosen, side, axis=0), side, axis=1)
    np.testing.assert_allclose(alpha, exact[pixels], atol=1e-5)
    mixed = ((alpha > 0) & (alpha < 1))[:, None]
    assert np.abs(colours - np.where(mixed, subject[pixels], frame[pixels])).max(initial=0) <= 1
