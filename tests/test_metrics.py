"""Counting and timing."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Frame, Mask, MaskedFrame
from rtsod.metrics import Drop, Metrics, Stage
from tests.support.fakes import Ticks


def test_a_stage_that_fails_is_timed_too() -> None:
    clock = Ticks()
    metrics = Metrics(clock, trace=10)

    def fail() -> None:
        with metrics.stage(Stage.INFER, 7):
            clock.now += 0.25
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert metrics.snapshot()["stage_ms"] == {"infer": 250.0}
    assert [(span.stage, span.frame, span.started, span.ended) for span in metrics.spans()] == [
        (Stage.INFER, 7, 0.0, 0.25)
    ]


def test_frames_before_the_first_picture_came_while_the_run_started() -> None:
    metrics = Metrics(Ticks())
    for _ in range(9):
        metrics.captured()
    metrics.missed(2)
    metrics.dropped(Drop.NO_MASK, 3)
    metrics.dropped(Drop.PAUSED)
    assert metrics.snapshot()["starting"] == 0, "there is no picture yet, and so no start"
    frame = Frame(np.zeros((2, 2, 3), np.uint8), 4, 0.0)
    for _ in range(2):
        metrics.composited(MaskedFrame(frame, Mask(np.ones((2, 2), np.float32), 4, 0.0)), 0.0)
        metrics.dropped(Drop.BEFORE_COMPOSITING)
        metrics.missed(1)
    assert metrics.snapshot()["starting"] == 5
