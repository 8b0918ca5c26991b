"""A relative name means the file of that name, whatever FFmpeg would make of it: an address, a pattern, an option."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rtsod.composite.backgrounds import ImageBackground, VideoBackground, open_background
from rtsod.config import OutputConfig, SourceConfig
from rtsod.sinks import open_sinks
from rtsod.sources import open_source
from tests.support.sink_fixtures import composited
from tests.support.sounding_video import SIDE, Sound, make_video

PICTURES = 5
NAMES = [
    "12:30 call",
    "http:x",
    "file:other",
    "concat:a|b",
    "pipe:0",
    "data:x",
    "cache:x",
    "subfile,,start,1,end,5,,:x",
    "-",
    "--",
    "100%d",
    "50%",
    "%(title)s [*?]",
    "two\nlines",
    os.fsdecode(b"caf\xe9"),
    "día 日本",
]


@pytest.fixture(params=NAMES, ids=ascii)
def stem(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name in the current folder, in which a video without sound has the rest of a name with a colon."""
    monkeypatch.chdir(tmp_path)
    name: str = request.param
    try:
        Path(name).touch()
    except (OSError, ValueError):
        pytest.skip("this system has no files of this name")
    Path(name).unlink()
    for suffix in (".mp4", ".mkv"):
        other = Path(name.rpartition(":")[2] + suffix)
        if ":" in name:
            make_video(tmp_path / other, pictures=2)
    return name


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_is_read_with_its_sound_and_written(stem: str, suffix: str, tmp_path: Path) -> None:
    source = stem + suffix
    os.replace(make_video(tmp_path / f"made{suffix}", [Sound("aac", seconds=0.2)], pictures=PICTURES), source)
    opened = open_source(SourceConfig(spec=source))
    outputs = Path("out " + stem + suffix), Path(stem + " out" + suffix)
    sinks = open_sinks(OutputConfig(outputs=outputs), opened.info, transparent=False)
    read = 0
    while (frame := opened.read()) is not None:
        for sink in sinks:
            sink.write(composited(read, image=frame.image, pts=frame.pts, is_last=frame.is_last))
        read += 1
    opened.close()
    for sink in sinks:
        sink.close()
    assert read == PICTURES
    for written in outputs:
        with open(written, "rb") as file, av.open(file, "r") as container:
            assert len(list(container.decode(video=0))) == PICTURES
            assert len(container.streams.audio) == 1


def test_a_video_is_a_background(stem: str, tmp_path: Path) -> None:
    os.replace(make_video(tmp_path / "made.mp4", pictures=PICTURES), stem + ".mp4")
    background = open_background(stem + ".mp4")
    assert isinstance(background, VideoBackground)
    assert background.picture(8, 8, 0.0).shape == (8, 8, 3)
    background.close()


def test_a_photograph_is_a_source_and_a_background(stem: str) -> None:
    encoded = cv2.imencode(".png", np.full((SIDE, SIDE, 3), (1, 2, 3), np.uint8))[1]
    Path(stem + ".png").write_bytes(encoded.tobytes())
    opened = open_source(SourceConfig(spec=stem + ".png"))
    frame = opened.read()
    assert frame is not None
    assert (frame.image == (1, 2, 3)).all()
    background = open_background(stem + ".png")
    assert isinstance(background, ImageBackground)
    for sink in open_sinks(OutputConfig(outputs=(Path("pictures " + stem),)), opened.info, transparent=False):
        sink.write(composited(0, image=frame.image, name=frame.name, pts=Fraction(0)))
        sink.close()
    opened.close()
    background.close()
    assert len(list(Path("pictures " + stem).iterdir())) == 1
