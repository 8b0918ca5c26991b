"""Recordings of live input: their own thread, their queue, and what happens when it is full or fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rtsod.config import OutputConfig
from rtsod.errors import OutputError
from rtsod.frames import Composited
from rtsod.metrics import Event
from rtsod.sinks import QueuedSink, VideoFileSink, open_sinks
from rtsod.sinks.queued import MAX_WAITING
from tests.support.sink_fixtures import composited, info, read_recording

PATIENCE = 0.016


class _Gated:
    """A sink that takes a picture whenever the test lets it."""

    live = False
    name = "gated"

    def __init__(self, fail_at: int | None = None) -> None:
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.seen: list[int] = []
        self.closed = 0
        self._fail_at = fail_at

    def write(self, picture: Composited) -> None:
        self.entered.release()
        self.gate.acquire()
        if picture.index == self._fail_at:
            raise OutputError("the disk is full")
        self.seen.append(picture.index)

    def close(self) -> None:
        self.closed += 1


class _Waits:
    """Waits that end at once, as if the time had passed; counts those that found no room."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []

    def __call__(self, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        if not ready():
            self.timeouts.append(timeout)
        return ready()


@contextmanager
def _opened(sink: _Gated, waits: _Waits, events: list[Event]) -> Iterator[QueuedSink]:
    queued = QueuedSink(sink, patience=PATIENCE, on_event=events.append, wait=waits)
    try:
        yield queued
    finally:
        sink.gate.release(1000)
        queued.close()


def test_writing_does_not_wait_for_the_sink_and_closing_does() -> None:
    sink, waits, events = _Gated(), _Waits(), list[Event]()
    with _opened(sink, waits, events) as queued:
        for index in range(MAX_WAITING):
            queued.write(composited(index))
        assert sink.seen == []
    assert sink.seen == list(range(MAX_WAITING))
    assert (sink.closed, waits.timeouts, events) == (1, [], [])


def test_when_the_queue_is_full_it_waits_a_little_then_misses_pictures_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink, waits, events = _Gated(), _Waits(), list[Event]()
    with _opened(sink, waits, events) as queued:
        queued.write(composited(0))
        sink.entered.acquire()  # it is inside the sink, and the queue is empty
        for index in range(1, MAX_WAITING + 4):
            queued.write(composited(index))
        assert events == [Event.OUTPUT_BEHIND] * 3
        assert waits.timeouts == [PATIENCE] * 3
        sink.gate.release()
        sink.entered.acquire()  # there is room for one more
        queued.write(composited(50))
    assert sink.seen == [*range(MAX_WAITING + 1), 50]
    assert len([record for record in caplog.records if "some are missing" in record.message]) == 1


def test_large_pictures_fill_it_sooner() -> None:
    sink, waits, events = _Gated(), _Waits(), list[Event]()
    large = composited(image=np.zeros((2160, 3840, 3), np.uint8), alpha=np.zeros((2160, 3840), np.float32))
    with _opened(sink, waits, events) as queued:
        queued.write(large)
        sink.entered.acquire()
        for _ in range(3):
            queued.write(large)
        assert events == [Event.OUTPUT_BEHIND]


def test_an_error_ends_it_at_the_next_write() -> None:
    sink, waits, events = _Gated(fail_at=1), _Waits(), list[Event]()
    with _opened(sink, waits, events) as queued:
        for index in range(3):
            queued.write(composited(index))
        sink.gate.release(2)
        assert queued._thread is not None
        queued._thread.join()
        for _ in range(2):
            with pytest.raises(OutputError, match="disk is full"):
                queued.write(composited(3))
    assert (sink.seen, sink.closed) == ([0], 1)  # and closing has not raised again


def test_an_error_after_the_last_write_is_raised_by_close() -> None:
    sink = _Gated(fail_at=1)
    queued = QueuedSink(sink, patience=PATIENCE)
    for index in range(2):
        queued.write(composited(index))
    sink.gate.release(2)
    with pytest.raises(OutputError, match="disk is full"):
        queued.close()
    queued.close()
    assert (sink.seen, sink.closed) == ([0], 1)


def test_nothing_is_taken_after_closing() -> None:
    queued = QueuedSink(_Gated(), patience=PATIENCE)
    queued.close()
    with pytest.raises(OutputError, match="already closed"):
        queued.write(composited())


def test_live_input_is_recorded_with_every_picture_in_order(tmp_path: Path) -> None:
    paths = (tmp_path / "film.mp4", tmp_path / "film.mov")
    sinks = open_sinks(OutputConfig(outputs=paths, preview=False), info(live=True), transparent=False)
    for index in range(MAX_WAITING):
        for sink in sinks:
            sink.write(composited(index))
    for sink in sinks:
        sink.close()
    for path in paths:
        times = [float(time) for time in read_recording(path).times]
        assert times == pytest.approx([index / 30 for index in range(MAX_WAITING)], abs=1e-4)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_live_input_of_unknown_rate_is_recorded_with_its_own_times(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film.{suffix}"
    (sink,) = open_sinks(OutputConfig(outputs=(path,), preview=False), info(live=True, fps=None), transparent=False)
    captured = [10.0, 10.04, 10.2, 10.25, 11.0]
    for index, time in enumerate(captured):
        sink.write(composited(index, captured_at=time))
    sink.close()
    recording = read_recording(path)
    assert [float(time) for time in recording.times] == pytest.approx([time - 10 for time in captured], abs=2e-3)
    assert 1.0 < recording.seconds < 2.0


def test_files_are_written_at_once(tmp_path: Path) -> None:
    config = OutputConfig(outputs=(tmp_path / "film.mp4",), preview=False)
    (sink,) = open_sinks(config, info(live=False, fps=Fraction(30)), transparent=False)
    assert isinstance(sink, VideoFileSink)
