"""Which frames do without a mask of their own."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Frame, Image, Mask, MaskedFrame
from rtsod.masking.frame_skip import STILL_SECONDS, FrameSkipPolicy
from rtsod.metrics import Metrics, Work
from tests.support.fakes import right_half

SCENE: Image = np.full((240, 320, 3), 90, np.uint8)


def frame(index: int, image: Image = SCENE, noise: int = 0) -> Frame:
    rough = np.random.default_rng(index).integers(-noise, noise + 1, image.shape)
    return Frame(np.clip(image + rough, 0, 255).astype(np.uint8), index, index / 30)


def masked(first: Frame) -> MaskedFrame:
    return MaskedFrame(first, Mask(right_half(64), first.index, first.captured_at))


def test_a_still_picture_is_spared_for_a_while() -> None:
    metrics = Metrics()
    sparing, newest = FrameSkipPolicy(metrics, max_mask_age=2.0), masked(frame(0, noise=3))
    spared = [sparing(newest, frame(index, noise=3)) for index in range(1, 30)]
    kept = round(STILL_SECONDS * 30) - 1
    assert spared == [True] * kept + [False] * (29 - kept)
    assert metrics.snapshot()["work"] == {Work.STILL: kept}


def test_a_moving_finger_is_not_still() -> None:
    moved = SCENE.copy()
    moved[100:120, 100:104] = 200
    assert not FrameSkipPolicy(Metrics(), 2.0)(masked(frame(0)), frame(1, moved))


def test_slow_motion_adds_up() -> None:
    """Each frame is held against the one with the mask, not against its neighbour."""
    sparing, newest = FrameSkipPolicy(Metrics(), 2.0), masked(frame(0))
    spared = []
    for index in range(1, 10):
        brighter = SCENE.copy()
        brighter[100:160, 100:160] += np.uint8(index)
        spared.append(sparing(newest, frame(index, brighter)))
    assert spared[:2] == [True, True]
    assert not any(spared[2:])


def test_a_mask_never_gets_older_than_half_of_what_is_allowed() -> None:
    sparing, newest = FrameSkipPolicy(Metrics(), max_mask_age=0.2), masked(frame(0))
    assert sparing(newest, frame(2))
    assert not sparing(newest, frame(3))


def test_another_size_is_another_picture() -> None:
    assert not FrameSkipPolicy(Metrics(), 2.0)(masked(frame(0)), frame(1, SCENE[:120]))


@pytest.mark.parametrize("mask_interval", [1, 2, 4])
def test_the_masker_may_ask_for_fewer_frames(mask_interval: int) -> None:
    metrics = Metrics()
    sparing, newest = FrameSkipPolicy(metrics, 2.0, lambda: mask_interval), masked(frame(0))
    bright = [frame(index, SCENE + np.uint8(40 * index)) for index in range(1, 5)]
    assert [sparing(newest, later) for later in bright] == [index < mask_interval for index in range(1, 5)]
    assert not metrics.snapshot()["work"]
