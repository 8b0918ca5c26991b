"""What befalls the camera, the program and its device while somebody watches."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from rtsod.sources.recovery import STABLE_SECONDS
from rtsod.system import v4l2
from tests.guest import kernel
from tests.guest.processes import Told
from tests.guest.setting import CAMERA, ROOM, leave_quietly, start
from tests.guest.vivid import set_control
from tests.guest.watching import Reader, near

ELSEWHERE = Path("/dev/video1")
"""Where the camera comes back while its number is taken."""


def let_it_be_steady(reader: Reader) -> None:
    """The back-off begins anew only with a camera that has been steady."""
    since = next((i for i, seen in reversed([*enumerate(reader.seen)]) if not seen.is_picture), 0)
    reader.wait(lambda: len(reader.seen) > since + 4 * (STABLE_SECONDS + 1), "a while of pictures")
    reader.wait_for(lambda seen: seen.is_picture, "a picture before", len(reader.seen))


def a_fault(
    name: str, value: int = 1, *, slate: bool = True, says: str | None = None
) -> Callable[[Told, Reader], None]:
    def case(program: Told, reader: Reader) -> None:
        let_it_be_steady(reader)
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
        reader.wait(lambda: len(reader.seen) >= begin + 8, "two seconds more")
        told = [line for line in program.lines[lines:] if line.startswith("rtsod: ")]
        if says is not None:
            assert len([line for line in told if re.search(says, line)]) == 1, told
        gaps = [
            later.at - sooner.at for sooner, later in zip(reader.seen[begin:], reader.seen[begin + 1 :], strict=False)
        ]
        assert max(gaps) < 1.5, f"the output stood still for {max(gaps):.1f} s"
        print("      it said:", *told)

    case.__name__ = f"fault {name!r}"
    return case


def a_disconnect_and_a_stream_that_does_not_start_again(program: Told, reader: Reader) -> None:
    set_control(CAMERA, "Inject VIDIOC_STREAMON Error")
    a_fault("Disconnect")(program, reader)


def killed_and_started_again_with_a_reader_attached(program: Told, reader: Reader) -> Told:
    reader.wait_for(lambda seen: seen.is_picture, "a picture before")
    begin = len(reader.seen)
    program.end(signal.SIGKILL)
    reader.wait(lambda: "nothing" in reader.lines[-1], "the reader gets nothing")
    assert not any(seen.is_picture and not near(seen.corner, ROOM) for seen in reader.seen[begin:])
    program = start()
    program.wait_for_line("network:")
    begin = len(reader.seen)
    try:
        reader.wait_for(lambda seen: seen.is_picture and near(seen.corner, ROOM), "a picture, same reader", begin)
    except AssertionError as error:
        raise AssertionError(f"{error}\nthe program says\n  " + "\n  ".join(program.lines)) from None
    return program


def back_under_another_number(program: Told, reader: Reader) -> None:
    let_it_be_steady(reader)
    lines, begin = len(program.lines), len(reader.seen)
    holds = os.open(CAMERA, os.O_RDONLY | os.O_NONBLOCK)  # as programs do that have not noticed yet
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
        os.close(holds)
    print("      it said:", *(line for line in program.lines[lines:] if line.startswith("rtsod: ")))


def it_ends_with_a_slate(program: Told, reader: Reader) -> None:
    leave_quietly(program)
    reader.wait(lambda: "nothing" in reader.lines[-1], "the end")
    assert reader.seen[-1].is_slate, reader.seen[-1]
