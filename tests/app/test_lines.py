"""What everybody is told: at most eight lines in plain words, and the last one says what to do next."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.app import edges, engines, planning
from rtsod.app import run as app_run
from rtsod.app.next_step import next_step, nothing_shown
from rtsod.app.plain_words import masks_line, small_line, source_line, summary_line
from rtsod.backends.constant import ConstantEngine
from rtsod.cli.run import main
from rtsod.config import EngineConfig, OutputConfig, RunConfig
from rtsod.frames import Availability, SourceInfo
from rtsod.mask_plan import Budget, InferenceCost, MaskPlan, Rung
from rtsod.metrics import Metrics
from rtsod.sinks.preview import Key
from rtsod.sinks.virtual_camera import VirtualCameraSink
from tests.support.sink_fixtures import FakeDevice

CAMERA = SourceInfo("camera", 640, 360, Fraction(30), live=True, pixel_format="MJPG")
FILE = replace(CAMERA, name="talk.mp4", live=False)
STILLS = SourceInfo("photos", None, None, None, live=False, stills=True, frames=2)
ENGINEERS_WORDS = re.compile(
    r"openvino|tensorrt|onnx|\b(int8|fp16|fp32|float|roi|rung|inference|composited|p95)\b", re.IGNORECASE
)


class Window:
    """A window that nobody sees, closed as soon as something is shown."""

    def __init__(self, sink: Any) -> None:
        self.sink = sink

    def pump(self, timeout: float, overlay: object = ()) -> Key | None:
        picture = self.sink.take()
        return Key.QUIT if picture is not None and not picture.is_slate else None

    def close(self) -> None: ...


class Camera(VirtualCameraSink):
    """A virtual camera without a device."""

    def __init__(self, device: str | None, **options: Any) -> None:
        super().__init__("OBS", **options, opener=FakeDevice)


def _first_start(
    config: EngineConfig, weights: object, notify: Any, progress: Any = None, report: Any = None
) -> ConstantEngine:
    """Opens as slowly as it gets: the model is downloaded and converted."""
    if report is not None:
        report(0, 4_574_861)
    notify("converting the lite model (8 bits) for this computer, once: a few seconds")
    return ConstantEngine(config.side)


@pytest.mark.parametrize(
    ("options", "display", "last"),
    [
        ("--duration 1 --bg beach.jpg", False, "next: look at rtsod-output.mp4; with a camera connected"),
        ("", True, "next: with a camera connected"),
        ("--source scene --bg beach.jpg", True, "next: add --virtual-camera"),
        ("--source scene --output o.mp4 --duration 1", True, "next: look at o.mp4"),
        ("--source scene --virtual-camera --duration 1", True, "next: start this again before a call"),
        ("--source photos --mask-output masks", False, "next: look at masks"),
        ("--source photos", False, "next: look at rtsod-output"),
        ("--source photos --no-preview", True, "next: look at rtsod-output"),
        ("--source scene --duration 1 --stats s.json", False, "frames: "),
    ],
)
def test_a_first_run_prints_at_most_eight_plain_lines(
    options: str,
    display: bool,
    last: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), np.full((40, 60, 3), 90, np.uint8))
    monkeypatch.setattr("rtsod.system.v4l2.capture_devices", list)
    monkeypatch.setattr(engines, "open_engine", _first_start)
    monkeypatch.setattr(planning, "inference_cost", lambda *_: InferenceCost(0.2, 0.2))
    window = Availability("display", display, "no display: DISPLAY is not set")
    monkeypatch.setattr(edges, "display_available", lambda: window)
    monkeypatch.setattr("rtsod.sinks.display_available", lambda: window)
    monkeypatch.setattr(app_run, "PreviewWindow", Window)
    monkeypatch.setattr("rtsod.sinks.VirtualCameraSink", Camera)
    assert main([*options.split(), "--lite"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 8, lines
    assert lines[-1].startswith(last), lines
    assert not ENGINEERS_WORDS.search("\n".join(lines)), lines


@pytest.mark.parametrize(
    ("info", "output", "facts", "says"),
    [
        (CAMERA, OutputConfig(virtual_camera="auto"), {"virtual_camera": "rtsod"}, "choose 'rtsod' as the camera"),
        (CAMERA, OutputConfig(preview=True), {}, "add --virtual-camera"),
        (CAMERA, OutputConfig(preview=True), {"no_camera": True}, "'rtsod devices' lists"),
        (CAMERA, OutputConfig(outputs=(Path("o.mp4"),)), {}, "look at o.mp4; --virtual-camera"),
        (CAMERA, OutputConfig(outputs=(Path("o.mp4"),)), {"no_camera": True}, "look at o.mp4; with a camera"),
        (CAMERA, OutputConfig(), {}, "'rtsod bench'"),
        (FILE, OutputConfig(preview=True), {}, "add --output FILE.mp4"),
        (FILE, OutputConfig(outputs=(Path("o.mp4"),), mask_outputs=(Path("m"),)), {}, "look at o.mp4 and m"),
        (FILE, OutputConfig(pipe="nut"), {}, "--output FILE.mp4 beside this one"),
        (FILE, OutputConfig(pipe="nut"), {"transparent": True}, "--output FILE.webm beside this one"),
        (STILLS, OutputConfig(pipe="nut"), {"transparent": True}, "--output FOLDER beside this one"),
        (STILLS, OutputConfig(mask_outputs=(Path("m"),)), {}, "look at m"),
        (STILLS, OutputConfig(outputs=(Path("p"),)), {}, "look at p; --mask-output FOLDER"),
        (STILLS, OutputConfig(preview=True), {}, "add --output FOLDER"),
    ],
)
def test_the_next_step_follows_what_was_just_done(
    info: SourceInfo, output: OutputConfig, facts: dict[str, Any], says: str
) -> None:
    line = next_step(info, output, **{"no_camera": False, "virtual_camera": None, **facts})
    assert line.startswith(f"next: {says}") or says in line
    assert not ENGINEERS_WORDS.search(line)


def test_where_nothing_was_shown_the_line_says_what_can_help() -> None:
    assert nothing_shown("full", ended_by_user=True) == "interrupted before the first mask was ready"
    assert "try --lite" in nothing_shown("full", ended_by_user=False)
    assert "--lite" not in nothing_shown("lite", ended_by_user=False)


def test_a_line_says_what_was_given_up_for_speed() -> None:
    budget = Budget(1 / 30, 2.0, InferenceCost(0.0612, 0.1))
    rungs = (Rung(320), Rung(160, region=True), Rung(160, region=True, mask_interval=2), Rung(224))
    lines = [masks_line(MaskPlan(rungs, 1.0, start=start, budget=budget)) for start in range(4)]
    because = "because this computer needs 61 ms for a whole picture"
    assert lines == [
        None,
        f"masks: of the area around the subject, {because}",
        f"masks: for one frame in 2, of the area around the subject, {because}",
        f"masks: coarser, {because}",
    ]
    small = (Rung(192), Rung(192, mask_interval=2))
    assert masks_line(MaskPlan(small, 1.0, start=1, budget=budget)) == f"masks: for one frame in 2, {because}"
    assert masks_line(MaskPlan(rungs[1:2], 1.0)) is None, "what was requested needs no line"


def test_the_source_and_the_numbers_in_one_line_each() -> None:
    assert source_line(CAMERA) == "source: camera, 640x360, 30 fps"
    assert source_line(STILLS) == "source: photos, 2 pictures"
    numbers: Any = Metrics().snapshot()
    numbers.update(captured=12, composited=10, unreadable=3, seconds=2.0, dropped={"stopped": 1}, output_fps=29.96)
    assert summary_line(FILE, numbers) == (
        "frames: 10 of 11 (--verbose says what became of the others), 3 more were unreadable, in 2.0 seconds"
    )
    numbers.update(composited=12, missed=0, unreadable=0, dropped={}, latency_ms={"p50": 9.6, "p95": 20, "p99": 30})
    assert summary_line(CAMERA, numbers) == "frames: 12 of 12, 30.0 a second, each about 10 ms after it was captured"
    numbers.update(captured=14, missed=3, starting=5, dropped={"no_mask": 2})
    assert summary_line(CAMERA, numbers) == (
        "frames: 12 of 12, 30.0 a second, each about 10 ms after it was captured; 5 more came while the network started"
    )
    numbers.update(captured=17, dropped={"no_mask": 2, "before_compositing": 1, "untracked": 2})
    assert summary_line(CAMERA, numbers).startswith("frames: 12 of 15 (--verbose says what became of the others), 30.0")


def test_frames_too_small_for_the_network_are_named() -> None:
    assert small_line(replace(CAMERA, width=160, height=120)) is not None
    assert small_line(replace(CAMERA, width=120, height=160)) is not None
    assert small_line(replace(CAMERA, width=213, height=160)) is None
    assert small_line(STILLS) is None, "their sizes are not known yet"


@pytest.mark.parametrize(
    ("output", "run", "info", "says"),
    [
        (OutputConfig(outputs=(Path("o.mp4"),)), RunConfig(), CAMERA, ", until you press Ctrl-C"),
        (OutputConfig(virtual_camera="auto"), RunConfig(), CAMERA, ", until you press Ctrl-C"),
        (OutputConfig(outputs=(Path("o.mp4"),)), RunConfig(duration=5), CAMERA, ""),
        (OutputConfig(outputs=(Path("o.mp4"),)), RunConfig(max_frames=5), CAMERA, ""),
        (OutputConfig(outputs=(Path("o.mp4"),)), RunConfig(), FILE, ""),
    ],
)
def test_a_run_without_an_end_says_how_it_is_ended(
    output: OutputConfig, run: RunConfig, info: SourceInfo, says: str
) -> None:
    assert edges.choose_outputs(output, run, info)[2] == says
