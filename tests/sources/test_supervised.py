"""Every fault of a camera and the recovery from it, with scripted cameras on virtual time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rtsod.errors import SourceBusy, SourceError, SourceGone
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.metrics import Event
from rtsod.sources.recovery import BACK_OFF_SECONDS, State
from rtsod.sources.supervised import SupervisedSource
from tests.support.virtual_time import VirtualTime

SILENT, SAME, AGAIN, BROKEN, LARGE = "silent", "same", "again", "broken", "large"
"""Steps of a scripted camera. An error is raised; a number is that many good frames."""
FRAME_SECONDS = 0.05


@pytest.fixture
def clock() -> Iterator[VirtualTime]:
    with VirtualTime(threads=2) as time:  # the reader and the supervisor
        yield time


class Camera:
    """Follows its script at 20 frames per second, then delivers good frames."""

    def __init__(self, clock: VirtualTime, *script: object) -> None:
        self.info = SourceInfo("camera", 32, 24, Fraction(20), live=True)
        self.skipped = 0
        self.closed = threading.Event()
        self._clock = clock
        self._changed = threading.Condition()
        self._script: list[object] = []
        for step in script:
            self._script += [1] * step if isinstance(step, int) else [step]
        self._index = 0

    def read(self) -> Frame | None:
        if self._wait(FRAME_SECONDS):
            return None
        step = self._script.pop(0) if self._script else 1
        if isinstance(step, Exception):
            raise step
        if step == SILENT:
            self._wait(None)
            return None
        if step in (SAME, AGAIN):  # for ever, or once
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
        with self._changed:
            self.closed.set()
            self._changed.notify_all()

    def _wait(self, seconds: float | None) -> bool:
        with self._changed:
            return self._clock.wait(self._changed, self.closed.is_set, seconds)

    def _frame(self, image: Image) -> Frame:
        self._index += 1
        return Frame(image, self._index - 1, self._clock())


class Rig:
    """A supervised source over a list of cameras, or of errors in opening them, and what it reported."""

    def __init__(
        self, clock: VirtualTime, first: Camera, later: Sequence[Camera | Exception] = (), **options: Any
    ) -> None:
        self.clock = clock
        self.later = list(later)
        self.opened_at: list[float] = []
        self.events: Counter[Event] = Counter()
        self.event_times: list[float] = []
        self.source = SupervisedSource(
            first, self._open, on_event=self._on_event, clock=clock, wait=clock.wait, **options
        )
        self.frames: list[Frame] = []

    def _open(self) -> Camera:
        self.opened_at.append(self.clock())
        step = self.later.pop(0) if self.later else Camera(self.clock)
        if isinstance(step, Exception):
            raise step
        return step

    def _on_event(self, event: Event) -> None:
        self.events[event] += 1
        self.event_times.append(self.clock())

    def read_until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            frame = self.source.read()
            assert frame is not None
            self.frames.append(frame)

    def recovered(self) -> bool:
        return Event.SOURCE_RECOVERED in self.events


@contextmanager
def _rig(clock: VirtualTime, first: Camera, later: Sequence[Camera | Exception] = (), **options: Any) -> Iterator[Rig]:
    rig = Rig(clock, first, later, **options)
    try:
        yield rig
    finally:
        rig.source.close()


@pytest.mark.parametrize(
    ("fault", "event"),
    [(SourceError("unplugged"), Event.SOURCE_FAILED), (SILENT, Event.SOURCE_SILENT), (SAME, Event.SOURCE_FROZEN)],
    ids=["fails", "falls silent", "freezes"],
)
def test_a_camera_that_comes_back_continues(
    clock: VirtualTime, fault: object, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    with _rig(clock, Camera(clock, 5, fault)) as rig:
        rig.read_until(rig.recovered)
        assert rig.source.state is State.RUNNING
        indexes = [frame.index for frame in rig.frames]
        assert indexes == sorted(set(indexes)), "indexes keep counting up"
    assert rig.events == {event: 1, Event.SOURCE_RECOVERED: 1}
    assert len(caplog.records) == 2, "each event is logged once, not per frame"
    assert "delivers again" in caplog.messages[1]


def test_silence_is_noticed_within_a_second(clock: VirtualTime) -> None:
    with _rig(clock, Camera(clock, 3, SILENT)) as rig:
        rig.read_until(lambda: len(rig.frames) == 3)
        last = clock()
        assert not rig.events
        rig.read_until(lambda: len(rig.frames) == 4)  # the next camera's
        assert 0.7 <= rig.event_times[0] - last <= 1.0


def test_the_attempts_grow_rarer(clock: VirtualTime) -> None:
    failures = [SourceGone("not there"), SourceBusy("zoom has it"), SourceBusy("zoom has it"), SourceError("odd")]
    with _rig(clock, Camera(clock, SourceError("unplugged")), failures) as rig:
        rig.read_until(rig.recovered)
    waits = np.diff([FRAME_SECONDS, *rig.opened_at])
    assert waits == pytest.approx([*BACK_OFF_SECONDS, BACK_OFF_SECONDS[-1]])
    assert rig.events == {
        Event.SOURCE_FAILED: 2, Event.SOURCE_GONE: 1, Event.SOURCE_BUSY: 2, Event.SOURCE_RECOVERED: 1
    }  # fmt: skip


def test_the_same_reason_is_logged_once(clock: VirtualTime, caplog: pytest.LogCaptureFixture) -> None:
    with _rig(clock, Camera(clock, SourceError("unplugged")), [SourceGone("not there")] * 3) as rig:
        rig.read_until(rig.recovered)
    assert caplog.messages == ["unplugged", "not there", "camera delivers again"]
    assert rig.events[Event.SOURCE_GONE] == 3


def test_a_frozen_picture_is_withheld_until_it_changes(clock: VirtualTime) -> None:
    with _rig(
        clock, Camera(clock, 2, SAME), [Camera(clock, SAME), Camera(clock, SAME), Camera(clock, *[AGAIN] * 5)]
    ) as rig:
        rig.read_until(rig.recovered)
        frozen = [frame for frame in rig.frames if (frame.image == 7).all()]
        assert 1.9 <= frozen[-1].captured_at - frozen[0].captured_at <= 2.0 + 1e-6
        assert len(rig.opened_at) == 3
        indexes = [frame.index for frame in rig.frames]
        assert indexes == list(range(len(indexes))), "frames withheld are not frames that nobody fetched in time"
    assert rig.events == {Event.SOURCE_FROZEN: 1, Event.SOURCE_RECOVERED: 1}


def test_a_stream_may_repeat_a_static_picture(clock: VirtualTime) -> None:
    with _rig(clock, Camera(clock, SAME), may_freeze=False) as rig:
        rig.read_until(lambda: len(rig.frames) == 80)
    assert rig.events == {}


def test_broken_frames_are_counted_and_reported_once(clock: VirtualTime, caplog: pytest.LogCaptureFixture) -> None:
    with _rig(clock, Camera(clock, 2, BROKEN, 1, BROKEN, BROKEN, 1)) as rig:
        rig.read_until(lambda: len(rig.frames) == 4)
        assert rig.source.skipped == 3
        assert [frame.index for frame in rig.frames] == [0, 1, 3, 6], "a gap is a lost frame"
    assert rig.events == {Event.SOURCE_BROKEN: 1}
    assert len(caplog.records) == 1


def test_another_size_is_passed_on_and_reported(clock: VirtualTime) -> None:
    with _rig(clock, Camera(clock, 2, LARGE, 1)) as rig:
        rig.read_until(lambda: len(rig.frames) == 4)
        assert [frame.image.shape[1] for frame in rig.frames] == [32, 32, 64, 32]
        assert rig.source.info.width == 32
    assert rig.events == {Event.SOURCE_RESIZED: 2}


def test_the_camera_is_closed_while_nobody_is_watching(clock: VirtualTime) -> None:
    watched = threading.Event()
    watched.set()
    first = Camera(clock)
    with _rig(clock, first, demand=watched.is_set) as rig:
        rig.read_until(lambda: len(rig.frames) == 3)
        watched.clear()
        reader = threading.Thread(target=rig.read_until, args=(lambda: bool(rig.opened_at) and watched.is_set(),))
        reader.start()
        assert first.closed.wait(10), "the camera is closed while nobody is watching"
        assert rig.source.state is State.IDLE
        assert not rig.opened_at
        watched.set()
        reader.join(10)
        assert not reader.is_alive()
        assert len(rig.opened_at) == 1
    assert rig.events == {}, "nothing has failed"


@pytest.mark.parametrize("waits_for", ["a frame", "the camera to open"])
def test_closing_ends_a_read_wherever_it_waits(waits_for: str) -> None:
    opening, let_go = threading.Event(), threading.Event()
    threads = 2 if waits_for == "the camera to open" else 3  # a third thread that never waits stops the clock
    with VirtualTime(threads) as clock:
        camera = Camera(clock, SourceError("unplugged") if threads == 2 else SILENT)
        late = Camera(clock)

        def open_slowly() -> Camera:
            opening.set()
            let_go.wait(10)
            return late

        source = SupervisedSource(camera, open_slowly, on_event=lambda event: None, clock=clock, wait=clock.wait)
        results: list[Frame | None] = []
        reader = threading.Thread(target=lambda: results.append(source.read()))
        reader.start()
        if threads == 2:
            assert opening.wait(10)
        source.close()
        reader.join(10)
        assert results == [None]
        assert camera.closed.is_set()
        let_go.set()
        assert threads == 3 or late.closed.wait(10), "a camera that was being opened is closed once it is open"


def test_a_bug_reaches_the_reader(clock: VirtualTime) -> None:
    first = Camera(clock, SourceError("unplugged"))
    with _rig(clock, first, [ZeroDivisionError("a bug")]) as rig, pytest.raises(ZeroDivisionError):
        rig.source.read()


def test_a_failure_after_a_recovery_is_logged_again(clock: VirtualTime, caplog: pytest.LogCaptureFixture) -> None:
    first, second = (Camera(clock, frames, SourceError("unplugged")) for frames in (0, 3))
    with _rig(clock, first, [second]) as rig:
        rig.read_until(lambda: rig.events[Event.SOURCE_RECOVERED] == 2)
    assert caplog.messages == ["unplugged", "camera delivers again"] * 2
