"""The virtual camera, against a backend registered with the real pyvirtualcam."""

from __future__ import annotations

import importlib
import sys
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pytest

from rtsod.errors import OutputError
from rtsod.sinks import VirtualCameraSink, virtual_camera, virtual_camera_available
from tests.sink_fixtures import composited, patches


class Recorder:
    """A backend that keeps what it is sent."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: Any) -> None:
        if device == "/dev/video99":
            raise RuntimeError("'/dev/video99' does not exist\nreally")
        self.width, self.height, self.fps, self.fourcc = width, height, fps, fourcc
        self.frames: list[Any] = []
        self.closed = 0
        Recorder.made.append(self)

    def send(self, frame: Any) -> None:
        self.frames.append(frame.reshape(self.height, self.width, 3).copy())

    def close(self) -> None:
        self.closed += 1

    def device(self) -> str:
        return "recorder"


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
    camera = importlib.import_module("pyvirtualcam.camera")
    monkeypatch.setattr(camera, "BACKENDS", {})
    pyvirtualcam.register_backend("recorder", Recorder)
    Recorder.made.clear()
    return Recorder


def test_pictures_arrive_as_they_are(backend: type[Recorder]) -> None:
    sink = VirtualCameraSink(None, width=96, height=64, fps=Fraction(30000, 1001))
    sink.write(composited())
    (made,) = backend.made
    assert (made.width, made.height) == (96, 64)
    assert made.fps == pytest.approx(29.97, abs=0.01)
    assert np.array_equal(made.frames[0], patches())  # BGR, as announced
    assert made.fourcc == importlib.import_module("pyvirtualcam.util").encode_fourcc("24BG")
    assert sink.name == "virtual camera recorder"


def test_size_is_fixed_and_even(backend: type[Recorder]) -> None:
    sink = VirtualCameraSink(None, width=95, height=63, fps=None)
    sink.write(composited(0, image=patches(95, 63)))
    sink.write(composited(1, image=np.full((200, 50, 3), 200, np.uint8)))
    first, second = backend.made[0].frames
    assert first.shape == second.shape == (64, 96, 3)
    assert np.array_equal(first[:63, :95], patches(95, 63))
    assert np.array_equal(first[63], first[62])
    assert second[:, :30].max() == 0
    assert second[10:50, 46:50].min() == 200


def test_closed_once(backend: type[Recorder]) -> None:
    sink = VirtualCameraSink(None, width=96, height=64, fps=None)
    sink.close()
    sink.close()
    assert backend.made[0].closed == 1
    with pytest.raises(OutputError, match="closed"):
        sink.write(composited())


@pytest.mark.parametrize(
    ("platform", "words"), [("linux", "modprobe v4l2loopback.*exclusive_caps=1"), ("win32", "OBS"), ("darwin", "OBS")]
)
def test_missing_device_says_how_to_set_it_up(
    backend: type[Recorder], monkeypatch: pytest.MonkeyPatch, platform: str, words: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(OutputError, match=words) as raised:
        VirtualCameraSink("/dev/video99", width=96, height=64, fps=None)
    assert "/dev/video99" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match=r"pip install.*virtualcam"):
        VirtualCameraSink(None, width=96, height=64, fps=None)
    found = virtual_camera_available()
    assert not found.available
    assert "pip install" in found.reason


def test_probe_on_linux(backend: type[Recorder], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(virtual_camera, "_LINUX_DEVICES", tmp_path)
    assert "modprobe" in virtual_camera_available().reason
    (tmp_path / "video10").mkdir()
    assert virtual_camera_available().available
    assert "/dev/video10" in virtual_camera_available().reason


def test_probe_elsewhere_opens_and_closes(backend: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert virtual_camera_available().available
    assert [made.closed for made in backend.made] == [1]
