"""The measures of matting: 0 for the exact alpha, larger for larger errors, and as their papers define them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmarks.support.fringe import fringe
from rtsod.drawing.scene import DrawnScene
from rtsod.evaluation.matting import MattingErrors, connectivity_error, dtssd, gradient_error, mad, mse
from rtsod.frames import Alpha

ALPHAS = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda size: st.tuples(
        *[arrays.arrays(np.float32, size, elements=st.sampled_from([0, 0.05, 0.1, 0.3, 0.44, 0.5, 0.9, 1]))] * 2
    )
)
"""An alpha and the exact one, with values on the connectivity error's thresholds among them."""


def _region(pixels: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """The largest 4-connected region, the first of several in reading order."""
    largest: set[tuple[int, int]] = set()
    for start in sorted(pixels):
        region, border = {start}, [start]
        while border:
            y, x = border.pop()
            new = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & pixels - region
            region |= new
            border.extend(new)
        if len(region) > len(largest):
            largest = region
    return largest


def _connectivity(alpha: Alpha, exact: Alpha) -> float:
    """Rhemann's definition: a pixel is connected at a level if it is in the source at this and all lower thresholds."""
    everywhere = set(np.ndindex(*alpha.shape))
    levels = dict.fromkeys(everywhere, 0.0)
    connected = everywhere
    for step in range(1, 11):
        threshold = np.float32(step / 10)
        source = _region({p for p in everywhere if alpha[p] >= threshold and exact[p] >= threshold})
        connected = connected & source
        levels |= dict.fromkeys(connected, step / 10)

    def degree(alpha: Alpha, pixel: tuple[int, ...]) -> float:
        above = alpha[pixel] - np.float32(levels[pixel])
        return 1 - float(above) if above >= np.float32(0.15) else 1.0

    return sum((abs(degree(alpha, p) - degree(exact, p)) for p in everywhere), 0.0) / 1e3


@given(ALPHAS)
def test_the_connectivity_error_follows_its_definition(pair: tuple[Alpha, Alpha]) -> None:
    assert connectivity_error(*pair) == pytest.approx(_connectivity(*pair), abs=1e-8)


@given(ALPHAS)
def test_the_errors_are_symmetric_not_negative_and_0_for_the_exact_alpha(pair: tuple[Alpha, Alpha]) -> None:
    one, other = pair
    errors = MattingErrors.of(one, other)
    assert errors == MattingErrors.of(other, one)
    assert min(errors.mad, errors.mse, errors.gradient, errors.connectivity) >= 0
    assert MattingErrors.of(one, one) == MattingErrors(0, 0, 0, 0)


def test_the_mean_errors_are_in_thousandths() -> None:
    alpha, exact = np.array([[0.5, 1], [0, 0.25]], np.float32), np.array([[1, 1], [0, 0.5]], np.float32)
    assert mad(alpha, exact) == pytest.approx((0.5 + 0.25) / 4 * 1e3)
    assert mse(alpha, exact) == pytest.approx((0.25 + 0.0625) / 4 * 1e3)
    assert dtssd(alpha, exact, exact, alpha) == pytest.approx(np.sqrt((1 + 0.25) / 4) * 1e2)


def test_a_cut_costs_connectivity_and_what_it_detaches_does_not() -> None:
    exact = np.zeros((9, 20), np.float32)
    exact[2:7, 2:18] = 1
    cut = exact.copy()
    cut[:, 12] = 0  # what is right of it is wholly there in both alphas, though not connected
    assert connectivity_error(cut, exact) == pytest.approx(5 / 1e3)


def test_the_errors_are_0_for_the_exact_alpha_and_grow_with_the_blur() -> None:
    _, exact = DrawnScene(640, 360).render(0)
    _, before = DrawnScene(640, 360).render(-3)
    off = np.asarray(cv2.GaussianBlur(exact, (0, 0), 2), np.float32)
    worse = np.asarray(cv2.GaussianBlur(exact, (0, 0), 5), np.float32)
    for measure in (mad, mse, gradient_error, connectivity_error):
        assert measure(exact, exact) == 0
        assert 0 < measure(off, exact) < measure(worse, exact)
    assert dtssd(exact, before, exact, before) == 0
    assert dtssd(exact, exact, exact, before) > 0
    picture = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    assert fringe(picture, picture, exact) == 0


def _gradient(alpha: Alpha) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The magnitude of the Gaussian derivative with sigma 1.4, cut off at 3 sigma; beyond the border, pixels repeat."""
    offsets = np.arange(-5, 6)
    g = np.exp(-(offsets**2) / (2 * 1.4**2))
    derivative = np.outer(g, -offsets * g)  # down the rows, along the columns
    derivative /= np.sqrt((derivative**2).sum())
    padded = np.pad(alpha.astype(np.float64), 5, mode="edge")
    magnitude = np.zeros(alpha.shape)
    for y, x in np.ndindex(*alpha.shape):
        window = padded[y : y + 11, x : x + 11]
        magnitude[y, x] = np.hypot((window * derivative).sum(), (window * derivative.T).sum())
    return magnitude


def test_the_gradient_error_follows_its_definition() -> None:
    random = np.random.default_rng(5)
    alpha, exact = random.random((13, 17), np.float32), random.random((13, 17), np.float32)
    expected = ((_gradient(alpha) - _gradient(exact)) ** 2).sum() / 1e3
    assert gradient_error(alpha, exact) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_error_of_a_straight_step_follows_its_definition() -> None:
    step = np.zeros((64, 64), np.float32)
    step[:, 32:] = 1
    # Normalised to unit energy, the derivative kernel's response to a step is g(x) over the norm of g(x) g'(y).
    x = np.arange(-5, 6)
    g = np.exp(-(x**2) / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi))
    d = -x * g / 1.4**2
    norm = np.sqrt((np.outer(g, d) ** 2).sum())
    response = np.convolve(np.r_[np.zeros(32), np.ones(32)], d / norm)[5:-5] * g.sum()
    energy = float((response[8:-8] ** 2).sum()) * 64 / 1e3
    assert gradient_error(np.zeros_like(step), step) == pytest.approx(energy, rel=1e-3)
