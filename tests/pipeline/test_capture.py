"""The thread that reads the source: its limits, its errors, and how it stops."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from rtsod.errors import SourceError
from rtsod.frames import Frame
from rtsod.metrics import Metrics
from rtsod.pipeline.capture import CaptureThread
from rtsod.pipeline.ledger import FrameLedger
from rtsod.pipeline.mask_sync import Decision
from rtsod.pipeline.ring import Closed, OnFull, Ring
from rtsod.pipeline.router import FrameRouter, InferenceRequest
from tests.support.fakes import FakeSource, Ticks


class Rig:
    def __init__(self, source: FakeSource, *, capacity: int = 100, **limits: Any) -> None:
        self.metrics = Metrics(Ticks())
        self.ledger = FrameLedger(self.metrics, capacity + 1)
        self.to_infer: Ring[InferenceRequest] = Ring(capacity, OnFull.WAIT)
        to_show: Ring[Decision | Frame] = Ring(1, OnFull.WAIT)
        router = FrameRouter(self.to_infer, to_show, self.ledger, straight=False)
        limits = {"max_frames": None, "duration": None, **limits}
        self.capture = CaptureThread(source, router, self.ledger, self.metrics, **limits)

    def read_all(self) -> list[int]:
        return [frame.index for frame in self.frames()]

    def frames(self) -> list[Frame]:
        self.capture.start()
        assert self.capture.join(10)
        frames: list[Frame] = []
        while True:
            try:
                request = self.to_infer.get(0)
            except Closed:
                return frames
            assert request is not None
            frames.append(request.frame)


@pytest.mark.parametrize(
    ("limits", "count"), [({}, 20), ({"max_frames": 7}, 7), ({"duration": 0.5}, 15), ({"duration": 0.01}, 1)]
)
def test_it_reads_to_the_end_or_to_its_limit(limits: dict[str, Any], count: int) -> None:
    rig = Rig(FakeSource(20), **limits)
    assert rig.read_all() == list(range(count))
    assert rig.capture.error is None
    assert rig.capture.began_at == 0.0
    assert rig.metrics.snapshot()["captured"] == count


def test_a_failing_source_ends_the_input_and_its_error_is_kept() -> None:
    error = SourceError("unplugged")
    rig = Rig(FakeSource(3, then=error))
    assert rig.read_all() == [0, 1, 2], "what came before the error is still processed"
    assert rig.capture.error is error


def test_frames_that_could_not_be_decoded_are_counted() -> None:
    source = FakeSource(3)
    source.skipped = 5
    rig = Rig(source)
    rig.read_all()
    assert rig.metrics.snapshot()["unreadable"] == 5


def test_stopping_ends_a_blocked_read() -> None:
    source = FakeSource(0, block=True)
    rig = Rig(source)
    rig.capture.start()
    assert source.blocked.wait(10)
    rig.capture.stop()
    assert rig.capture.join(10)
    assert rig.capture.error is None
    assert rig.capture.began_at is None


def test_stopping_counts_the_frames_in_the_ring_and_the_one_in_hand() -> None:
    fourth_read = threading.Event()
    rig = Rig(FakeSource(100, before=lambda index: fourth_read.set() if index == 3 else None), capacity=3)
    rig.capture.start()
    assert fourth_read.wait(10)
    rig.capture.stop()
    assert rig.capture.join(10)
    assert rig.capture.error is None
    rig.ledger.close()
    numbers = rig.metrics.snapshot()
    assert numbers["captured"] == 4
    assert numbers["dropped"] == {"stopped": 4}


def test_time_stamps_not_the_clock_decide_when_the_duration_is_over() -> None:
    rig = Rig(FakeSource(100), duration=float(Fraction(1, 3)))
    assert rig.read_all() == list(range(10))


class _Screen(FakeSource):
    """A recording whose last picture, from 1/30 s on, stands for 4 s."""

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None or frame.index == 0:
            return frame
        return replace(frame, duration=Fraction(4), is_last=True)


@pytest.mark.parametrize(
    ("seconds", "shown", "is_last"),
    [(None, Fraction(4), True), (10.0, Fraction(4), True), (1.0, Fraction(29, 30), False)],
)
def test_a_picture_is_not_shown_beyond_the_duration(seconds: float | None, shown: Fraction, is_last: bool) -> None:
    last = Rig(_Screen(2), duration=seconds).frames()[-1]
    assert last.duration == pytest.approx(shown)
    assert last.is_last is is_last
