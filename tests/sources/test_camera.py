"""Cameras, with a scripted ``cv2.VideoCapture``: what OpenCV reports is not always what it does."""

from __future__ import annotations

import os
import struct
import sys
from fractions import Fraction
from functools import partialmethod
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.config import SourceConfig
from rtsod.errors import SourceError, UsageError
from rtsod.sources import camera, open_source
from rtsod.sources.camera import CameraSource
from rtsod.system import v4l2
from tests.support.source_fixtures import FakeCapture, pictures

PICTURE = pictures(1)[0]


def _open(fake: FakeCapture, **asked: Any) -> CameraSource:
    return CameraSource(7, **({"width": 64, "height": 48, "fps": 30} | asked), capture=lambda _: fake)


def test_the_cameras_real_mode_is_read_back() -> None:
    fake = FakeCapture([PICTURE], fps=15.0)
    source = _open(fake, width=1280, height=720)
    assert (source.info.width, source.info.height, source.info.fps) == (64, 48, Fraction(15))
    assert source.info.pixel_format == "MJPG"
    assert source.info.live
    assert source.info.notes == ("camera 7 delivers 64x48 at 15 fps, not the requested 1280x720 at 30 fps",)
    source.close()


def test_no_note_when_the_request_was_honoured() -> None:
    source = _open(FakeCapture([PICTURE], fps=29.97))
    assert source.info.notes == ()
    source.close()


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_camera_that_does_not_know_its_rate(fps: float) -> None:
    source = _open(FakeCapture([PICTURE], fps=fps))
    assert source.info.fps is None
    assert source.info.notes == ()
    source.close()


def test_the_format_is_set_before_the_size() -> None:
    fake = FakeCapture([PICTURE])
    _open(fake).close()
    size = fake.asked.index(cv2.CAP_PROP_FRAME_WIDTH)
    assert fake.asked.index(cv2.CAP_PROP_FOURCC) < size < fake.asked.index(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize(
    "fake",
    [
        FakeCapture([PICTURE], opens=False),
        FakeCapture([None]),
        FakeCapture([cv2.error("driver")]),
        FakeCapture([PICTURE.astype(np.float32)]),
    ],
    ids=["not opened", "no picture", "exception", "wrong type"],
)
def test_a_failed_open_leaves_nothing_open(fake: FakeCapture) -> None:
    with pytest.raises(SourceError, match="cannot open camera 7: ") as caught:
        _open(fake)
    assert fake.released == 1
    assert "\n" not in str(caught.value)


def test_a_few_missing_pictures_are_tolerated() -> None:
    source = _open(FakeCapture([PICTURE, None, None, None, PICTURE]))
    frame = source.read()
    assert frame is not None
    assert frame.index == 0
    source.close()


@pytest.mark.parametrize("end", [None, cv2.error("unplugged")])
def test_a_camera_that_goes_away_is_an_error(end: Exception | None) -> None:
    fake = FakeCapture([PICTURE, PICTURE, end])
    source = _open(fake)
    assert source.read() is not None
    with pytest.raises(SourceError, match="camera 7"):
        source.read()
    source.close()
    assert fake.released == 1


def test_broken_pictures_are_counted_and_leave_a_gap() -> None:
    broken = [None, PICTURE.astype(np.float64), np.zeros((48, 64, 2), np.uint8), np.zeros((0, 64, 3), np.uint8), "?"]
    source = _open(FakeCapture([PICTURE, *broken[1:], PICTURE]))
    frame = source.read()
    assert frame is not None
    assert frame.index == source.skipped == 4
    source.close()


def test_the_size_may_change_and_grey_becomes_bgr() -> None:
    large, grey = pictures(1, 128, 96)[0], np.full((48, 64), 7, np.uint8)
    source = _open(FakeCapture([PICTURE, large, grey]))
    shapes = [frame.image.shape for frame in (source.read(), source.read()) if frame]
    assert shapes == [(96, 128, 3), (48, 64, 3)]
    source.close()


def test_the_time_stamp_is_taken_right_after_the_grab() -> None:
    order: list[str] = []

    class Ordered(FakeCapture):
        def grab(self) -> bool:
            order.append("grab")
            return super().grab()

        def retrieve(self) -> tuple[bool, Any]:
            order.append("retrieve")
            return super().retrieve()

    def clock() -> float:
        order.append("clock")
        return 5.0

    fake = Ordered([PICTURE])
    source = CameraSource(0, width=64, height=48, fps=30, capture=lambda _: fake, clock=clock)
    order.clear()
    frame = source.read()
    source.close()
    assert frame is not None
    assert frame.captured_at == 5.0
    assert order == ["grab", "clock", "retrieve"]


def test_opencvs_read_timeout_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", raising=False)
    camera.open_capture(99).release()
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux names its cameras in /dev")
class TestLinux:
    def test_an_explicit_camera_that_is_not_there_names_the_fix(self, capfd: pytest.CaptureFixture[str]) -> None:
        for spec in ("99", "/dev/video99"):
            with pytest.raises(SourceError, match=r"cannot open camera 99: /dev/video99 does not exist: "):
                open_source(SourceConfig(spec=spec))
        assert capfd.readouterr() == ("", "")

    def test_explanations(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "no camera is connected" in v4l2.explain(0, tmp_path)
        (tmp_path / "video3").touch()
        assert "does not capture" in v4l2.explain(3, tmp_path)  # a plain file answers no ioctl
        _pretend_camera(monkeypatch, capabilities=1)
        assert v4l2.explain(0, tmp_path).endswith(f"there is {tmp_path}/video3")
        assert "close other programs" in v4l2.explain(3, tmp_path)
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert "group 'video'" in v4l2.explain(3, tmp_path)

    @pytest.mark.parametrize(
        ("capabilities", "of_device", "found"),
        [(0x1, 0, [2, 10]), (0x80000001, 0x1, [2, 10]), (0x80000001, 0x800000, []), (0x2, 0, [])],
        ids=["old driver", "capture node", "metadata node", "output"],
    )
    def test_only_nodes_that_capture_are_cameras(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capabilities: int, of_device: int, found: list[int]
    ) -> None:
        for name in ("video10", "video2", "videos", "video"):
            (tmp_path / name).touch()
        _pretend_camera(monkeypatch, capabilities, of_device)
        assert v4l2.capture_devices(tmp_path) == found

    def test_the_name_comes_from_the_driver(self, tmp_path: Path) -> None:
        (tmp_path / "video0").mkdir()
        (tmp_path / "video0" / "name").write_text("Integrated Camera\n")
        assert v4l2.device_name(0, tmp_path) == "Integrated Camera"
        assert v4l2.device_name(1, tmp_path) is None


def _pretend_camera(monkeypatch: pytest.MonkeyPatch, capabilities: int, of_device: int = 0) -> None:
    answer = bytes(84) + struct.pack("<II", capabilities, of_device) + bytes(12)
    monkeypatch.setattr("fcntl.ioctl", lambda *_: answer)


def _no_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(v4l2, "capture_devices", list)


def test_auto_without_a_camera_says_so_and_shows_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    _no_cameras(monkeypatch)
    source = open_source(SourceConfig(width=64, height=48, fps=60))
    assert source.info.notes == ("no camera found: showing a short clip instead",)
    assert (source.info.width, source.info.height, source.info.fps, source.info.live) == (640, 360, Fraction(30), True)
    source.close()


def test_auto_takes_the_first_camera_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(v4l2, "capture_devices", lambda *_: [0, 2, 3])
    fakes = {0: FakeCapture([None]), 2: FakeCapture([PICTURE]), 3: FakeCapture([PICTURE])}
    monkeypatch.setattr(CameraSource, "__init__", partialmethod(CameraSource.__init__, capture=fakes.__getitem__))
    source = open_source(SourceConfig())
    assert source.info.name == "camera 2"
    source.close()
    assert [fake.released for fake in fakes.values()] == [1, 1, 0]
    monkeypatch.setattr(v4l2, "capture_devices", lambda *_: [0])
    source = open_source(SourceConfig(width=64, height=48))
    assert source.info.notes[0].startswith("no working camera found (cannot open camera 0: ")
    source.close()


@pytest.mark.parametrize("spec", ["-1", "123456", "a\0b", "ftp://host/film.mp4", "file:///film.mp4", "  "])
def test_nonsense_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError):
        open_source(SourceConfig(spec=spec))


@pytest.mark.parametrize("spec", ["no/such/film.mp4", "/dev/null", "x" * 5000])
def test_a_path_that_cannot_be_opened_is_a_source_error(spec: str) -> None:
    with pytest.raises(SourceError):
        open_source(SourceConfig(spec=spec))
