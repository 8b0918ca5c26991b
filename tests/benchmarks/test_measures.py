"""Measures on sequences of masks: exact values where they can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.support.measures import STATIC_FRAMES, dtssd, flicker, lag, static_parts
from rtsod.imaging.iou import iou


def square(left: int, size: int = 20) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    mask = np.zeros((40, 40), np.float32)
    mask[10 : 10 + size, left : left + size] = 1
    return mask


def test_iou_counts_pixels_above_one_half() -> None:
    assert iou(square(0), square(10)) == pytest.approx(200 / 600)
    assert iou(square(0), square(0) * np.float32(0.6)) == 1
    assert iou(square(0), square(20)) == 0
    assert iou(square(0) * 0, square(0) * np.float32(0.5)) == 1, "both are empty"


def test_static_parts_are_those_that_looked_alike_for_five_frames() -> None:
    images = [np.full((240, 320, 3), 100, np.uint8) for _ in range(12)]
    for index, image in enumerate(images):
        image[:, 240:] = 255 * (index % 2)
    static = static_parts(images, 40)
    assert not static[:STATIC_FRAMES].any()
    assert static[STATIC_FRAMES:, :, :20].all()
    assert not static[:, :, 32:].any()


def test_flicker_is_the_mean_change_on_static_parts_in_levels() -> None:
    maps = np.stack([square(0) * np.float32(0.5), square(0) * np.float32(0.6)])
    static = np.zeros((2, 40, 40), np.bool_)
    assert flicker(maps, static) == 0
    static[1, 10:30, 0:20] = True
    assert flicker(maps, static) == pytest.approx(25.5, rel=1e-5)


def test_dtssd_is_0_for_the_same_changes_and_the_root_mean_square_of_others() -> None:
    truth = np.stack([square(0), square(5)])
    assert dtssd(truth, truth) == 0
    late = np.stack([square(0), square(0)])
    assert dtssd(late, truth) == pytest.approx(np.sqrt(200 / 1600) * 100)


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_lag_finds_the_delay(delay: int) -> None:
    truth = np.stack([square(index) for index in range(20)])
    shown = np.stack([square(max(0, index - delay)) for index in range(20)])
    assert lag(shown, truth) == delay
