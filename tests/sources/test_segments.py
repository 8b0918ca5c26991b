"""The parts of a video together are the video: the same frames, at the same times, with the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtsod.errors import SourceError
from rtsod.frames import Frame
from rtsod.sources.segments import Segment, divide
from rtsod.sources.video import video_from_file
from tests.support.container_patches import display_in_matroska
from tests.support.long_video import write_long_video

Told = tuple[object, ...]


def told(frame: Frame) -> Told:
    return frame.pts, frame.duration, frame.index, frame.is_last, frame.image.tobytes()


def all_of(path: Path, segment: Segment | None = None) -> list[Told]:
    """What a source tells of the frames that are shown."""
    source = video_from_file(path, segment=segment)
    try:
        begin = source.info.shown_from
        frames = iter(source.read, None)
        return [told(frame) for frame in frames if begin is None or (frame.pts is not None and frame.pts >= begin)]
    finally:
        source.close()


def check(path: Path, segments: tuple[Segment, ...]) -> None:
    parts = [all_of(path, segment) for segment in segments]
    assert all(parts)
    assert [frame for part in parts for frame in part] == all_of(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".webm"])
def test_the_parts_together_are_the_whole(suffix: str, tmp_path: Path) -> None:
    path = write_long_video(tmp_path / f"long{suffix}")
    segments = divide(path, 2, warm_up=0.5)
    assert 4 <= len(segments) <= 5
    check(path, segments)


@given(
    frames=st.integers(40, 160),
    key_every=st.integers(3, 40),
    seconds=st.floats(0.5, 4),
    warm_up=st.floats(0, 3),
    pauses=st.lists(st.integers(1, 25), min_size=160, max_size=160) | st.none(),
    suffix=st.sampled_from([".mp4", ".mkv"]),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_however_a_video_is_divided(
    frames: int,
    key_every: int,
    seconds: float,
    warm_up: float,
    pauses: list[int] | None,
    suffix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stamps = None if pauses is None else [sum(pauses[:number]) for number in range(frames)]
    path = tmp_path_factory.mktemp("videos") / f"a{suffix}"
    write_long_video(path, frames, key_every=key_every, sound=False, stamps=stamps)
    segments = divide(path, seconds, warm_up=warm_up)
    if segments:
        assert len(segments) > 1
        assert segments[-1].end is None
        check(path, segments)


def test_frames_before_a_part_are_delivered_to_warm_up(tmp_path: Path) -> None:
    path = write_long_video(tmp_path / "long.mp4")
    segment = divide(path, 3, warm_up=0.5)[1]
    source = video_from_file(path, segment=segment)
    first = source.read()
    source.close()
    assert source.info.shown_from is not None
    assert first is not None
    assert first.pts is not None
    assert source.info.shown_from - first.pts == 0.5
    assert first.index == segment.first_index == 50


def test_what_cannot_be_divided_is_not(tmp_path: Path) -> None:
    long = write_long_video(tmp_path / "long.mkv")
    assert divide(long, 7, warm_up=1) == (), "shorter than one and a half"
    assert divide(write_long_video(tmp_path / "long.avi"), 2, warm_up=1) == (), "time stamps are made up"
    assert divide(write_long_video(tmp_path / "one_key.mp4", key_every=1000), 2, warm_up=1) == ()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(long.read_bytes()[: long.stat().st_size * 9 // 10])
    assert divide(cut, 2, warm_up=1) == (), "its end is missing"
    joined = tmp_path / "joined.ts"
    part = write_long_video(tmp_path / "part.ts", 100).read_bytes()
    joined.write_bytes(part + part)
    assert divide(joined, 2, warm_up=1) == (), "its clock is set back"
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        divide(tmp_path / "empty.mp4", 2, warm_up=1)


def test_a_segment_of_another_file_is_an_error(tmp_path: Path) -> None:
    segment = divide(write_long_video(tmp_path / "a.mp4"), 2, warm_up=0.5)[2]
    other = write_long_video(tmp_path / "b.mp4", 200, key_every=33)
    with pytest.raises(SourceError, match=r"a part of it|a key frame is not found"):
        all_of(other, segment)


def test_a_part_has_the_geometry_of_the_whole(tmp_path: Path) -> None:
    path = write_long_video(tmp_path / "long.mkv", sound=False)
    wide = display_in_matroska(path, 128, 48)
    check(wide, divide(wide, 2, warm_up=0.5))
