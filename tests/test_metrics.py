"""Counting and timing."""

from __future__ import annotations

import threading
from typing import Any

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


def test_counts_are_those_of_the_snapshot() -> None:
    clock = Ticks()
    metrics = Metrics(clock)
    for index in range(5):
        metrics.captured()
        frame = Frame(np.zeros((2, 2, 3), np.uint8), index, clock.now)
        clock.now += 0.1
        if index < 3:
            metrics.composited(MaskedFrame(frame, Mask(np.ones((2, 2), np.float32), index, frame.captured_at)), 0.0)
    metrics.dropped(Drop.UNTRACKED)
    metrics.dropped(Drop.BEFORE_INFERENCE)
    counts, numbers = metrics.counts(), metrics.snapshot()
    assert (counts.captured, counts.done, counts.held) == (5, 5, 1)
    assert counts.output_fps == numbers["output_fps"] == 10.0


def test_nobody_waits_while_percentiles_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics, compute = Metrics(Ticks()), np.percentile
    frame = Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0)
    metrics.composited(MaskedFrame(frame, Mask(np.ones((2, 2), np.float32), 0, 0.0)), 0.0)
    counted: list[bool] = []

    def percentile(*arguments: Any) -> Any:
        counting = threading.Thread(target=metrics.captured, daemon=True)
        counting.start()
        counting.join(10)
        counted.append(not counting.is_alive())
        return compute(*arguments)

    monkeypatch.setattr(np, "percentile", percentile)
    assert metrics.snapshot()["latency_ms"] is not None
    assert counted == [True, True]
