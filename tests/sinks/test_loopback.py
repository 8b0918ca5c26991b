"""Virtual cameras on Linux, on a file system of the test's own and a scripted driver.

The one thing replaced is ``ioctl``, where the kernel begins. Devices, processes and modules are files below a root.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rtsod.errors import OutputError
from rtsod.sinks.loopback import LoopbackCamera
from tests.support.sink_fixtures import patches

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="v4l2loopback is a Linux module")

QUERYCAP, S_FMT, S_PARM, STREAMON, SUBSCRIBE, DQEVENT = (
    0x80685600,
    0xC0D05605,
    0xC0CC5616,
    0x40045612,
    0x4020565A,
    0x80885659,
)
CAPTURE, OUTPUT = 1, 2

resource = pytest.importorskip("resource", reason="this system has no limits on file size")


class Driver:
    """Replies to ``ioctl`` as v4l2loopback does, in the state that a test sets."""

    def __init__(self) -> None:
        self.name = "v4l2 loopback"
        self.capabilities = OUTPUT
        self.fixed_format: tuple[int, int, bytes] | None = None
        """Width, height and pixel format that a reader keeps."""
        self.refuses: dict[int, int] = {}
        """Error numbers by request."""
        self.readers: int | None = None
        """How many programs read, as the driver reports it; None: an older module, which reports nothing."""
        self.requests: list[int] = []

    def ioctl(self, handle: int, request: int, buffer: bytes) -> bytes:
        self.requests.append(request)
        if request in self.refuses:
            number = self.refuses[request]
            raise OSError(number, os.strerror(number))
        if request == QUERYCAP:
            names = struct.pack("16s32s32s", self.name.encode(), b"rtsod", b"platform:x")
            return names + struct.pack("<III", 0, 0x80000000, self.capabilities) + bytes(12)
        if request == S_FMT and self.fixed_format is not None:
            width, height, letters = self.fixed_format
            return buffer[:8] + struct.pack("<II4s", width, height, letters) + buffer[20:]
        if request in (SUBSCRIBE, DQEVENT) and self.readers is None:
            raise OSError(errno.EINVAL, "no such event")
        if request == DQEVENT:
            return bytes(8) + struct.pack("<I", self.readers) + bytes(124)
        return buffer


class Machine:
    """The root of a file system with one video device."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.device = root / "dev/video10"
        self.device.parent.mkdir(parents=True)
        self.device.touch()
        (root / "proc").mkdir()

    def process(self, number: int, name: str) -> None:
        """A process that has the device open."""
        folder = self.root / "proc" / str(number)
        (folder / "fd").mkdir(parents=True)
        (folder / "fd" / "3").symlink_to(self.device)
        (folder / "comm").write_text(f"{name}\n")

    def open(self, path: Path | None = None) -> LoopbackCamera:
        return LoopbackCamera(path, 96, 64, Fraction(30), root=self.root)

    def refusal(self, path: Path | None = None) -> str:
        """The message of a failed open."""
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OutputError) as caught:
            self.open(path)
        assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr("fcntl.ioctl", driver.ioctl)
    return driver


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_pictures_are_written_as_i420(driver: Driver, machine: Machine) -> None:
    camera = machine.open()
    assert (camera.name, camera.width, camera.height, camera.notes) == (str(machine.device), 96, 64, ())
    prepared = camera.prepare(patches())
    assert prepared.shape == (96, 96)
    camera.send(prepared)
    camera.close()
    camera.close()
    written = np.frombuffer(machine.device.read_bytes(), np.uint8)
    assert written.size == 96 * 64 * 3 // 2
    blue, green, red = (int(level) for level in patches()[0, 0])
    luma = round(16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256)  # BT.601, limited range
    assert abs(int(written[0]) - luma) <= 1


@pytest.mark.parametrize("refuses", [False, True], ids=["old module", "new module"])
def test_the_stream_is_started_explicitly(driver: Driver, machine: Machine, refuses: bool) -> None:
    if refuses:
        driver.refuses[STREAMON] = errno.EINVAL
    machine.open(machine.device).close()
    assert STREAMON in driver.requests


def test_the_rate_is_announced_where_the_driver_takes_it(driver: Driver, machine: Machine) -> None:
    driver.refuses[S_PARM] = errno.ENOTTY
    machine.open(machine.device).close()
    assert S_PARM in driver.requests


def test_the_size_that_a_reader_keeps_is_adopted(driver: Driver, machine: Machine) -> None:
    driver.fixed_format = (48, 32, b"YU12")
    camera = machine.open(machine.device)
    assert camera.prepare(patches()).shape == (48, 48)
    assert "keeps it at 48x32" in camera.notes[0]
    camera.close()


def test_another_format_that_a_reader_keeps_is_an_error_that_names_the_reader(driver: Driver, machine: Machine) -> None:
    driver.fixed_format = (640, 480, b"YUYV")
    machine.process(41, "zoom")
    message = machine.refusal(machine.device)
    assert "kept at 640x480 YUYV" in message
    assert "close zoom (process 41)" in message


def test_a_refused_format_says_how_to_reload_the_module(driver: Driver, machine: Machine) -> None:
    driver.refuses[S_FMT] = errno.EINVAL
    message = machine.refusal(machine.device)
    assert "does not take 96x64 I420" in message
    assert "modprobe -r v4l2loopback" in message


@pytest.mark.parametrize("how", ["its capabilities", "the driver's reply"])
def test_another_writer_is_named(driver: Driver, machine: Machine, how: str) -> None:
    machine.process(7, "obs")
    if how == "its capabilities":
        driver.capabilities = CAPTURE
    else:
        driver.refuses[S_FMT] = errno.EBUSY
    assert "busy, another program writes to it: close obs (process 7)" in machine.refusal(machine.device)


def test_a_killed_writer_does_not_block_the_device(driver: Driver, machine: Machine) -> None:
    driver.capabilities = CAPTURE  # as old modules report after a writer that never started a stream
    machine.open(machine.device).close()


def test_a_missing_exclusive_caps_is_noted(driver: Driver, machine: Machine) -> None:
    driver.capabilities = CAPTURE | OUTPUT
    camera = machine.open(machine.device)
    assert "no exclusive_caps=1" in camera.notes[0]
    camera.close()


def test_a_real_camera_is_not_written_to(driver: Driver, machine: Machine) -> None:
    driver.name = "uvcvideo"
    assert "driver uvcvideo), not a virtual camera" in machine.refusal(machine.device)


def test_a_missing_device_names_the_existing_ones(driver: Driver, machine: Machine) -> None:
    missing = machine.device.parent / "video99"
    assert machine.refusal(missing).endswith(f"does not exist: there is {machine.device}")


def test_a_missing_permission_says_how_to_get_it(driver: Driver, machine: Machine) -> None:
    driver.refuses[QUERYCAP] = errno.EACCES  # root, who may run this, is never refused by open() itself
    assert "group 'video'" in machine.refusal(machine.device)


@pytest.mark.parametrize("state", ["loaded", "installed", "missing"])
def test_without_any_device_the_setup_is_explained(machine: Machine, state: str) -> None:
    machine.device.unlink()
    if state == "loaded":
        (machine.root / "sys/module/v4l2loopback").mkdir(parents=True)
    if state == "installed":
        folder = machine.root / "lib/modules" / platform.release() / "updates"
        folder.mkdir(parents=True)
        (folder / "v4l2loopback.ko.xz").touch()
    message = machine.refusal()
    expected = {"loaded": "loaded but has no device", "installed": "not loaded", "missing": "not installed"}
    assert expected[state] in message
    assert "modprobe v4l2loopback" in message


@pytest.mark.parametrize(
    ("readers", "has_it_open", "read"), [(1, False, True), (0, True, False), (None, True, True), (None, False, False)]
)
def test_readers_are_counted_by_the_driver_or_else_by_who_has_it_open(
    driver: Driver, machine: Machine, readers: int | None, has_it_open: bool, read: bool
) -> None:
    driver.readers = readers
    camera = machine.open(machine.device)
    if has_it_open:
        machine.process(5, "cheese")
    assert camera.is_read() is read
    camera.close()


@contextmanager
def only_bytes_fit(count: int) -> Iterator[None]:
    """Limit the size of files, so that the system itself cuts a write short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_short_write_is_an_error(driver: Driver, machine: Machine) -> None:
    camera = machine.open(machine.device)
    prepared = camera.prepare(patches())
    with only_bytes_fit(5), pytest.raises(OSError, match="only 5 of 9216"):
        camera.send(prepared)
    camera.close()
