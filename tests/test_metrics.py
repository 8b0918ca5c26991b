"""Counters and timings of a run."""

from __future__ import annotations

from rtsod.frames import Frame, Mask, MaskedFrame
from rtsod.metrics import Metrics, Stage
from tests.support.fakes import Ticks, picture, right_half


def test_spans_are_kept_only_on_request_and_up_to_the_limit() -> None:
    silent, traced = Metrics(Ticks()), Metrics(Ticks(), trace=3)
    for metrics in (silent, traced):
        for index in range(5):
            with metrics.stage(Stage.INFER, index):
                pass
    assert silent.spans() == []
    assert [span.frame for span in traced.spans()] == [2, 3, 4]


def test_the_rate_counts_the_intervals_between_frames() -> None:
    clock = Ticks()
    metrics = Metrics(clock)
    metrics.captured()
    shown = MaskedFrame(Frame(picture(), 0, 0.0), Mask(right_half(64), 0, 0.0))
    clock.now = 5.0  # the first frame waits for the network
    for _ in range(4):
        metrics.composited(shown, 0.0)
        clock.now += 0.5
    numbers = metrics.snapshot()
    assert numbers["output_fps"] == 2.0
    assert numbers["seconds"] == 6.5
