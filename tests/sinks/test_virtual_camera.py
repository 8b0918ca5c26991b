"""The virtual camera: the thread that feeds it, with a scripted device."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pytest

from rtsod.errors import OutputError
from rtsod.metrics import Event
from rtsod.sinks import VirtualCameraSink, virtual_camera, virtual_camera_available
from rtsod.sinks.newest_picture import HANG_SECONDS
from rtsod.sinks.pyvirtualcam_backend import PyVirtualCamera
from tests.support.fakes import Ticks, hasten
from tests.support.sink_fixtures import FakeDevice, composited, patches

SPEED = 50.0


class Opener:
    """Opens fake devices, or raises the error that a test sets."""

    def __init__(self) -> None:
        self.made: list[FakeDevice] = []
        self.notes: tuple[str, ...] = ()
        self.error: OutputError | None = None
        self.tried = threading.Event()

    def __call__(self, device: str | None, width: int, height: int, fps: Fraction) -> FakeDevice:
        if self.error is not None:
            self.tried.set()
            raise self.error
        self.made.append(FakeDevice(device, width, height, fps))
        self.made[-1].notes = self.notes
        return self.made[-1]


def _sink(opener: Opener, width: int = 96, height: int = 64, **options: Any) -> VirtualCameraSink:
    clock, wait = hasten(SPEED)
    return VirtualCameraSink(
        None, width=width, height=height, fps=Fraction(30), opener=opener, clock=clock, wait=wait, **options
    )


def test_the_newest_picture_is_repeated() -> None:
    opener = Opener()
    sink = _sink(opener)
    (device,) = opener.made
    sink.write(composited(0))
    device.wait_for(5)
    white = np.full((64, 96, 3), 250, np.uint8)
    sink.write(composited(1, image=white))
    device.wait_for(len(device.shown) + 5)
    sink.close()
    assert np.array_equal(device.shown[0], patches())
    assert np.array_equal(device.shown[-1], white)
    assert device.closed == 1


@pytest.mark.parametrize(("settles", "said"), [(1e9, 1), (0.0, 2)])
def test_what_a_device_notes_later_is_said_once_and_not_while_it_settles(
    settles: float, said: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(virtual_camera, "SETTLE_SECONDS", settles)
    opener, recovered = Opener(), threading.Event()
    sink = _sink(opener, on_event=lambda event: recovered.set() if event is Event.OUTPUT_RECOVERED else None)
    (device,) = opener.made
    for notes in (("nobody sees it",), ()):
        device.notes = notes
        sink.write(composited(0))
        device.wait_for(len(device.shown) + 5)
    assert caplog.messages == ["nobody sees it"]
    opener.notes = ("nobody sees it",)
    device.broken = OSError("gone")
    assert recovered.wait(10)
    opener.made[1].wait_for(5)
    sink.close()
    assert caplog.messages.count("nobody sees it") == said


def test_nothing_is_shown_before_the_first_picture_and_the_last_one_is_never_lost() -> None:
    opener = Opener()
    sink = _sink(opener)
    sink.close()
    assert opener.made[0].shown == []
    for _ in range(20):
        sink = _sink(opener)
        sink.write(composited(0))
        last = composited(1, image=np.full((64, 96, 3), 9, np.uint8))
        sink.write(last)
        sink.close()
        assert np.array_equal(opener.made[-1].shown[-1], last.image)


def test_the_size_is_fixed_and_even() -> None:
    opener = Opener()
    sink = _sink(opener, 95, 63)
    (device,) = opener.made
    sink.write(composited(0, image=patches(95, 63)))
    device.wait_for(1)
    sink.write(composited(1, image=np.full((200, 50, 3), 200, np.uint8)))
    sink.close()
    first, last = device.shown[0], device.shown[-1]
    assert first.shape == last.shape == (64, 96, 3)
    assert np.array_equal(first[:63, :95], patches(95, 63))
    assert np.array_equal(first[63], first[62])
    assert last[:, :30].max() == 0
    assert last[10:50, 46:50].min() == 200


def test_a_failed_device_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    opener, events, back = Opener(), [], threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if event is Event.OUTPUT_RECOVERED:
            back.set()

    sink = _sink(opener, on_event=on_event)
    sink.write(composited(0))
    opener.made[0].wait_for(1)
    opener.error = OutputError("it is gone")
    opener.made[0].broken = OSError(19, "No such device")
    assert opener.tried.wait(10)
    opener.error = None
    assert back.wait(10)
    opener.made[-1].wait_for(3)
    sink.close()
    assert events == [Event.OUTPUT_FAILED, Event.OUTPUT_RECOVERED]
    assert opener.made[0].closed == 1
    assert opener.made[-1].name == "fake", "the same device as before"
    assert [record.getMessage() for record in caplog.records] == [
        "virtual camera fake accepts no pictures: No such device",
        "virtual camera fake works again",
    ]


def test_a_device_that_stays_broken_ends_the_run() -> None:
    opener = Opener()
    sink = _sink(opener)
    opener.error = OutputError("it is gone")
    opener.made[0].broken = OSError(22, "Invalid argument")
    with pytest.raises(OutputError, match=r"it is gone \(gave up after 10 s\)"):
        _write_until_refused(sink)
    sink.close()


def _write_until_refused(sink: VirtualCameraSink) -> None:
    while True:
        sink.write(composited())
        threading.Event().wait(0.001)


class TestHungWriter:
    """The last picture is shown up to its age limit, and then replaced by a slate."""

    LIMIT = 2.0

    def _open(self) -> tuple[VirtualCameraSink, FakeDevice, Ticks, list[Event]]:
        opener, clock = Opener(), Ticks()
        events: list[Event] = []
        self._rounds = threading.Semaphore(0)

        def wait(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
            self._rounds.release()
            return condition.wait_for(ready, 0.0005)

        sink = VirtualCameraSink(
            None, width=96, height=64, fps=None, opener=opener, on_event=events.append, clock=clock, wait=wait
        )
        sink.limit_age(self.LIMIT)
        return sink, opener.made[0], clock, events

    def _at(self, clock: Ticks, moment: float) -> None:
        """Set the clock, and wait until the sink's thread has gone through its loop a few times."""
        clock.now = moment
        while self._rounds.acquire(blocking=False):
            pass
        for _ in range(3):
            assert self._rounds.acquire(timeout=10)

    def test_a_slate_replaces_a_picture_that_is_too_old(self, caplog: pytest.LogCaptureFixture) -> None:
        sink, device, clock, events = self._open()
        slate = np.full((64, 96, 3), 60, np.uint8)
        sink.write(composited(-1, image=slate, is_slate=True))
        self._at(clock, 50.0)
        assert np.array_equal(device.shown[-1], slate), "a slate is never too old"
        sink.write(composited(0))
        self._at(clock, 50.0 + self.LIMIT)
        assert np.array_equal(device.shown[-1], patches())
        self._at(clock, 50.001 + self.LIMIT)
        assert np.array_equal(device.shown[-1], slate)
        assert events == [], "a writer that waits for its source sends a slate about now"
        self._at(clock, 50.001 + self.LIMIT + HANG_SECONDS)
        self._at(clock, 90.0)
        assert events == [Event.OUTPUT_STARVED]
        sink.write(composited(1))
        self._at(clock, 90.0)
        assert np.array_equal(device.shown[-1], patches())
        sink.close()
        assert caplog.messages == [
            "virtual camera fake receives no pictures: showing a slate", "virtual camera fake receives pictures again"
        ]  # fmt: skip

    def test_without_a_slate_nothing_more_is_sent(self) -> None:
        sink, device, clock, _ = self._open()
        sink.write(composited(0))
        device.wait_for(1)
        self._at(clock, 1.01 * self.LIMIT)
        shown = len(device.shown)
        self._at(clock, 1.02 * self.LIMIT)
        sink.close()
        assert len(device.shown) == shown


def test_a_device_is_opened_again_at_once_but_not_twice_within_a_second() -> None:
    """A PipeWire camera may end with each reader, and the next one should find it."""
    opener, clock, rounds = Opener(), Ticks(), threading.Semaphore(0)

    def wait(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        rounds.release()
        return condition.wait_for(ready, 0.0005)

    def opened_at(moment: float) -> int:
        clock.now = moment
        while rounds.acquire(blocking=False):
            pass
        for _ in range(4):
            assert rounds.acquire(timeout=10)
        return len(opener.made)

    sink = VirtualCameraSink(None, width=96, height=64, fps=None, opener=opener, clock=clock, wait=wait)
    sink.write(composited())
    assert opened_at(50.0) == 1
    opener.made[-1].broken = OSError("its reader left")
    assert opened_at(50.0) == 2
    opener.made[-1].broken = OSError("its reader left")
    assert opened_at(50.99) == 2
    assert opened_at(51.01) == 3
    sink.close()


def test_the_device_is_closed_once() -> None:
    opener = Opener()
    sink = _sink(opener)
    sink.close()
    sink.close()
    assert opener.made[0].closed == 1
    with pytest.raises(OutputError, match="closed"):
        sink.write(composited())


class Recorder:
    """A backend for the real pyvirtualcam that stores what it is sent."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: Any) -> None:
        if device == "Other Camera":
            raise RuntimeError("'Other Camera' not found\nreally")
        self.width, self.height, self.fps, self.fourcc = width, height, fps, fourcc
        self.frames: list[Any] = []
        self.closed = 0
        Recorder.made.append(self)

    def send(self, frame: Any) -> None:
        if self.width == 64:
            raise RuntimeError("gone")
        self.frames.append(frame.reshape(self.height, self.width, 3).copy())

    def close(self) -> None:
        self.closed += 1

    def device(self) -> str:
        return "recorder"


class TestPyVirtualCamera:
    """Windows and macOS, and devices on Linux other than v4l2loopback."""

    @pytest.fixture(autouse=True)
    def _backend(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
        camera = importlib.import_module("pyvirtualcam.camera")
        monkeypatch.setattr(camera, "BACKENDS", {})
        monkeypatch.setattr(sys, "platform", "darwin")
        pyvirtualcam.register_backend("recorder", Recorder)
        Recorder.made.clear()

    def test_pictures_arrive_unchanged(self) -> None:
        sink = VirtualCameraSink(None, width=96, height=64, fps=Fraction(30000, 1001))
        sink.write(composited())
        sink.close()
        (made,) = Recorder.made
        assert made.fps == pytest.approx(29.97, abs=0.01)
        assert np.array_equal(made.frames[0], patches())  # BGR, as announced
        assert made.fourcc == importlib.import_module("pyvirtualcam.util").encode_fourcc("24BG")
        assert made.closed == 1
        assert sink.name == "virtual camera recorder"
        assert sink.is_read, "a system that does not report readers counts as read"

    def test_on_linux_other_devices_go_through_pyvirtualcam(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr("rtsod.sinks.virtual_camera.virtual_cameras", list)
        sink = VirtualCameraSink(None, width=96, height=64, fps=None)
        sink.write(composited())
        sink.close()
        assert np.array_equal(Recorder.made[0].frames[0], patches())
        with pytest.raises(OutputError, match="v4l2loopback"):
            VirtualCameraSink("Other Camera", width=96, height=64, fps=None)

    def test_a_refused_picture_is_an_error(self) -> None:
        device = PyVirtualCamera(None, 64, 64, Fraction(30))
        with pytest.raises(OSError, match="gone"):
            device.send(device.prepare(patches()))
        device.close()

    @pytest.mark.parametrize("platform", ["win32", "darwin"])
    def test_a_missing_device_says_how_to_set_it_up(self, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(OutputError, match=r"Other Camera.*OBS") as raised:
            VirtualCameraSink("Other Camera", width=96, height=64, fps=None)
        assert "\n" not in str(raised.value)

    def test_a_missing_library_says_how_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
        with pytest.raises(OutputError, match=r"pip install.*virtualcam"):
            VirtualCameraSink(None, width=96, height=64, fps=None)
        found = virtual_camera_available()
        assert not found.available
        assert "pip install" in found.reason

    def test_the_probe_opens_and_closes(self) -> None:
        assert virtual_camera_available().available
        assert [made.closed for made in Recorder.made] == [1]
