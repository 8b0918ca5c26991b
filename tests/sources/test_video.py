"""Video files as they occur in practice: pixel formats, time stamps, rotation, damage."""

from __future__ import annotations

import itertools
import threading
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rtsod.errors import SourceError
from rtsod.frames import Frame
from rtsod.interfaces import Source
from rtsod.sources.video import video_from_file
from tests.support.source_fixtures import pictures, rotate_in_header, write_audio, write_video, write_yuv

CLIPS = Path(__file__).parents[2].parent / "shared" / "samples" / "clips"


def _read_all(source: Source) -> list[Frame]:
    frames = list(iter(source.read, None))
    source.close()
    return [frame for frame in frames if frame is not None]


def _brightness(frames: list[Frame]) -> list[float]:
    return [float(frame.image[-8:, -8:].mean()) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("b_frames.mp4", "libx264", "yuv420p"),
        ("ten_bit.mkv", "ffv1", "yuv420p10le"),
        ("deep.mkv", "ffv1", "yuv444p16le"),
        ("grey.mkv", "ffv1", "gray"),
        ("grey16.mkv", "ffv1", "gray16le"),
        ("alpha.mkv", "ffv1", "bgra"),
        ("full_range.avi", "mjpeg", "yuvj422p"),
        ("packed.avi", "rawvideo", "uyvy422"),
        ("animation.gif", "gif", "rgb8"),
        ("stream.ts", "libx264", "yuv420p"),
    ],
)
def test_every_frame_arrives_in_order_with_its_brightness(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    images = pictures(20)
    source = video_from_file(write_video(tmp_path / name, images, codec=codec, pix_fmt=pix_fmt))
    assert source.info.name == name
    assert (source.info.width, source.info.height, source.info.fps) == (64, 48, Fraction(25))
    assert not source.info.live
    frames = _read_all(source)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.pts for frame in frames] == [Fraction(i, 25) for i in range(20)]
    expected = [float(image[-1, -1, 0]) for image in images]
    assert _brightness(frames) == pytest.approx(expected, abs=20 if "rgb8" in pix_fmt else 4)
    assert source.skipped == 0


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    stamps = [1000, 1040, 1047, 1500, 1501, 2000]
    frames = _read_all(video_from_file(write_video(tmp_path / "v.mkv", pictures(6), stamps=stamps)))
    assert [frame.pts for frame in frames] == [Fraction(stamp - 1000, 1000) for stamp in stamps]


def test_upright_recordings_come_out_upright(tmp_path: Path) -> None:
    source = video_from_file(rotate_in_header(write_video(tmp_path / "phone.mp4", pictures(3))))
    assert (source.info.width, source.info.height) == (48, 64)
    image = _read_all(source)[0].image
    assert image.shape == (64, 48, 3)
    assert image[5, 40].mean() < 25  # the dark corner went from top left to top right
    assert image[5, 5].mean() > 50


GREEN = {601: (145, 54, 34), 709: (173, 42, 26)}  # pure green as 8-bit limited-range YCbCr, by BT.601 and BT.709


@pytest.mark.parametrize(
    ("height", "tag", "matrix"), [(480, 2, 601), (720, 2, 709), (480, 1, 709), (720, 6, 601), (720, 5, 601)]
)
@pytest.mark.parametrize("limited_range", [0, 1], ids=["range unnamed", "range named"])
def test_colours_follow_the_matrix_they_were_made_with(
    tmp_path: Path, height: int, tag: int, matrix: int, limited_range: int
) -> None:
    planes = np.stack([np.full((height, 32), level, np.uint8) for level in GREEN[matrix]])
    path = write_yuv(tmp_path / "green.mkv", planes, matrix=tag, colour_range=limited_range)
    (read,) = _read_all(video_from_file(path))
    assert read.image[height // 2, 16].tolist() == pytest.approx([0, 255, 0], abs=3)


def test_a_truncated_file_delivers_what_it_contains(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", pictures(50))
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = _read_all(video_from_file(cut))
    assert 5 < len(frames) < 50


def test_a_broken_middle_is_skipped_and_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.avi", pictures(30), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for place, size in packets[10:13]:
        assert place is not None
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    source = video_from_file(path)
    frames = _read_all(source)
    assert source.skipped == 3
    assert [frame.pts for frame in frames] == [Fraction(i, 25) for i in range(30) if i not in (10, 11, 12)]
    assert len({frame.index for frame in frames}) == 27
    assert frames[-1].index == 29


def test_damage_between_key_frames_does_not_end_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", pictures(60, 320, 240), options={"g": "10"})
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat"), data.index(b"moov")
    middle = (start + end) // 2
    data[middle : middle + (end - start) // 10] = b"\xff" * ((end - start) // 10)
    path.write_bytes(data)
    source = video_from_file(path)
    frames = _read_all(source)
    assert len(frames) >= 45
    assert frames[-1].pts == Fraction(59, 25)
    assert all(after.index > before.index for before, after in itertools.pairwise(frames))


def test_frames_may_change_size_in_mid_stream(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.ts", pictures(5, 64, 48))
    large = write_video(tmp_path / "large.ts", pictures(5, 128, 96))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    frames = _read_all(video_from_file(both))
    assert {frame.image.shape for frame in frames} == {(48, 64, 3), (96, 128, 3)}
    times = [frame.pts for frame in frames if frame.pts is not None]
    assert all(after > before for before, after in itertools.pairwise(times))


def test_audio_with_or_without_cover_art_is_not_a_video(tmp_path: Path) -> None:
    for path in (write_audio(tmp_path / "a.m4a"), write_audio(tmp_path / "b.mp3", cover=pictures(1)[0])):
        with pytest.raises(SourceError, match="no video in it"):
            video_from_file(path)


@pytest.mark.parametrize("content", [b"", b"just text\n" * 500, bytes(range(256)) * 40, b"\0" * 5000])
def test_a_file_that_is_not_a_video_is_a_one_line_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        video_from_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gigantic_frames_are_rejected_before_they_are_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mkv", [np.zeros((16, 20000, 3), np.uint8)])
    with pytest.raises(SourceError, match="20000x16 pixels are too large"):
        video_from_file(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile 'secret.ts'\n"),
    ],
)
def test_a_playlist_cannot_reach_other_files(tmp_path: Path, name: str, text: str) -> None:
    write_video(tmp_path / "secret.ts", pictures(5))
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SourceError):
        video_from_file(path)


def test_a_failed_open_leaves_nothing_open(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.m4a")
    before = set(threading.enumerate())
    with pytest.raises(SourceError):
        video_from_file(path)
    assert set(threading.enumerate()) == before
    handles = Path("/proc/self/fd")
    if handles.is_dir():
        assert path not in {handle.resolve() for handle in handles.iterdir()}


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the folder of sample clips is not beside this checkout")
def test_real_clips_decode_completely() -> None:
    counts = {path.name: len(_read_all(video_from_file(path))) for path in sorted(CLIPS.iterdir())}
    expected = {}
    for path in sorted(CLIPS.iterdir()):
        capture = cv2.VideoCapture(str(path))
        expected[path.name] = sum(1 for _ in iter(capture.grab, False))
        capture.release()
    assert counts == expected


@pytest.mark.parametrize("rate", [10, 30])
@pytest.mark.parametrize(("suffix", "codec"), [(".h264", "libx264"), (".m2v", "mpeg2video")])
def test_a_stream_without_a_container_plays_at_the_rate_that_it_states(
    tmp_path: Path, suffix: str, codec: str, rate: int
) -> None:
    if codec == "mpeg2video" and rate == 10:
        rate = 24  # MPEG-2 knows a few rates only
    path = tmp_path / f"raw{suffix}"
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=rate, options={"bf": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 64, 48
        for level in range(20):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="bgr24")))
        made.mux(stream.encode())
    video = video_from_file(path)
    frames = []
    while (frame := video.read()) is not None:
        frames.append(frame)
    video.close()
    assert video.info.fps == rate
    assert [float(frame.pts or 0) for frame in frames] == pytest.approx([i / rate for i in range(20)], abs=1e-4)
    assert float(frames[-1].duration or 0) == pytest.approx(1 / rate, abs=1e-4)


@pytest.mark.parametrize("fps", [None, 10])
def test_a_stream_that_states_no_rate_has_the_requested_one(tmp_path: Path, fps: int | None) -> None:
    path = tmp_path / "raw.mjpeg"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("mjpeg", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for level in range(10):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="bgr24")))
        made.mux(stream.encode())
    video = video_from_file(path, fps=fps)
    times = []
    while (frame := video.read()) is not None:
        times.append(float(frame.pts or 0))
    video.close()
    assert video.info.fps == (fps or 25)
    assert times == pytest.approx([i / (fps or 25) for i in range(10)], abs=1e-4)
