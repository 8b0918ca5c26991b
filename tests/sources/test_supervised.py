"""A source that outlives its camera: every fault, against cameras that are scripted, on a clock that runs fast."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rtsod.errors import SourceBusy, SourceError, SourceGone
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.metrics import Event, Metrics
from rtsod.sources.supervised import BACK_OFF, State, SupervisedSource
from tests.support.fakes import hasten

SPEED = 40.0
CLOCK, WAIT = hasten(SPEED)
SILENT, SAME, BROKEN, LARGE = "silent", "same", "broken", "large"
"""Steps of a scripted camera; an error is raised, a number is so many good frames."""


class Camera:
    """Does what its script says, at 20 frames a second of the fast clock; at its end it goes on well."""

    def __init__(self, *script: object, speed: float = SPEED, fps: Fraction = Fraction(1, 2)) -> None:
        # It claims a low rate, so that a busy machine is not taken for a silent camera.
        self.info = SourceInfo("camera", 32, 24, fps, live=True)
        self._speed = speed
        self.skipped = 0
        self.closed = threading.Event()
        self._script: list[object] = []
        for step in script:
            self._script += [1] * step if isinstance(step, int) else [step]
        self._index = 0

    def read(self) -> Frame | None:
        if self.closed.wait(0.05 / self._speed):
            return None
        step = self._script.pop(0) if self._script else 1
        if isinstance(step, Exception):
            raise step
        if step == SILENT:
            self.closed.wait()
            return None
        if step == SAME:
            self._script.insert(0, SAME)
            return self._frame(np.full((24, 32, 3), 7, np.uint8))
        if step == BROKEN:
            self.skipped += 1
            self._index += 1
            return self.read()
        size = (48, 64, 3) if step == LARGE else (24, 32, 3)
        return self._frame(np.random.default_rng().integers(0, 256, size, np.uint8))

    def close(self) -> None:
        self.closed.set()

    def _frame(self, image: Image) -> Frame:
        self._index += 1
        return Frame(image, self._index - 1, CLOCK())


class Bench:
    """A supervised source over a list of cameras (or the errors of opening them), and what it told."""

    def __init__(self, first: Camera, later: Sequence[Camera | Exception] = (), **options: Any) -> None:
        self.metrics = Metrics(CLOCK)
        self.later = list(later)
        self.opened_at: list[float] = []
        self.source = SupervisedSource(
            first, self._open, on_event=self.metrics.event, clock=CLOCK, wait=WAIT, **options
        )
        self.frames: list[Frame] = []

    def _open(self) -> Camera:
        self.opened_at.append(CLOCK())
        step = self.later.pop(0) if self.later else Camera()
        if isinstance(step, Exception):
            raise step
        return step

    @property
    def events(self) -> dict[str, int]:
        return self.metrics.snapshot()["events"]

    def read_until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            frame = self.source.read()
            assert frame is not None
            self.frames.append(frame)

    def recovered(self) -> bool:
        return Event.SOURCE_RECOVERED in self.events


@contextmanager
def _bench(first: Camera, later: Sequence[Camera | Exception] = (), **options: Any) -> Iterator[Bench]:
    bench = Bench(first, later, **options)
    yield bench
    bench.source.close()


@pytest.mark.parametrize(
    ("fault", "event"),
    [(SourceError("unplugged"), Event.SOURCE_FAILED), (SILENT, Event.SOURCE_SILENT), (SAME, Event.SOURCE_FROZEN)],
    ids=["fails", "falls silent", "freezes"],
)
def test_a_camera_that_comes_back_goes_on(fault: object, event: Event, caplog: pytest.LogCaptureFixture) -> None:
    with _bench(Camera(5, fault)) as bench:
        bench.read_until(bench.recovered)
        assert bench.source.state is State.RUNNING
        indexes = [frame.index for frame in bench.frames]
        assert indexes == sorted(set(indexes)), "frames count on"
    assert bench.events == {event: 1, Event.SOURCE_RECOVERED: 1}
    assert len(caplog.records) == 2, "each event is logged once, not per frame"
    assert "delivers again" in caplog.messages[1]


def test_silence_is_noticed_within_a_second() -> None:
    speed = 4.0  # slow enough that this machine's own pauses do not count
    clock, wait = hasten(speed)
    noticed: list[float] = []
    camera = Camera(3, SILENT, speed=speed, fps=Fraction(20))
    source = SupervisedSource(camera, Camera, on_event=lambda event: noticed.append(clock()), clock=clock, wait=wait)
    for _ in range(3):
        assert source.read() is not None
    last = clock()
    assert source.read() is not None, "the next camera's"
    source.close()
    assert 0.7 <= noticed[0] - last <= 1.0 + 0.2 * speed


def test_the_attempts_grow_rarer() -> None:
    failures = [SourceGone("not there"), SourceBusy("zoom has it"), SourceBusy("zoom has it"), SourceError("odd")]
    with _bench(Camera(SourceError("unplugged")), failures) as bench:
        bench.read_until(bench.recovered)
    waits = np.diff([bench.opened_at[0] - BACK_OFF[0], *bench.opened_at])
    assert len(waits) == 5
    for waited, planned in zip(waits, (*BACK_OFF, BACK_OFF[-1]), strict=True):
        assert planned - 0.01 <= waited < planned + 6.0
    assert bench.events == {
        Event.SOURCE_FAILED: 2, Event.SOURCE_GONE: 1, Event.SOURCE_BUSY: 2, Event.SOURCE_RECOVERED: 1
    }  # fmt: skip


def test_the_same_reason_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with _bench(Camera(SourceError("unplugged")), [SourceGone("not there")] * 3) as bench:
        bench.read_until(bench.recovered)
    assert caplog.messages == ["unplugged", "not there", "camera delivers again"]
    assert bench.events[Event.SOURCE_GONE] == 3


def test_a_frozen_picture_is_withheld_until_it_changes() -> None:
    with _bench(Camera(2, SAME), [Camera(SAME), Camera(SAME)]) as bench:
        bench.read_until(bench.recovered)
        still = [frame for frame in bench.frames if (frame.image == 7).all()]
        assert still[-1].captured_at - still[0].captured_at <= 2.0 + 0.1 * SPEED
        assert len(bench.opened_at) == 3
    assert bench.events == {Event.SOURCE_FROZEN: 1, Event.SOURCE_RECOVERED: 1}


def test_a_stream_may_repeat_a_quiet_picture() -> None:
    with _bench(Camera(SAME), may_freeze=False) as bench:
        bench.read_until(lambda: len(bench.frames) == 80)
    assert bench.events == {}


def test_broken_frames_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with _bench(Camera(2, BROKEN, 1, BROKEN, BROKEN, 1)) as bench:
        bench.read_until(lambda: len(bench.frames) == 4)
        assert bench.source.skipped == 3
        assert [frame.index for frame in bench.frames] == [0, 1, 3, 6], "a gap is a lost frame"
    assert bench.events == {Event.SOURCE_BROKEN: 1}
    assert len(caplog.records) == 1


def test_another_size_is_passed_on_and_told() -> None:
    with _bench(Camera(2, LARGE, 1)) as bench:
        bench.read_until(lambda: len(bench.frames) == 4)
        assert [frame.image.shape[1] for frame in bench.frames] == [32, 32, 64, 32]
        assert bench.source.info.width == 32
    assert bench.events == {Event.SOURCE_RESIZED: 2}


def test_nobody_is_looking() -> None:
    wanted = threading.Event()
    wanted.set()
    first = Camera()
    with _bench(first, demand=wanted.is_set) as bench:
        bench.read_until(lambda: len(bench.frames) == 3)
        wanted.clear()
        reader = threading.Thread(target=bench.read_until, args=(lambda: bool(bench.opened_at) and wanted.is_set(),))
        reader.start()
        assert first.closed.wait(10), "the camera is closed while nobody looks"
        assert bench.source.state is State.IDLE
        assert not bench.opened_at
        wanted.set()
        reader.join(10)
        assert not reader.is_alive()
        assert len(bench.opened_at) == 1
    assert bench.events == {}, "nothing has failed"


def test_closing_ends_a_read_wherever_it_waits() -> None:
    opening, let_go = threading.Event(), threading.Event()

    def open_slowly() -> Camera:
        opening.set()
        let_go.wait(10)
        return late

    late = Camera()
    for script, reached in (([SILENT], None), ([SourceError("x")], opening)):
        camera = Camera(*script)
        source = SupervisedSource(camera, open_slowly, on_event=lambda event: None, clock=CLOCK, wait=WAIT)
        answers: list[Frame | None] = []
        reader = threading.Thread(target=lambda source=source, answers=answers: answers.append(source.read()))
        reader.start()
        if reached is not None:
            assert reached.wait(10)
        source.close()
        reader.join(10)
        assert answers == [None]
        assert camera.closed.is_set()
    let_go.set()
    assert late.closed.wait(10), "what was being opened is closed as soon as it is open"


def test_a_bug_reaches_the_reader() -> None:
    with (
        _bench(Camera(SourceError("unplugged")), [ZeroDivisionError("a bug")]) as bench,
        pytest.raises(ZeroDivisionError),
    ):
        bench.source.read()


def test_the_same_failure_another_time_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    with _bench(Camera(SourceError("unplugged")), [Camera(3, SourceError("unplugged"))]) as bench:
        bench.read_until(lambda: bench.events.get(Event.SOURCE_RECOVERED) == 2)
    assert caplog.messages == ["unplugged", "camera delivers again"] * 2
