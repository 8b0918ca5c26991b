"""Optical flow: what is estimated, how it is composed, and warping along it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rtsod.frames import Image
from rtsod.motion.flow import (
    HEIGHT,
    WIDTH,
    ComposedFlow,
    Flow,
    FlowEstimator,
    downscale_alpha,
    downscale_frame,
    warp,
)


def texture(seed: int, width: int = 480, height: int = 360) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX), np.uint8)  # type: ignore[call-overload]


def uniform(x: float, y: float) -> Flow:
    """The same displacement everywhere."""
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[...] = (x, y)
    return flow


@pytest.mark.parametrize("shift", [(0, 0), (6, -3), (-4, 8)])
def test_backward_flow_finds_a_shift_and_composes_with_its_inverse_to_nothing(shift: tuple[int, int]) -> None:
    x, y = shift
    old = texture(3)
    new = np.roll(old, (y, x), axis=(0, 1))
    flow = FlowEstimator().backward(downscale_frame(new), downscale_frame(old))
    expected = (-x * WIDTH / old.shape[1], -y * HEIGHT / old.shape[0])
    assert np.median(flow[20:-20, 20:-20], axis=(0, 1)) == pytest.approx(expected, abs=0.15)
    there_and_back = ComposedFlow.from_step(uniform(-expected[0], -expected[1])).extend(flow)
    assert np.median(np.abs(there_and_back.flow)) < 0.15
    assert np.median(there_and_back.max_step_px) == pytest.approx(np.hypot(*expected), abs=0.15)


def test_warping_works_at_any_size() -> None:
    ramp = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (50, 1))
    flow = uniform(WIDTH / 10, 0)
    assert warp(ramp, flow)[25, 100] == pytest.approx(ramp[25, 120], abs=0.01)
    assert warp(ramp, flow)[25, 195] == 1, "beyond the edge the edge is repeated"


def test_warping_keeps_shape_and_type() -> None:
    flow = uniform(0.5, 0)
    for picture in (np.zeros((30, 40, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)):
        assert warp(picture, flow).shape == picture.shape
        assert warp(picture, flow).dtype == picture.dtype


def test_composition_takes_the_newest_step_first() -> None:
    """A step to the right, on top of an older flow that differs from column to column."""
    older = uniform(0, 0)
    older[..., 0] = np.arange(WIDTH, dtype=np.float32) / 10
    composed = ComposedFlow.from_step(older).extend(uniform(10, 0))
    assert composed.flow[50, 60, 0] == pytest.approx(10 + older[50, 70, 0], abs=1e-4)
    assert composed.max_step_px[50, 20] == pytest.approx(10, abs=1e-4)
    assert composed.max_step_px[50, 140] == pytest.approx(older[50, 150, 0], abs=1e-4)


def test_downscaling_gives_one_size_whatever_the_shape() -> None:
    for shape in ((720, 1280, 3), (240, 320, 3), (90, 33, 3)):
        small = downscale_frame(np.full(shape, (10, 20, 30), np.uint8))
        assert small.colour.shape == (HEIGHT, WIDTH, 3)
        assert small.grey.shape == (HEIGHT, WIDTH)
        assert (small.colour == (10, 20, 30)).all()
    assert downscale_alpha(np.full((320, 320), 0.25, np.float32)).shape == (HEIGHT, WIDTH)
    assert (downscale_alpha(np.full((320, 320), 0.25, np.float32)) == 0.25).all()
