"""The cases that run inside the virtual machine: the real program between a real camera and a real loopback device.

    python -m tests.guest.cases [WORD]

With a word, only the cases whose names contain it run. Each prints ``pass`` or ``FAIL``; the exit status is the number
of failures.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from rtsod.cli.devices import device_lines
from rtsod.cli.doctor import video
from rtsod.cli.doctor.finding import Verdict
from rtsod.cli.doctor.report import examine
from rtsod.system import v4l2
from tests.guest import kernel
from tests.guest.faults import (
    ELSEWHERE,
    a_disconnect_and_a_stream_that_does_not_start_again,
    a_fault,
    back_under_another_number,
    killed_and_started_again_with_a_reader_attached,
    the_last_picture_is_a_slate,
)
from tests.guest.on_demand import (
    NEWER,
    on_demand_by_open_files,
    on_demand_by_the_drivers_report_and_a_slow_camera,
)
from tests.guest.processes import Program
from tests.guest.setting import (
    CAMERA,
    COMMON,
    OURS,
    PLAIN,
    ROOM,
    STATS,
    showing_output_on_failure,
    start,
    start_with_network,
    stop_cleanly,
    wait_until,
)
from tests.guest.vivid import set_control
from tests.guest.watching import Reader, call_client, colours_in, near

BLACK = 5
"""Number of vivid's black test pattern."""

T = TypeVar("T")


def the_system_lists_the_devices() -> None:
    names = [(device.name, device.captures, device.outputs) for device in v4l2.devices()]
    assert names == [("vivid", True, False), ("rtsod", False, True), ("plain", True, True)], names
    modes = v4l2.modes(CAMERA)
    assert any((mode.width, mode.height) == (320, 180) and mode.fps for mode in modes)
    identity = v4l2.identity(0)
    assert identity is not None
    assert v4l2.find(identity) == 0
    assert v4l2.capture_devices() == [0], "virtual cameras are not real cameras"
    lines = device_lines(v4l2.devices())
    assert re.search("YUYV .*320x180@", "\n".join(lines)), lines
    assert any("/dev/video10  rtsod, exclusive_caps=1, free" in line for line in lines), lines


def the_doctor_examines_the_devices() -> None:
    about = {finding.about: finding for finding in examine([video.cameras, video.virtual_cameras])}
    print("      ", *(f"{name}: {finding.found};" for name, finding in about.items()))
    assert re.fullmatch(r"vivid delivers frames, \d+x\d+ at .*", about["camera 0"].found)
    assert "exclusive_caps=Y,N" in about["v4l2loopback"].found
    assert about["video10"].found == "rtsod, free"
    assert "exclusive_caps=1" in about["video11"].fix


def is_the_square(corner: tuple[int, ...], middle: tuple[int, ...]) -> bool:
    """The white square in the middle is the salient object; the network is only fairly sure of it."""
    return near(corner, ROOM, 8) and min(middle) > 150


def the_real_network_seen_by_a_program_and_by_a_call() -> None:
    for name, value in (("Test Pattern", BLACK), ("Show Square", 1)):  # a salient object
        set_control(CAMERA, name, value)
    with start_with_network(kernel.link_by_id("usb-vivid-video-index0", CAMERA)) as program:
        program.wait_for_line("output: virtual camera")
        with showing_output_on_failure(program), Reader() as reader, call_client() as messages:
            reader.wait_for(lambda seen: seen.is_slate, "a slate while the network loads")
            # Opening the network and one inference take a minute or two on an emulated processor.
            picture = reader.wait_for(lambda seen: seen.is_picture, "a picture", timeout=300.0)
            print("       a reader sees", picture.corner, picture.middle)
            assert is_the_square(picture.corner, picture.middle)
            wait_until(
                lambda: any(is_the_square(*(colours_in(line) or ((), ()))) for line in messages), "a call sees it"
            )
            print("       a call sees", messages[-1])
        stop_cleanly(program)
    numbers = json.loads(STATS.read_text())
    print("      ", numbers["engine"], numbers["composited"], "pictures", numbers["events"])
    assert numbers["engine"]["name"] == "openvino"


def a_normal_run(program: Program, reader: Reader) -> None:
    picture = reader.wait_for(
        lambda seen: seen.is_picture and near(seen.corner, ROOM), "a picture with the right colours"
    )
    assert picture.size == "320x180"
    begin = len(reader.seen)
    reader.wait(lambda: len(reader.seen) >= begin + 20, "five seconds")
    window = reader.seen[begin:]
    rate = sum(seen.frames for seen in window[1:]) / (window[-1].at - window[0].at)
    print(f"      read at {rate:.1f} frames per second")
    assert 7 < rate < 13


def a_reader_leaves_and_another_comes(program: Program, reader: Reader) -> None:
    reader.end(signal.SIGKILL)
    again = Reader()
    again.wait_for(lambda seen: seen.is_picture and near(seen.corner, ROOM), "a picture for the next reader")
    again.end(signal.SIGKILL)


def a_busy_camera(program: Program) -> None:
    (found,) = examine([video.cameras])
    assert (found.verdict, found.fix) == (Verdict.FAILURE, "close that program")
    second = start(*COMMON, "--no-preview", "--stats", "/tmp/other.json")
    assert second.exit_status() == 3
    assert re.search(rf"/dev/video0 is in use by .*process {program.pid}", second.lines[-1]), second.lines
    assert program.running


def a_busy_device(program: Program) -> None:
    second = start("--source", "scene", "--size", "320x180", "--lite", "--virtual-camera", str(OURS))
    assert second.exit_status() == 6
    assert re.search(rf"busy.*process {program.pid}", second.lines[-1]), second.lines
    assert program.running


def a_device_without_exclusive_caps_of_odd_size() -> None:
    odd = start("--source", "scene", "--size", "321x181", "--lite", "--virtual-camera", str(PLAIN))
    odd.wait_for_line("no exclusive_caps=1.*modprobe")
    reader = Reader(PLAIN)
    reader.wait_for(lambda seen: seen.size == "322x182", "even sides")
    reader.end(signal.SIGKILL)
    stop_cleanly(odd)


def a_device_that_another_program_keeps_at_another_format() -> None:
    handle = os.open(PLAIN, os.O_RDWR)
    try:
        asked = struct.pack("<10I", 2, 0, 640, 480, v4l2.fourcc("YUYV"), 1, 1280, 640 * 480 * 2, 8, 0)
        fcntl.ioctl(handle, 0xC0D05605, asked.ljust(208, b"\0"))  # VIDIOC_S_FMT
        fcntl.ioctl(handle, 0x40045612, struct.pack("<i", 2))  # VIDIOC_STREAMON
        program = start("--source", "scene", "--size", "320x180", "--lite", "--virtual-camera", str(PLAIN))
        assert program.exit_status() == 6
    finally:
        os.close(handle)
    expected = rf"does not take 320x180 I420 \(it is kept at 640x480 YUYV\): close .*process {os.getpid()}.*modprobe -r"
    assert re.search(expected, program.lines[-1]), program.lines


def a_missing_camera_or_module() -> None:
    program = start("--source", "7", "--lite", "--virtual-camera", str(OURS))
    assert program.exit_status() == 3
    assert "there is /dev/video0" in program.lines[-1], program.lines
    kernel.unload("v4l2loopback")
    program = start("--source", "scene", "--lite", "--virtual-camera")
    assert program.exit_status() == 6
    assert re.search("v4l2loopback is not (installed|loaded).*modprobe v4l2loopback", program.lines[-1]), program.lines


def main(only: str = "") -> int:
    failures = 0
    began = time.monotonic()

    def check(case: Callable[..., T], *arguments: object) -> T | None:
        nonlocal failures
        name = case.__name__.replace("_", " ")
        if only not in name:
            return None
        started = time.monotonic()
        try:
            result = case(*arguments)
        except Exception as error:
            failures += 1
            print(f"FAIL  {name} ({time.monotonic() - started:.0f} s): {error}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            return None
        print(f"pass  {name} ({time.monotonic() - started:.0f} s)", flush=True)
        return result

    check(the_system_lists_the_devices)
    check(the_doctor_examines_the_devices)
    check(the_real_network_seen_by_a_program_and_by_a_call)
    for name in ("Test Pattern", "Show Square"):
        set_control(CAMERA, name, 0)
    program = start()
    program.wait_for_line("network:")
    reader = Reader()
    check(a_normal_run, program, reader)
    check(a_reader_leaves_and_another_comes, program, reader)
    check(a_busy_camera, program)
    check(a_busy_device, program)
    check(a_device_without_exclusive_caps_of_odd_size)
    check(a_device_that_another_program_keeps_at_another_format)
    reader = Reader()
    check(a_fault("Inject V4L2_BUF_FLAG_ERROR", slate=False), program, reader)
    check(a_fault("Inject Fatal Streaming Error", logs="stopped delivering|failed|no picture"), program, reader)
    check(a_fault("Percentage of Dropped Buffers", 100, logs="no frame for"), program, reader)
    check(a_disconnect_and_a_stream_that_does_not_start_again, program, reader)
    program = check(killed_and_started_again_with_a_reader_attached, program, reader) or program
    check(back_under_another_number, program, reader)
    check(the_last_picture_is_a_slate, program, reader)
    reader.end(signal.SIGKILL)
    if program.running:
        program.end(signal.SIGKILL)
    if ELSEWHERE.exists():
        kernel.unplug_camera()
        kernel.plug_camera_in()
    check(on_demand_by_open_files)
    if NEWER.exists():
        check(on_demand_by_the_drivers_report_and_a_slow_camera)
    else:
        print("skip  on demand by the driver's report: no newer v4l2loopback")
    check(a_missing_camera_or_module)
    print(f"{failures} failures, {time.monotonic() - began:.0f} s in the machine", flush=True)
    return failures


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
