"""From a source to a recording: how long pictures and sound last."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from rtsod.app.assembly import build_run
from rtsod.config import AppConfig, OutputConfig, PictureConfig, RunConfig, SourceConfig
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.engine_pool import EnginePool
from tests.support.fakes import FakeEngine
from tests.support.sink_fixtures import read_recording
from tests.support.source_fixtures import pictures
from tests.support.web_server import serving

PLAN = MaskPlan((Rung(64),), max_mask_age=30.0)
MILLISECOND = Fraction(1, 1000)
DURATIONS = (40, 40, 920, 2000)
"""Of the pictures of :func:`_screen`, in milliseconds."""
RATE = 48_000
SAMPLES = 4 * RATE
"""The sound goes on for a second after the pictures."""


def _screen(path: Path) -> Path:
    """A recording of a screen: four pictures, of which the last stands long, and sound that outlasts them."""
    times = list(itertools.accumulate((0, *DURATIONS[:-1])))
    with av.open(str(path), "w", container_options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        assert isinstance(stream, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        stream.width, stream.height, stream.codec_context.time_base = 64, 48, MILLISECOND
        for image, time in zip(pictures(len(times)), times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time, MILLISECOND
            _mux(container, stream.encode(frame), times)
        _mux(container, stream.encode(), times)
        for first in range(0, SAMPLES, 1000):
            part = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = RATE, first, Fraction(1, RATE)
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return path


def _mux(container: Any, packets: list[Any], times: list[int]) -> None:
    for packet in packets:
        packet.duration = DURATIONS[times.index(packet.pts)]
        container.mux(packet)


def _record(source: str, output: Path, *, fps: int | None = None, **limits: Any) -> None:
    config = AppConfig(
        source=SourceConfig(source, fps=fps),
        picture=PictureConfig(backgrounds=("none",), steady=False),
        output=OutputConfig(preview=False, outputs=(output,)),
        run=RunConfig(**limits),
    )
    with build_run(config, pool=EnginePool(FakeEngine()), plan=PLAN) as composed:
        composed.pipeline.run(interval=0.001)


def _sound_seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        return max(float((frame.pts or 0) * frame.time_base + Fraction(frame.samples, frame.sample_rate))
                   for frame in container.decode(audio=0) if frame.time_base)  # fmt: skip


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_recording_lasts_as_long_as_its_source(tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    _record(str(_screen(tmp_path / "screen.mp4")), output)
    recording = read_recording(output)
    times = [float(time - recording.times[0]) for time in recording.times]  # an encoder's delay may come before
    assert times == pytest.approx([0, 0.04, 0.08, 1], abs=0.001)
    assert [float(each) for each in recording.durations] == pytest.approx([0.04, 0.04, 0.92, 2], abs=0.0011)
    assert _sound_seconds(output) == pytest.approx(SAMPLES / RATE, abs=0.05)


@pytest.mark.parametrize(("limits", "end"), [({"max_frames": 3}, 1.0), ({"duration": 2.5}, 2.5)])
def test_a_run_cut_short_cuts_pictures_and_sound(tmp_path: Path, limits: dict[str, Any], end: float) -> None:
    output = tmp_path / "out.mp4"
    _record(str(_screen(tmp_path / "screen.mp4")), output, **limits)
    recording = read_recording(output)
    assert float(recording.times[-1] + recording.durations[-1]) == pytest.approx(end, abs=0.001)
    assert _sound_seconds(output) == pytest.approx(end, abs=0.05)


@pytest.mark.parametrize("habit", ["ranges", "chunked"])
def test_a_file_behind_an_address_keeps_its_sound(tmp_path: Path, habit: str) -> None:
    _screen(tmp_path / "screen.mp4")
    output = tmp_path / "out.mkv"
    with serving(tmp_path) as address:
        _record(f"{address}/{habit}/screen.mp4", output)
    assert len(read_recording(output).times) == len(DURATIONS)
    assert _sound_seconds(output) == pytest.approx(SAMPLES / RATE, abs=0.05)


@pytest.mark.parametrize(("fps", "seconds"), [(None, 1), (8, Fraction(1, 8))])
@pytest.mark.parametrize("count", [1, 3])
def test_photographs_are_shown_at_the_requested_rate(
    tmp_path: Path, fps: int | None, seconds: Fraction, count: int
) -> None:
    folder, output = tmp_path / "photos", tmp_path / "out.mp4"
    folder.mkdir()
    for index, image in enumerate(pictures(count)):
        cv2.imwrite(str(folder / f"{index}.png"), image)
    _record(str(folder if count > 1 else folder / "0.png"), output, fps=fps)
    recording = read_recording(output)
    assert recording.times == [index * seconds for index in range(count)]
    assert recording.durations == [seconds] * count
