"""Counting and timing."""

from __future__ import annotations

import pytest

from rtsod.metrics import Metrics, Stage
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
