"""The measures of matting: 0 for the exact alpha, larger for larger errors, and as their papers define them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.support.fringe import fringe
from rtsod.drawing.scene import DrawnScene
from rtsod.evaluation.matting import dtssd, gradient_error, mad


def test_the_errors_are_0_for_the_exact_alpha_and_grow_with_the_blur() -> None:
    _, exact = DrawnScene(640, 360).render(0)
    _, before = DrawnScene(640, 360).render(-3)
    off = np.asarray(cv2.GaussianBlur(exact, (0, 0), 2), np.float32)
    worse = np.asarray(cv2.GaussianBlur(exact, (0, 0), 5), np.float32)
    for measure in (mad, gradient_error):
        assert measure(exact, exact) == 0
        assert 0 < measure(off, exact) < measure(worse, exact)
    assert dtssd(exact, before, exact, before) == 0
    assert dtssd(exact, exact, exact, before) > 0
    picture = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    assert fringe(picture, picture, exact) == 0


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
