"""A long video that is made in parts is the video that is made at once, and no part of it is made twice."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from rtsod.batch.config import BatchConfig
from rtsod.batch.manifest import read_rows
from rtsod.batch.places import in_words
from rtsod.config import AppConfig, PictureConfig
from tests.batch.conftest import DEADLY, batch, make, tree
from tests.support.long_video import write_long_video


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_long_video(folder / "film.mp4")
    return folder


def green(films: Path, out: Path, segment: float | None = 2.0, **changed: object) -> BatchConfig:
    return batch(films, out, segment=segment, run=AppConfig(picture=PictureConfig(("#00FF00",))), **changed)


Stamped = list[tuple[Fraction, bytes]]


def contents(path: Path) -> tuple[list[Fraction], list[np.ndarray], Stamped]:
    """Times and pictures of the video, and times and packets of the sound."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    with av.open(str(path)) as container:
        sound = [
            (packet.pts * packet.time_base, bytes(packet)) for packet in container.demux()
            if packet.stream.type == "audio" and packet.pts is not None and packet.time_base
        ]  # fmt: skip
    times = [frame.pts * frame.time_base for frame in frames if frame.pts is not None and frame.time_base]
    return times, [frame.to_ndarray(format="gray") for frame in frames], sound


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_in_parts_it_is_what_it_is_at_once(suffix: str, films: Path, tmp_path: Path) -> None:
    at_once, in_parts = (
        green(films, tmp_path / "once", None, video_suffix=suffix),
        green(films, tmp_path / "parts", video_suffix=suffix),
    )
    assert make(at_once).made == make(in_parts).made == 1
    (name,) = tree(tmp_path / "parts")
    times, pictures, sound = contents(tmp_path / "once" / name)
    other_times, other_pictures, other_sound = contents(tmp_path / "parts" / name)
    assert other_times == times
    assert len(times) == 200
    assert other_sound == sound
    assert sound
    apart = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(pictures, other_pictures, strict=True)
    ]  # encoded with other key frames
    assert max(apart) < 3
    rows = read_rows(in_parts.records)
    row = rows.items["film.mp4"]
    assert row.frames == 200
    assert row.shown == pytest.approx(10)
    assert row.megapixels == pytest.approx(200 * 64 * 48 / 1e6, abs=0.001)
    assert sum(part.frames for part in rows.parts.values()) == 200
    assert sum(part.shown for part in rows.parts.values()) == pytest.approx(10)
    assert not (in_parts.records / "parts").exists()


def test_masks_in_parts_have_no_sound(films: Path, tmp_path: Path) -> None:
    make(green(films, tmp_path / "once", None, masks=True))
    make(green(films, tmp_path / "parts", masks=True))
    times, pictures, sound = contents(tmp_path / "parts" / "film.mp4")
    assert sound == []
    once = contents(tmp_path / "once" / "film.mp4")
    assert times == once[0]
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(pictures, once[1], strict=True)) < 3


def test_a_transparent_video_stays_transparent(films: Path, tmp_path: Path) -> None:
    make(batch(films, tmp_path / "out", segment=2.0))
    with av.open(str(tmp_path / "out" / "film.mp4.webm")) as container:
        assert container.streams.video[0].metadata.get("ALPHA_MODE") == "1"
        assert sum(1 for packet in container.demux(video=0) if packet.size) == 200


def test_parts_that_are_done_are_not_made_again(films: Path, tmp_path: Path) -> None:
    config = green(films, tmp_path / "out")
    make(config, stop=lambda: len(list((config.records / "parts").rglob("*.mp4"))) >= 2)
    parts = {path: path.stat().st_mtime_ns for path in (config.records / "parts").rglob("*.mp4")}
    assert len(parts) >= 2
    assert not tree(tmp_path / "out")
    known = read_rows(config.records).parts
    summary = make(config)
    assert (summary.made, summary.failed) == (1, [])
    later = read_rows(config.records).parts
    kept = [name for name, row in known.items() if later[name] == row]
    assert kept == list(known), "their rows are the earlier ones"
    make(green(films, tmp_path / "undisturbed"))
    assert tree(tmp_path / "out") == tree(tmp_path / "undisturbed")


def test_a_part_that_fails_fails_the_video_and_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    write_deadly_end(folder / "film.mp4")
    write_long_video(folder / "good.mp4", 120)
    config = green(folder, tmp_path / "out")
    summary = make(config)
    assert summary.made == 1
    (row,) = summary.failed
    assert (row.name, row.stage, row.attempts) == ("film.mp4", "process", 2)
    assert row.message.startswith("part 3 of 3: its process ended")
    assert set(tree(tmp_path / "out")) == {"good.mp4"}
    write_long_video(folder / "film.mp4")
    assert make(replace(config, retry_failed=True)).made == 1


def write_deadly_end(path: Path) -> None:
    """A video whose last second kills whoever infers it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=20, options={"preset": "ultrafast", "bf": "0", "g": "20"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv444p"
        for number in range(120):
            colour = DEADLY if number >= 100 else (90, 90, 90)
            image = np.full((48, 64, 3), colour, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 20)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def test_a_video_whose_pictures_change_in_size_is_made_at_once(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    small, large = (write_long_video(tmp_path / name, 100, size=size, sound=False) for name, size in
                    (("small.ts", (64, 48)), ("large.ts", (96, 48))))  # fmt: skip
    with av.open(str(large)) as container:
        shifted = [packet for packet in container.demux(video=0) if packet.size]
        with av.open(str(folder / "film.mkv"), "w") as joined, av.open(str(small)) as first:
            stream = joined.add_stream_from_template(first.streams.video[0])
            end = 0
            for packet in first.demux(video=0):
                if packet.size and packet.pts is not None:
                    packet.stream, end = stream, max(end, packet.pts + 4500)
                    joined.mux(packet)
            begin = min(packet.pts for packet in shifted if packet.pts is not None)
            for packet in shifted:
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts, packet.stream = packet.pts + end - begin, packet.dts + end - begin, stream
                joined.mux(packet)
    config = green(folder, tmp_path / "out")
    assert make(config).made == 1
    make(green(folder, tmp_path / "once", None))
    assert tree(tmp_path / "out") == tree(tmp_path / "once"), in_words(config.out)
    assert len(read_rows(config.records).parts) >= 2, "it was tried in parts"
