"""What Linux reports about cameras, and how ``rtsod devices`` shows it."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path

import pytest

from rtsod.cli import devices
from rtsod.cli.devices import main
from rtsod.frames import Availability, SourceInfo
from rtsod.sources.rate_check import MEASURE_SECONDS, RateCheck, advice
from rtsod.system import v4l2
from rtsod.system.v4l2 import Device, Identity, Mode

MODES = [
    Mode("YUYV", 640, 480, Fraction(30)), Mode("YUYV", 1280, 720, Fraction(10)),
    Mode("MJPG", 1280, 720, Fraction(30)), Mode("MJPG", 640, 480, Fraction(30)), Mode("Y16", 640, 480, None),
]  # fmt: skip


def _device(index: int, name: str = "Cam", bus: str = "usb-1", **fields: object) -> Device:
    values = {"driver": "uvcvideo", "captures": True, "outputs": False} | fields
    return Device(index, Path(f"/dev/video{index}"), name, bus=bus, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ([_device(0, "Other"), _device(4)], 4),
        ([_device(2, bus="usb-9"), _device(3)], 3),
        ([_device(2, bus="usb-9")], 2),
        ([_device(2, bus="usb-8"), _device(3, bus="usb-9")], None),
        ([_device(0, "Other")], None),
    ],
    ids=["another number", "the one in its place", "plugged in elsewhere", "two alike, elsewhere", "gone"],
)
def test_a_camera_is_found_again(monkeypatch: pytest.MonkeyPatch, now: list[Device], expected: int | None) -> None:
    monkeypatch.setattr(v4l2, "devices", lambda folder: now)
    assert v4l2.find(Identity(frozenset(), "Cam", "usb-1")) == expected


def test_a_camera_is_found_by_its_link_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = tmp_path / "v4l" / "by-id"
    links.mkdir(parents=True)
    for index in (1, 2):
        (tmp_path / f"video{index}").touch()
        (links / f"usb-serial{index}").symlink_to(tmp_path / f"video{index}")
    twins = [Device(i, tmp_path / f"video{i}", "Cam", "uvcvideo", "usb-1", True, False) for i in (1, 2)]
    monkeypatch.setattr(v4l2, "devices", lambda folder: twins)
    assert v4l2.find(Identity(frozenset({"usb-serial2"}), "Cam", "usb-1"), tmp_path) == 2


def test_cameras_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [_device(0, "Cam"), _device(1, "Cam 2"), _device(2, "cam", driver=v4l2.LOOPBACK)]
    monkeypatch.setattr(v4l2, "devices", lambda folder: found)
    assert [device.index for device in v4l2.cameras_named("cam")] == [0]
    assert [device.index for device in v4l2.cameras_named("AM 2")] == [1]
    assert v4l2.cameras_named("microscope") == []


def test_other_processes_that_hold_a_device_are_named(tmp_path: Path) -> None:
    for number, target in ((12, "/dev/video0"), (13, "/dev/null"), (os.getpid(), "/dev/video0")):
        (tmp_path / str(number) / "fd").mkdir(parents=True)
        (tmp_path / str(number) / "fd" / "3").symlink_to(target)
        (tmp_path / str(number) / "comm").write_text("zoom\n")
    assert v4l2.holders(Path("/dev/video0"), tmp_path) == {12: "zoom"}


def test_a_program_that_closes_a_file_while_it_is_examined_still_holds_the_device(tmp_path: Path) -> None:
    open_files = tmp_path / "12" / "fd"
    open_files.mkdir(parents=True)
    (tmp_path / "12" / "comm").write_text("zoom\n")
    for number in range(8):
        (open_files / str(number)).write_text("")  # cannot be read as a link, like one that has just gone
    (open_files / "8").symlink_to("/dev/video0")
    assert v4l2.holders(Path("/dev/video0"), tmp_path) == {12: "zoom"}


@pytest.mark.parametrize(
    ("probe", "line"),
    [
        (Availability("", True, "yes"), "PipeWire camera: --virtual-camera pipewire"),
        (Availability("", False, "it is not installed: do it"), "no PipeWire camera: it is not installed: do it"),
    ],
)
def test_the_page_lists_cameras_and_virtual_cameras(
    monkeypatch: pytest.MonkeyPatch, probe: Availability, line: str
) -> None:
    monkeypatch.setattr("rtsod.sinks.pipewire.pipewire_available", lambda: probe)
    monkeypatch.setattr(v4l2, "modes", lambda path: MODES)
    monkeypatch.setattr(v4l2, "held_by", lambda path: "zoom (process 5)" if path.name == "video10" else "")
    monkeypatch.setattr(v4l2, "identity", lambda index: Identity(frozenset({"usb-Cam-1"}), "Cam", "usb-1"))
    found = [
        _device(0), _device(3, "Locked", readable=False),
        _device(10, "rtsod", driver=v4l2.LOOPBACK, captures=False, outputs=True),
        _device(11, "plain", driver=v4l2.LOOPBACK, captures=True, outputs=True),
    ]  # fmt: skip
    assert devices.device_lines(found) == [
        "cameras:",
        "  0  Cam  (/dev/video0, by-id usb-Cam-1)",
        "       MJPG  1280x720@30, 640x480@30",
        "       YUYV  1280x720@10, 640x480@30",
        "  3  Locked  (/dev/video3, by-id usb-Cam-1)",
        f"       {v4l2.no_permission(Path('/dev/video3'))}",
        "virtual cameras:",
        "  /dev/video10  rtsod, exclusive_caps=1, in use by zoom (process 5)",
        "  /dev/video11  plain, no exclusive_caps=1, so browsers do not list it, free",
        line,
    ]


def _measured(fps: float, promised: int = 30, pixel_format: str = "MJPG") -> list[str]:
    info = SourceInfo("cam", 1280, 720, Fraction(promised), live=True, pixel_format=pixel_format)
    told: list[str] = []
    check = RateCheck(info, 0, told.append, lambda index: MODES)
    for frame in range(round((MEASURE_SECONDS + 3) * fps)):
        check.frame(frame / fps)
    return told


def test_a_slow_camera_is_reported_once_with_advice(caplog: pytest.LogCaptureFixture) -> None:
    assert _measured(29.0) == _measured(22.0) == []
    assert _measured(7.5) == ["source_slow"]
    assert len(caplog.messages) == 1
    assert re.search(r"gives 7\.5 frames per second, not the 30 it promises.*light.*--size 640x480", caplog.messages[0])


def test_uncompressed_frames_are_suspected_first() -> None:
    info = SourceInfo("cam", 1280, 720, Fraction(30), live=True, pixel_format="YUYV")
    assert "MJPG" in advice(info, MODES)
    assert advice(info, []) == "give it more light, or turn off its automatic exposure"


def test_the_command_works_on_every_system(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([]) == 0
    assert "camera" in capsys.readouterr().out
    monkeypatch.setattr("sys.platform", "darwin")
    assert main([]) == 0
    assert "on Linux only" in capsys.readouterr().out
