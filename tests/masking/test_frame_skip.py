"""Which frames get a mask of their own."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Frame, Image, Mask, MaskedFrame
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.frame_skip import MAX_STATIC_SECONDS, FrameSkipPolicy
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics, Work
from tests.support.fakes import FakeEngine, right_half

SCENE: Image = np.full((240, 320, 3), 90, np.uint8)


class Masker(WholeFrame):
    """Wants a mask for one frame in ``mask_interval``."""

    mask_interval = 1


def policy(
    *, metrics: Metrics | None = None, max_mask_age: float = 2.0, planned: int = 1, wanted: int = 1, live: bool = True
) -> FrameSkipPolicy:
    metrics = metrics or Metrics()
    masker = Masker(FakeEngine(), metrics)
    masker.mask_interval = wanted
    plan = MaskPlan((Rung(64),), max_mask_age=max_mask_age, sync="tracked", mask_interval=planned)
    return FrameSkipPolicy(plan, masker, metrics, live=live)


def frame(index: int, image: Image = SCENE, noise: int = 0) -> Frame:
    rough = np.random.default_rng(index).integers(-noise, noise + 1, image.shape)
    return Frame(np.clip(image + rough, 0, 255).astype(np.uint8), index, index / 30)


def masked(first: Frame) -> MaskedFrame:
    return MaskedFrame(first, Mask(right_half(64), first.index, first.captured_at))


def test_a_static_picture_is_skipped_for_a_while() -> None:
    metrics = Metrics()
    skipping, newest = policy(metrics=metrics), masked(frame(0, noise=3))
    due = [skipping.is_due(newest, frame(index, noise=3)) for index in range(1, 30)]
    skipped = round(MAX_STATIC_SECONDS * 30) - 1
    assert due == [False] * skipped + [True] * (29 - skipped)
    assert metrics.snapshot()["work"] == {Work.STATIC: skipped}


def test_a_moving_finger_is_not_static() -> None:
    moved = SCENE.copy()
    moved[100:120, 100:104] = 200
    assert policy().is_due(masked(frame(0)), frame(1, moved))


def test_slow_motion_adds_up() -> None:
    """Each frame is compared with the one that has the mask, not with the previous frame."""
    skipping, newest = policy(), masked(frame(0))
    due = []
    for index in range(1, 10):
        brighter = SCENE.copy()
        brighter[100:160, 100:160] += np.uint8(index)
        due.append(skipping.is_due(newest, frame(index, brighter)))
    assert due[:2] == [False, False]
    assert all(due[2:])


def test_a_mask_never_gets_older_than_half_the_limit() -> None:
    skipping, newest = policy(max_mask_age=0.2), masked(frame(0))
    assert not skipping.is_due(newest, frame(2))
    assert skipping.is_due(newest, frame(3))


def test_a_picture_of_another_size_is_not_static() -> None:
    assert policy().is_due(masked(frame(0)), frame(1, SCENE[:120]))


@pytest.mark.parametrize(("planned", "wanted"), [(1, 1), (1, 2), (2, 1), (1, 4), (4, 2), (2, 4)])
@pytest.mark.parametrize("live", [True, False])
def test_the_longer_mask_interval_counts(planned: int, wanted: int, live: bool) -> None:
    metrics = Metrics()
    skipping, newest = policy(metrics=metrics, planned=planned, wanted=wanted, live=live), masked(frame(0))
    moving = [frame(index, SCENE + np.uint8(40 * index)) for index in range(1, 5)]
    assert [skipping.is_due(newest, later) for later in moving] == [
        index >= max(planned, wanted) for index in range(1, 5)
    ]
    assert not metrics.snapshot()["work"]


def test_a_file_is_never_skipped_for_being_static() -> None:
    assert policy(live=False).is_due(masked(frame(0)), frame(1))
