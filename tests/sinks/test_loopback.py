"""Virtual cameras of Linux, against a driver that is scripted: every refusal is told as what it means."""

from __future__ import annotations

import errno
import os
import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rtsod.errors import OutputError
from rtsod.sinks import loopback
from rtsod.sinks.loopback import LoopbackCamera
from rtsod.system import v4l2
from tests.support.sink_fixtures import patches

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="v4l2loopback is Linux's")

QUERYCAP, S_FMT, S_PARM, STREAMON, SUBSCRIBE, DQEVENT = (
    0x80685600,
    0xC0D05605,
    0xC0CC5616,
    0x40045612,
    0x4020565A,
    0x80885659,
)
CAPTURE, OUTPUT = 1, 2


class Driver:
    """Answers ``ioctl`` as v4l2loopback does, in the state a test puts it in."""

    def __init__(self) -> None:
        self.name, self.can = "v4l2 loopback", OUTPUT
        self.kept: tuple[int, int, bytes] | None = None
        self.refuses: dict[int, int] = {}
        self.readers: int | None = None
        self.asked: list[int] = []

    def ioctl(self, handle: int, request: int, question: bytes) -> bytes:
        self.asked.append(request)
        if request in self.refuses:
            number = self.refuses[request]
            raise OSError(number, os.strerror(number))
        if request == QUERYCAP:
            names = struct.pack("16s32s32s", self.name.encode(), b"rtsod", b"platform:x")
            return names + struct.pack("<III", 0, 0x80000000, self.can) + bytes(12)
        if request == S_FMT and self.kept is not None:
            width, height, letters = self.kept
            return question[:8] + struct.pack("<II4s", width, height, letters) + question[20:]
        if request in (SUBSCRIBE, DQEVENT) and self.readers is None:
            raise OSError(errno.EINVAL, "no such event")
        if request == DQEVENT:
            return bytes(8) + struct.pack("<I", self.readers) + bytes(124)
        return question


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr("fcntl.ioctl", driver.ioctl)
    monkeypatch.setattr(v4l2, "holders", lambda path: {})
    return driver


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = tmp_path / "module"
    module.mkdir()
    monkeypatch.setattr(loopback, "_MODULE", module)
    path = tmp_path / "video10"
    path.touch()
    monkeypatch.setattr(loopback, "virtual_cameras", lambda: [found for found in [v4l2.query(path)] if found])
    return path


def _open(path: Path | None) -> LoopbackCamera:
    return LoopbackCamera(path, 96, 64, Fraction(30))


def _refused(path: Path | None) -> str:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OutputError) as caught:
        _open(path)
    assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pictures_are_written_as_i420(driver: Driver, device: Path) -> None:
    camera = _open(None)
    assert (camera.name, camera.width, camera.height, camera.notes) == (str(device), 96, 64, ())
    prepared = camera.prepare(patches())
    assert prepared.shape == (96, 96)
    camera.send(prepared)
    camera.close()
    camera.close()
    written = np.frombuffer(device.read_bytes(), np.uint8)
    assert written.size == 96 * 64 * 3 // 2
    blue, green, red = (int(level) for level in patches()[0, 0])
    luma = round(16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256)  # BT.601, limited range
    assert abs(int(written[0]) - luma) <= 1


@pytest.mark.parametrize("refuses", [False, True], ids=["old module", "new module"])
def test_the_module_is_told_that_a_stream_begins(driver: Driver, device: Path, refuses: bool) -> None:
    if refuses:
        driver.refuses[STREAMON] = errno.EINVAL
    _open(device).close()
    assert STREAMON in driver.asked


def test_a_size_that_a_reader_keeps_is_taken(driver: Driver, device: Path) -> None:
    driver.kept = (48, 32, b"YU12")
    camera = _open(device)
    assert camera.prepare(patches()).shape == (48, 48)
    assert "keeps it at 48x32" in camera.notes[0]
    camera.close()


def test_a_format_that_a_reader_keeps_is_an_error_that_names_the_reader(
    driver: Driver, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.kept = (640, 480, b"YUYV")
    monkeypatch.setattr(v4l2, "holders", lambda path: {41: "zoom"})
    said = _refused(device)
    assert "kept at 640x480 YUYV" in said
    assert "close zoom (process 41)" in said


def test_invalid_argument(driver: Driver, device: Path) -> None:
    driver.refuses[S_FMT] = errno.EINVAL
    said = _refused(device)
    assert "does not take 96x64 I420" in said
    assert "modprobe -r v4l2loopback" in said


@pytest.mark.parametrize("how", ["its capabilities", "the driver's answer"])
def test_another_writer(driver: Driver, device: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(v4l2, "holders", lambda path: {7: "obs"})
    if how == "its capabilities":
        driver.can = CAPTURE
    else:
        driver.refuses[S_FMT] = errno.EBUSY
    assert "busy, another program writes to it: close obs (process 7)" in _refused(device)


def test_a_writer_that_was_killed_holds_nothing(driver: Driver, device: Path) -> None:
    driver.can = CAPTURE  # an old module never forgets one that only wrote
    _open(device).close()


def test_without_exclusive_caps_a_note_is_given(driver: Driver, device: Path) -> None:
    driver.can = CAPTURE | OUTPUT
    camera = _open(device)
    assert "no exclusive_caps=1" in camera.notes[0]
    camera.close()


def test_a_real_camera_is_not_written_to(driver: Driver, device: Path) -> None:
    driver.name = "uvcvideo"
    assert "driver uvcvideo), not a virtual camera" in _refused(device)


def test_a_missing_device_names_those_that_are(driver: Driver, device: Path) -> None:
    assert _refused(device.parent / "video99").endswith(f"does not exist: there is {device}")


def test_no_permission(driver: Driver, device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="group 'video'"):
        _open(device)


@pytest.mark.parametrize("state", ["loaded", "installed", "missing"])
def test_no_device_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str) -> None:
    monkeypatch.setattr(loopback, "virtual_cameras", list)
    monkeypatch.setattr(loopback, "_MODULE", tmp_path / ("." if state == "loaded" else "none"))
    monkeypatch.setattr(loopback, "_MODULES", tmp_path)
    monkeypatch.setattr("platform.release", lambda: "6.1")
    if state == "installed":
        (tmp_path / "6.1" / "updates").mkdir(parents=True)
        (tmp_path / "6.1" / "updates" / "v4l2loopback.ko.xz").touch()
    said = _refused(None)
    assert {"loaded": "loaded but has no device", "installed": "not loaded", "missing": "not installed"}[state] in said
    assert "modprobe v4l2loopback" in said


@pytest.mark.parametrize(
    ("readers", "holders", "read"), [(1, {}, True), (0, {5: "x"}, False), (None, {5: "x"}, True), (None, {}, False)]
)
def test_who_reads(
    driver: Driver,
    device: Path,
    monkeypatch: pytest.MonkeyPatch,
    readers: int | None,
    holders: dict[int, str],
    read: bool,
) -> None:
    driver.readers = readers
    camera = _open(device)
    monkeypatch.setattr(v4l2, "holders", lambda path: holders)
    assert camera.is_read() is read, "the driver's word counts; where it has none, who has the device open"
    camera.close()


def test_a_short_write_is_a_failed_one(driver: Driver, device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = _open(device)
    monkeypatch.setattr(os, "write", lambda handle, data: 5)
    with pytest.raises(OSError, match="only 5 of"):
        camera.send(camera.prepare(patches()))
    camera.close()
