"""What is tried inside the virtual machine: the real program between a real camera and a real loopback device.

    python -m tests.guest.cases [WORD]

With a word, only the cases whose names contain it. Each says ``pass`` or ``FAIL``; the exit status is the number of
failures.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from rtsod import v4l2
from rtsod.devices import device_lines
from rtsod.sinks._loopback import tells_readers
from rtsod.supervised_source import IDLE_SECONDS, STEADY_SECONDS
from tests.guest import kernel
from tests.guest.processes import PATIENCE, Told
from tests.guest.vivid import set_control

CAMERA, OURS, PLAIN = Path("/dev/video0"), Path("/dev/video10"), Path("/dev/video11")
ELSEWHERE = Path("/dev/video1")
"""Where the camera comes back while its number is taken."""
NEWER = kernel.MODULES / "v4l2loopback-newer.ko"
STATS = Path("/tmp/guest-stats.json")
ROOM = (64, 160, 32)
"""B G R of the background the program is given: #20A040."""
BLACK = 5
"""Of vivid's patterns."""
LOOKS = ["--size", "320x180", "--fps", "10", "--bg", "#20A040", "--lite"]
COMMON = [*LOOKS, "--source", "0", "--max-mask-age", "0.6"]
"""The age is such that the second until the first new attempt is seen as slates."""

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    at: float
    frames: int
    size: str
    corner: tuple[int, ...]
    middle: tuple[int, ...]

    @property
    def is_slate(self) -> bool:
        return near(self.middle, ROOM)

    @property
    def is_picture(self) -> bool:
        return bool(self.middle) and not self.is_slate


class Reader(Told):
    """Another program that watches the virtual camera."""

    def __init__(self, device: Path = OURS) -> None:
        super().__init__("tests.guest.reader", str(device))

    @property
    def seen(self) -> list[Seen]:
        found = []
        for line in self.lines:
            if (parts := re.fullmatch(r"([\d.]+) (\d+) (\d+x\d+) \[(.*)\] \[(.*)\]", line)) is not None:
                corner, middle = (tuple(map(int, parts[group].split(", "))) for group in (4, 5))
                found.append(Seen(float(parts[1]), int(parts[2]), parts[3], corner, middle))
        return found

    def wait_for(self, ready: Callable[[Seen], bool], what: str, since: int = 0) -> Seen:
        """The first thing seen that is so, after so many others."""
        self.wait(lambda: any(ready(seen) for seen in self.seen[since:]), what)
        return next(seen for seen in self.seen[since:] if ready(seen))


def near(a: tuple[int, ...], b: tuple[int, ...], levels: int = 2) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= levels for x, y in zip(a, b, strict=True))


def start(*options: str) -> Told:
    return Told("tests.guest.program", *(options or (*COMMON, "--virtual-camera", str(OURS))))


def leave_quietly(program: Told, code: int = 143) -> None:
    assert program.end() == code, program.lines[-3:]
    assert not any("Traceback" in line for line in program.lines), program.lines


def start_with_the_network(source: Path) -> Told:
    """As a user does, with nothing replaced; the smallest input, since one inference takes four seconds here."""
    script = Path(__file__).parents[2] / "run_camera.py"
    small = ("--input-size", "64", "--source", str(source), "--stats", str(STATS))
    return Told(script, *LOOKS, *small, "--virtual-camera", str(OURS))


def wait_until(ready: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < ends, what
        time.sleep(0.1)


# ------------------------------------------------------------------------ cases


def what_the_system_says() -> None:
    names = [(device.name, device.captures, device.outputs) for device in v4l2.devices()]
    assert names == [("vivid", True, False), ("rtsod", False, True), ("plain", True, True)], names
    modes = v4l2.modes(CAMERA)
    assert any((mode.width, mode.height) == (320, 180) and mode.fps for mode in modes)
    where = v4l2.identity(0)
    assert where is not None
    assert v4l2.find(where) == 0
    assert v4l2.capture_devices() == [0], "virtual cameras are not for reading"
    lines = device_lines(v4l2.devices())
    assert re.search("YUYV .*320x180@", "\n".join(lines)), lines
    assert any("/dev/video10  rtsod, exclusive_caps=1, free" in line for line in lines), lines


def the_real_network() -> None:
    for name, value in (("Test Pattern", BLACK), ("Show Square", 1)):  # something that stands out
        set_control(CAMERA, name, value)
    with start_with_the_network(kernel.link_by_id("usb-vivid-video-index0", CAMERA)) as program:
        program.wait_for_line("output: virtual camera")
        with Reader() as reader:
            reader.wait_for(lambda seen: seen.is_slate, "a slate while the network is loaded")
            picture = reader.wait_for(lambda seen: seen.is_picture, "a picture")
            print("       it shows", picture.corner, picture.middle)
            assert near(picture.corner, ROOM, 8), picture
            assert min(picture.middle) > 200, "the square is what stands out"
            a_call_client(program)
        leave_quietly(program)
    numbers = json.loads(STATS.read_text())
    print("      ", numbers["engine"], numbers["composited"], "pictures", numbers["events"])
    assert numbers["engine"]["name"] == "openvino"


def a_normal_run(program: Told, reader: Reader) -> None:
    picture = reader.wait_for(lambda seen: seen.is_picture and near(seen.corner, ROOM), "a picture, its colours right")
    assert picture.size == "320x180"
    begin = len(reader.seen)
    reader.wait(lambda: len(reader.seen) >= begin + 20, "five seconds")
    window = reader.seen[begin:]
    rate = sum(seen.frames for seen in window[1:]) / (window[-1].at - window[0].at)
    print(f"      read at {rate:.1f} frames per second")
    assert 7 < rate < 13


def a_reader_leaves_and_another_comes(program: Told, reader: Reader) -> None:
    reader.end(signal.SIGKILL)
    again = Reader()
    again.wait_for(lambda seen: seen.is_picture and near(seen.corner, ROOM), "a picture for the next reader")
    again.end(signal.SIGKILL)


def a_busy_camera(program: Told) -> None:
    second = start(*COMMON, "--no-preview", "--stats", "/tmp/other.json")
    assert second.ended() == 3
    assert re.search(rf"/dev/video0 is in use by .*process {program.pid}", second.lines[-1]), second.lines
    assert program.runs


def a_busy_device(program: Told) -> None:
    second = start("--source", "demo", "--size", "320x180", "--lite", "--virtual-camera", str(OURS))
    assert second.ended() == 6
    assert re.search(rf"busy.*process {program.pid}", second.lines[-1]), second.lines
    assert program.runs


def a_device_without_exclusive_caps_of_odd_size() -> None:
    odd = start("--source", "demo", "--size", "321x181", "--lite", "--virtual-camera", str(PLAIN))
    odd.wait_for_line("no exclusive_caps=1.*modprobe")
    reader = Reader(PLAIN)
    reader.wait_for(lambda seen: seen.size == "322x182", "even sides")
    reader.end(signal.SIGKILL)
    leave_quietly(odd)


def a_device_that_keeps_another_format() -> None:
    handle = os.open(PLAIN, os.O_RDWR)
    letters = v4l2.fourcc("YUYV")
    asked = struct.pack("<10I", 2, 0, 640, 480, letters, 1, 1280, 640 * 480 * 2, 8, 0)
    fcntl.ioctl(handle, 0xC0D05605, asked.ljust(208, b"\0"))  # VIDIOC_S_FMT
    set_control(PLAIN, "keep_format")
    os.close(handle)
    program = start("--source", "demo", "--size", "320x180", "--lite", "--virtual-camera", str(PLAIN))
    assert program.ended() == 6
    expected = r"does not take 320x180 I420 \(it is kept at 640x480 YUYV\): close .*modprobe -r v4l2loopback"
    assert re.search(expected, program.lines[-1]), program.lines
    set_control(PLAIN, "keep_format", 0)


def a_call_client(program: Told) -> None:
    said: list[str] = []
    page = (Path(__file__).parent / "call.html").read_bytes()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/say?"):
                said.append(unquote(self.path[5:]))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page if self.path == "/" else b"")

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 8000), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = Path("/tmp/guest-chromium/Default")
    profile.mkdir(parents=True)
    allowed = {"media_stream_camera": {"http://localhost:8000,*": {"setting": 1}}}
    (profile / "Preferences").write_text(json.dumps({"profile": {"content_settings": {"exceptions": allowed}}}))
    client = subprocess.Popen(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream",
         "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile.parent}", "http://localhost:8000/"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ends = time.monotonic() + 180
        while len(said) < 3 and not (said and "error" in said[-1]) and time.monotonic() < ends:
            time.sleep(0.5)
    finally:
        client.kill()
        server.shutdown()
    print("      its page saw:", *said[-1:])
    seen = re.fullmatch(r"(.*): 320x180 \[(.*)\] \[(.*)\]", said[-1]) if said else None
    assert seen is not None, said
    corner, middle = (tuple(map(int, seen[group].split(","))) for group in (2, 3))
    assert near(corner, ROOM, 6)
    assert not near(middle, ROOM, 20)


def a_fault(
    name: str, value: int = 1, *, slate: bool = True, says: str | None = None
) -> Callable[[Told, Reader], None]:
    def case(program: Told, reader: Reader) -> None:
        begin = len(reader.seen)
        # The back-off begins anew only with a camera that has been steady.
        reader.wait(lambda: len(reader.seen) > begin + 4 * (STEADY_SECONDS + 1), "a while of pictures")
        reader.wait_for(lambda seen: seen.is_picture, "a picture before", len(reader.seen))
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


def a_stream_that_does_not_start_again(program: Told, reader: Reader) -> None:
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


def it_ends_with_a_slate(program: Told, reader: Reader) -> None:
    leave_quietly(program)
    reader.wait(lambda: "nothing" in reader.lines[-1], "the end")
    assert reader.seen[-1].is_slate, reader.seen[-1]


def back_under_another_number(program: Told, reader: Reader) -> None:
    begin = len(reader.seen)
    reader.wait(lambda: len(reader.seen) > begin + 4 * (STEADY_SECONDS + 1), "a while of pictures")
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


@contextmanager
def on_demand(*options: str) -> Iterator[Told]:
    """A run on demand: nobody reads, somebody does (inside), nobody does any more."""
    program = start(*options, "--virtual-camera", str(OURS), "--on-demand", "--stats", str(STATS))
    with program:
        program.wait_for_line("network:")
        wait_until(lambda: not v4l2.holders(CAMERA), "nobody reads: the camera is closed")
        yield program
        wait_until(lambda: not v4l2.holders(CAMERA), "the reader has gone: the camera is closed again")
        leave_quietly(program)


def read_on_demand(program: Told) -> Reader:
    reader = Reader()
    reader.wait_for(lambda seen: seen.is_picture, "a picture once somebody reads")
    assert program.pid in v4l2.holders(CAMERA)
    return reader


def on_demand_by_who_has_it_open() -> None:
    assert not tells_readers(OURS), "this driver does not"
    with on_demand(*COMMON, "--source", "vivid") as program, read_on_demand(program):
        pass
    assert json.loads(STATS.read_text())["events"] == {}


def on_demand_by_the_drivers_word_and_a_slow_camera() -> None:
    kernel.unload("v4l2loopback")
    kernel.load("v4l2loopback-newer", "devices=1 video_nr=10 exclusive_caps=1 card_label=rtsod")
    with on_demand(*COMMON, "--size", "640x360") as program:
        assert tells_readers(OURS)
        idle = os.open(OURS, os.O_RDWR)  # looks, but does not read
        time.sleep(IDLE_SECONDS)
        assert not v4l2.holders(CAMERA), "the driver says that nobody reads"
        os.close(idle)
        set_control(CAMERA, "Percentage of Dropped Buffers", 50)
        with read_on_demand(program) as reader:
            slow = "frames per second, not the 10 it promises: .*more light.*ask for --size 320x180, which it lists"
            program.wait_for_line(slow)
            set_control(CAMERA, "Percentage of Dropped Buffers", 0)
            begin = len(reader.seen)
            reader.wait_for(lambda seen: seen.is_picture and near(seen.corner, ROOM), "the colours right", begin)
    assert json.loads(STATS.read_text())["events"]["source_slow"] >= 1


def a_missing_camera_or_module() -> None:
    program = start("--source", "7", "--lite", "--virtual-camera", str(OURS))
    assert program.ended() == 3
    assert "there is /dev/video0" in program.lines[-1], program.lines
    kernel.unload("v4l2loopback")
    program = start("--source", "demo", "--lite", "--virtual-camera")
    assert program.ended() == 6
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

    check(what_the_system_says)
    check(the_real_network)
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
    check(a_device_that_keeps_another_format)
    reader = Reader()
    check(a_fault("Inject V4L2_BUF_FLAG_ERROR", slate=False), program, reader)
    check(a_fault("Disconnect", says="stopped delivering|failed"), program, reader)
    check(a_fault("Inject Fatal Streaming Error", says="stopped delivering|failed|no picture"), program, reader)
    check(a_fault("Percentage of Dropped Buffers", 100, says="no picture for"), program, reader)
    check(a_stream_that_does_not_start_again, program, reader)
    program = check(killed_and_started_again_with_a_reader_attached, program, reader) or program
    check(back_under_another_number, program, reader)
    check(it_ends_with_a_slate, program, reader)
    reader.end(signal.SIGKILL)
    if program.runs:
        program.end(signal.SIGKILL)
    if ELSEWHERE.exists():
        kernel.unplug_camera()
        kernel.plug_camera_in()
    check(on_demand_by_who_has_it_open)
    if NEWER.exists():
        check(on_demand_by_the_drivers_word_and_a_slow_camera)
    else:
        print("skip  on demand by the driver's word: no newer v4l2loopback")
    check(a_missing_camera_or_module)
    print(f"{failures} failures, {time.monotonic() - began:.0f} s in the machine", flush=True)
    return failures


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
