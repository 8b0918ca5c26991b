"""The compiled kernel: its formula in Python, and its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Alpha, Image
from rtsod.refine.kernel import PLANE_COUNT, refine_cells

GREY = 100 / 255


def refined(planes: dict[int, float], *, level: int = 100, scale: int = 4) -> tuple[Alpha, Image]:
    """Alpha and colours of one grey cell whose planes are constant; the planes not given are 0."""
    image = np.full((scale, scale, 3), level, np.uint8)
    values = np.zeros((PLANE_COUNT, 1, 1), np.float32)
    for plane, value in planes.items():
        values[plane] = value
    alpha = np.full((scale, scale), -1, np.float32)
    refine_cells(image, values, np.zeros(1, np.int64), np.zeros(1, np.int64), scale, alpha)
    return alpha, image


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


def test_other_cells_are_not_touched() -> None:
    image, alpha = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8), -1, np.float32)
    planes = np.full((PLANE_COUNT, 2, 2), 0.5, np.float32)
    refine_cells(image, planes, np.array([1]), np.array([0]), 4, alpha)
    inside = np.zeros((8, 8), np.bool_)
    inside[4:, :4] = True
    assert (alpha[inside] >= 0).all()
    assert (alpha[~inside] == -1).all()
    assert (image[~inside] == 100).all()


def test_planes_are_interpolated_between_the_centres_of_the_cells() -> None:
    alpha = np.zeros((4, 8), np.float32)
    planes = np.zeros((PLANE_COUNT, 1, 2), np.float32)
    planes[3, 0], planes[4] = (0.2, 0.6), 0.5
    refine_cells(np.zeros((4, 8, 3), np.uint8), planes, np.zeros(2, np.int64), np.array([0, 1]), 4, alpha)
    offset = np.interp((np.arange(8) + 0.5) / 4 - 0.5, [0, 1], [0.2, 0.6])
    np.testing.assert_allclose(alpha, np.tile((offset - 0.05) / 0.9, (4, 1)), atol=1e-6)
