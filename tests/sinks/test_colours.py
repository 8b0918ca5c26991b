"""The conversion of pictures for an encoder, against the formulas of ITU-R BT.709 in double precision."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.sinks import colours


def _encoder(width: int, height: int) -> VideoCodecContext:
    encoder = VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 30)
    return encoder


def _expected(image: Image) -> NDArray[np.float64]:
    """Y, Cb and Cr of the mean of each 2x2 pixels, and Y of every pixel, stacked like I420."""
    height, width = image.shape[:2]
    rgb = image[..., ::-1].astype(float) / 255
    luma = rgb @ [0.2126, 0.7152, 0.0722]
    mean = rgb.reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    mean_luma = mean @ [0.2126, 0.7152, 0.0722]
    cb, cr = (mean[..., 2] - mean_luma) / 1.8556, (mean[..., 0] - mean_luma) / 1.5748
    parts = (16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr)
    return np.concatenate([part.ravel() for part in parts])


@settings(max_examples=30)
@given(st.integers(1, 45), st.integers(1, 25), st.integers(0, 2**32 - 1))
def test_every_sample_is_rounded_from_the_exact_one(half_width: int, half_height: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (2 * half_height, 2 * half_width, 3)).astype(np.uint8)
    frame = colours.EncoderInput().frame(image, "bgr24", _encoder(2 * half_width, 2 * half_height))
    assert np.abs(frame.to_ndarray().ravel() - _expected(image)).max() <= 0.52


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_grey_has_no_colour(level: int) -> None:
    frame = colours.EncoderInput().frame(np.full((16, 16, 3), level, np.uint8), "bgr24", _encoder(16, 16))
    assert set(frame.to_ndarray()[16:].ravel()) == {128}


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 255, 0), (255, 0, 255)])
def test_saturated_colours_stay_in_range(colour: tuple[int, int, int]) -> None:
    image = np.full((16, 16, 3), colour, np.uint8)
    frame = colours.EncoderInput().frame(image, "bgr24", _encoder(16, 16))
    assert np.abs(frame.to_ndarray().ravel() - _expected(image)).max() <= 0.52
