"""Faults of the camera, the program and its device while another program reads."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from rtsod.sources.recovery import STABLE_SECONDS
from rtsod.system import v4l2
from tests.guest import kernel
from tests.guest.processes import Program
from tests.guest.setting import CAMERA, ROOM, showing_output_on_failure, start, stop_cleanly
from tests.guest.vivid import set_control
from tests.guest.watching import Reader, near

ELSEWHERE = Path("/dev/video1")
"""Where the camera returns while its old number is still taken."""


def wait_for_reset_back_off(reader: Reader) -> None:
    """Wait until the camera has worked for long enough to reset the back-off between attempts to open it."""
    since = next((i for i, seen in reversed([*enumerate(reader.seen)]) if not seen.is_picture), 0)
    reader.wait(lambda: len(reader.seen) > since + 4 * (STABLE_SECONDS + 1), "enough pictures")
    reader.wait_for(lambda seen: seen.is_picture, "a picture before", len(reader.seen))


def a_fault(
    name: str, value: int = 1, *, slate: bool = True, logs: str | None = None
) -> Callable[[Program, Reader], None]:
    def case(program: Program, reader: Reader) -> None:
        wait_for_reset_back_off(reader)
        lines, begin = len(program.lines), len(reader.seen)
        set_control(CAMERA, name, value)
        if slate:
            shown = reader.wait_for(lambda seen: seen.is_slate, "a slate", begin)
            begin = reader.seen.index(shown)
        if value > 1:
            set_control(CAMERA, name, 0)
        if slate:
            program.wait_for_line("delivers again", lines)
        reader.wait_for(lambda seen: seen.is_picture, "a picture after", begin)
        reader.wait(lambda: len(reader.seen) >= begin + 8, "two more seconds")
        logged = [line for line in program.lines[lines:] if line.startswith("rtsod: ")]
        if logs is not None:
            assert len([line for line in logged if re.search(logs, line)]) == 1, logged
        gaps = [
            later.at - sooner.at for sooner, later in zip(reader.seen[begin:], reader.seen[begin + 1 :], strict=False)
        ]
        assert max(gaps) < 1.5, f"the output stopped for {max(gaps):.1f} s"
        print("      it logged:", *logged)

    case.__name__ = f"fault {name!r}"
    return case


def a_disconnect_and_a_stream_that_does_not_start_again(program: Program, reader: Reader) -> None:
    set_control(CAMERA, "Inject VIDIOC_STREAMON Error")
    a_fault("Disconnect")(program, reader)


def killed_and_started_again_with_a_reader_attached(program: Program, reader: Reader) -> Program:
    reader.wait_for(lambda seen: seen.is_picture, "a picture before")
    begin = len(reader.seen)
    program.end(signal.SIGKILL)
    reader.wait(lambda: "nothing" in reader.lines[-1], "the reader receives nothing")
    assert not any(seen.is_picture and not near(seen.corner, ROOM) for seen in reader.seen[begin:])
    program = start()
    program.wait_for_line("network:")
    begin = len(reader.seen)
    with showing_output_on_failure(program):
        reader.wait_for(
            lambda seen: seen.is_picture and near(seen.corner, ROOM), "a picture for the same reader", begin
        )
    return program


def back_under_another_number(program: Program, reader: Reader) -> None:
    wait_for_reset_back_off(reader)
    lines, begin = len(program.lines), len(reader.seen)
    handle = os.open(CAMERA, os.O_RDONLY | os.O_NONBLOCK)  # as a program that has not noticed keeps it open
    try:
        kernel.unplug_camera()
        shown = reader.wait_for(lambda seen: seen.is_slate, "a slate", begin)
        assert not CAMERA.exists()
        kernel.plug_camera_in()
        assert v4l2.capture_devices() == [1], v4l2.capture_devices()
        program.wait_for_line("delivers again", lines)
        reader.wait_for(lambda seen: seen.is_picture, "a picture after", reader.seen.index(shown))
        assert program.pid in v4l2.holders(ELSEWHERE)
    finally:
        os.close(handle)
    print("      it logged:", *(line for line in program.lines[lines:] if line.startswith("rtsod: ")))


def the_last_picture_is_a_slate(program: Program, reader: Reader) -> None:
    stop_cleanly(program)
    reader.wait(lambda: "nothing" in reader.lines[-1], "the end")
    assert reader.seen[-1].is_slate, reader.seen[-1]
