"""``--on-demand``: the camera is open while a program reads, whichever way readers are detected."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rtsod.sinks.loopback import reports_readers
from rtsod.sources.recovery import IDLE_SECONDS
from rtsod.system import v4l2
from tests.guest import kernel
from tests.guest.processes import Program
from tests.guest.setting import (
    CAMERA,
    COMMON,
    OURS,
    ROOM,
    STATS,
    showing_output_on_failure,
    start,
    stop_cleanly,
    wait_until,
)
from tests.guest.vivid import set_control
from tests.guest.watching import Reader, near

NEWER = kernel.MODULES / "v4l2loopback-newer.ko"


@contextmanager
def on_demand(*options: str) -> Iterator[Program]:
    """A run on demand: without a reader, with one (in the ``with`` block), and without one again."""
    program = start(*options, "--virtual-camera", str(OURS), "--on-demand", "--stats", str(STATS))
    with program:
        program.wait_for_line("network:")
        wait_until(lambda: not v4l2.holders(CAMERA), "without a reader the camera is closed")
        yield program
        wait_until(lambda: not v4l2.holders(CAMERA), "after the reader has gone the camera is closed again")
        stop_cleanly(program)


@contextmanager
def read_on_demand(program: Program) -> Iterator[Reader]:
    with Reader() as reader:
        reader.wait_for(lambda seen: seen.is_picture, "a picture once a program reads")
        with showing_output_on_failure(program):  # a camera that is opened again is told by the run's events
            what = "the program has the camera open while another one reads"
            wait_until(lambda: program.pid in v4l2.holders(CAMERA), what)
        yield reader


def on_demand_by_open_files() -> None:
    assert not reports_readers(OURS), "this driver does not report readers"
    with on_demand(*COMMON, "--source", "vivid") as program, read_on_demand(program):
        pass
    assert json.loads(STATS.read_text())["events"] == {}


def on_demand_by_the_drivers_report_and_a_slow_camera() -> None:
    kernel.unload("v4l2loopback")
    kernel.load("v4l2loopback-newer", "devices=1 video_nr=10 exclusive_caps=1 card_label=rtsod")
    with on_demand(*COMMON, "--size", "640x360") as program:
        assert reports_readers(OURS)
        idle = os.open(OURS, os.O_RDWR)  # has it open, but does not read
        time.sleep(IDLE_SECONDS)
        assert not v4l2.holders(CAMERA), "the driver reports no reader"
        os.close(idle)
        set_control(CAMERA, "Percentage of Dropped Buffers", 50)
        with read_on_demand(program) as reader:
            slow = "frames per second, not the 10 it promises: .*more light.*use --size 320x180, which it lists"
            program.wait_for_line(slow)
            set_control(CAMERA, "Percentage of Dropped Buffers", 0)
            begin = len(reader.seen)
            reader.wait_for(lambda seen: seen.is_picture and near(seen.corner, ROOM), "the right colours", begin)
    assert json.loads(STATS.read_text())["events"]["source_slow"] >= 1
