"""Video files: write pictures and read them back."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtsod.errors import OutputError, UsageError
from rtsod.sinks import VideoFileSink, video_file
from tests.support.sink_fixtures import HEIGHT, WIDTH, composited, patches, read_recording, stripe_errors

SUFFIXES = [".mp4", ".mkv", ".webm", ".mov"]
TICK = {".mp4": Fraction(1, 90000), ".mov": Fraction(1, 90000), ".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000)}


def _times(tmp_path: Path, suffix: str, times: list[Fraction], fps: Fraction | None = Fraction(30)) -> list[Fraction]:
    path = tmp_path / f"film{suffix}"
    with_time = VideoFileSink(path, fps=fps)
    for index, time in enumerate(times):
        with_time.write(composited(index, pts=time))
    with_time.close()
    return read_recording(path).times


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_picture_keeps_its_time_stamp(tmp_path: Path, suffix: str) -> None:
    uneven = [Fraction(0), Fraction(1, 30), Fraction(1, 24), Fraction(1001, 2000), Fraction(5, 4), Fraction(7, 3)]
    read = _times(tmp_path, suffix, uneven)
    assert len(read) == len(uneven)
    assert all(abs(a - b) <= TICK[suffix] / 2 for a, b in zip(read, uneven, strict=True))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 4_000_000), min_size=1, max_size=12))
def test_time_stamps_always_increase(tmp_path: Path, microseconds: list[int]) -> None:
    """Whatever time stamps a broken source has, every picture is written, in order."""
    for suffix in (".mp4", ".mkv"):
        read = _times(tmp_path, suffix, [Fraction(value, 1_000_000) for value in microseconds])
        assert len(read) == len(microseconds)
        assert all(a < b for a, b in pairwise(read))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_last_picture_lasts_as_long_as_the_previous_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    sink = VideoFileSink(path, fps=Fraction(30))
    for index, time in enumerate((Fraction(0), Fraction(1, 2), Fraction(1))):
        sink.write(composited(index, pts=time))
    sink.close()
    assert read_recording(path).seconds == pytest.approx(1.5, abs=0.002)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "durations",
    [
        [Fraction(1, 25), Fraction(1, 25), Fraction(21, 25), Fraction(4)],
        [Fraction(1, 3), Fraction(2), Fraction(1001, 30_000)],
        [Fraction(7, 2)],
        [Fraction(1, 30)] * 40 + [Fraction(5, 2)],
    ],
    ids=["long", "short", "single", "longer than the encoder's delay"],
)
def test_every_picture_lasts_as_long_as_its_source_says(tmp_path: Path, suffix: str, durations: list[Fraction]) -> None:
    path = tmp_path / f"film{suffix}"
    sink = VideoFileSink(path, fps=Fraction(30))
    times = [sum(durations[:index], Fraction(0)) for index in range(len(durations))]
    for index, (time, duration) in enumerate(zip(times, durations, strict=True)):
        sink.write(composited(index, pts=time, duration=duration, is_last=time == times[-1]))
    sink.close()
    recording = read_recording(path)
    assert all(abs(a - b) <= TICK[suffix] / 2 for a, b in zip(recording.times, times, strict=True))
    assert all(abs(a - b) <= TICK[suffix] for a, b in zip(recording.durations, durations, strict=True))
    assert recording.seconds == pytest.approx(float(sum(durations)), abs=0.001)


def test_live_pictures_are_timed_from_the_first_capture(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    sink = VideoFileSink(path, fps=Fraction(30))
    for index, captured_at in enumerate((5000.0, 5000.25, 5001.5)):
        sink.write(composited(index, captured_at=captured_at))
    sink.close()
    assert [float(time) for time in read_recording(path).times] == pytest.approx([0, 0.25, 1.5], abs=1e-4)


def test_each_still_lasts_one_second(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    sink = VideoFileSink(path, fps=None)
    for index in range(3):
        sink.write(composited(index, name=f"still{index}"))
    sink.close()
    recording = read_recording(path)
    assert recording.times == [0, 1, 2]
    assert recording.seconds == pytest.approx(3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_colours_and_tags(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    sink = VideoFileSink(path, fps=Fraction(30))
    for index in range(6):
        sink.write(composited(index, image=patches(192, 64), pts=Fraction(index, 30)))
    sink.close()
    recording = read_recording(path)
    assert recording.tags == (1, 1, 1, 1)  # BT.709 matrix, primaries and transfer; limited range
    assert max(max(stripe_errors(image)) for image in recording.images) <= 3
    capture = cv2.VideoCapture(str(path))
    read, image = capture.read()
    capture.release()
    assert read
    assert max(stripe_errors(np.asarray(image, np.uint8))) <= 3


@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "transparent"])
def test_every_frame_of_prores_says_what_its_colours_are(tmp_path: Path, transparent: bool) -> None:
    """Primaries, transfer and matrix are bytes 22 to 24 of a frame; editors believe them (SMPTE RDD 36, 5.1)."""
    path = tmp_path / "film.mov"
    sink = VideoFileSink(path, fps=Fraction(30), transparent=transparent)
    for index in range(3):
        sink.write(composited(index, pts=Fraction(index, 30)))
    sink.close()
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert len(packets) == 3
    for packet in packets:
        assert packet[4:8] == b"icpf"
        assert packet[22:25] == bytes([1, 1, 1])  # BT.709


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_transparent_pictures_keep_their_alpha(tmp_path: Path, suffix: str) -> None:
    """The alpha can be read back, and pixels with alpha 0 hold nothing of the picture."""
    path = tmp_path / f"film{suffix}"
    opacity = np.zeros((64, 192), np.uint8)
    opacity[:, 32:96], opacity[:, 96:128] = 255, 128
    sink = VideoFileSink(path, fps=Fraction(30), transparent=True)
    for index in range(3):
        image = patches(192, 64)
        sink.write(composited(index, image=image, pts=Fraction(index, 30), opacity=opacity))
    sink.close()
    recording = read_recording(path)
    assert len(recording.alphas) == 3
    for got, image in zip(recording.alphas, recording.images, strict=True):
        for columns, want in ((slice(40, 88), 255), (slice(104, 120), 128), (slice(140, 190), 0)):
            assert np.abs(np.median(got[8:-8, columns]) - want) <= 3
        assert image[8:-8, 168:184].max() <= 3
        assert image[8:-8, 140:152].max() <= 3


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("first", ["opaque", "transparent"])
def test_transparency_that_cannot_be_kept_is_said_once(
    tmp_path: Path, suffix: str, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a file can keep, it keeps from its first picture on."""
    path = tmp_path / f"film{suffix}"
    opacity = np.zeros((64, 96), np.uint8)
    opacity[:, :48] = 255
    sink = VideoFileSink(path, fps=Fraction(30))
    for index in range(4):
        own = opacity if index > 0 or first == "transparent" else None
        sink.write(composited(index, pts=Fraction(index, 30), opacity=own))
    sink.close()
    recording = read_recording(path)
    kept = suffix in (".webm", ".mov") and first == "transparent"
    assert len(recording.alphas) == (4 if kept else 0)
    reason = "its first picture was opaque: choose a folder for PNGs"
    if suffix in (".mp4", ".mkv"):
        reason = f"{suffix} cannot keep transparency: choose .webm, .mov or a folder for PNGs"
    expected = [] if kept else [f"{path}: black is behind what is transparent: {reason}"]
    assert caplog.messages == expected
    assert recording.images[-1][8:-8, 60:88].max() <= 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_alpha_alone_is_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mask{suffix}"
    ramp = np.ascontiguousarray(np.broadcast_to(np.linspace(0, 1, 128, dtype=np.float32), (64, 128)))
    sink = VideoFileSink(path, fps=Fraction(30), what="alpha", transparent=True)
    sink.write(composited(0, image=patches(128, 64), alpha=ramp))
    sink.close()
    image = read_recording(path).images[0].astype(int)
    assert np.ptp(image, axis=2).max() <= 3
    assert np.abs(np.median(image[:, :, 1], 0) - np.linspace(0, 255, 128)).max() <= 4


@pytest.mark.parametrize(("suffix", "size"), [(".mp4", (98, 66)), (".mkv", (98, 66)), (".webm", (97, 65))])
def test_odd_sizes_repeat_the_edge(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"film{suffix}"
    sink = VideoFileSink(path, fps=Fraction(30))
    sink.write(composited(image=np.full((65, 97, 3), (40, 200, 90), np.uint8)))
    sink.close()
    (image,) = read_recording(path).images
    assert image.shape[1::-1] == size
    assert np.abs(image.astype(int) - (40, 200, 90)).max() <= 4


def test_the_first_picture_sets_the_size(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    sink = VideoFileSink(path, fps=Fraction(30))
    sink.write(composited(0))
    sink.write(composited(1, image=np.full((HEIGHT, HEIGHT, 3), 200, np.uint8)))
    sink.close()
    images = read_recording(path).images
    assert {image.shape for image in images} == {(HEIGHT, WIDTH, 3)}
    assert images[1][:, :8].max() < 16  # black bars left and right
    assert images[1][:, WIDTH // 2].min() > 180


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    sink = VideoFileSink(path, fps=Fraction(30))
    sink.write(composited())
    assert path.read_bytes() == b"old"
    sink.close()
    assert len(read_recording(path).times) == 1


def test_two_runs_with_one_name_lose_neither_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "film.mp4"
    first, second = (VideoFileSink(path, fps=Fraction(30)) for _ in range(2))
    for index in range(4):
        first.write(composited(index))
        if index < 2:
            second.write(composited(index))
    first.close()
    assert len(read_recording(path).times) == 4
    second.close()
    assert len(read_recording(path).times) == 4
    assert len(read_recording(tmp_path / "film-2.mp4").times) == 2
    assert sorted(os.listdir(tmp_path)) == ["film-2.mp4", "film.mp4"]
    assert "another program wrote this file meanwhile" in caplog.text


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target.mp4", tmp_path / "link.mp4"
    target.write_bytes(b"old")
    link.symlink_to(target)
    sink = VideoFileSink(link, fps=Fraction(30))
    sink.write(composited())
    sink.close()
    assert link.is_symlink()
    assert len(read_recording(target).times) == 1


def test_a_vanished_folder_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    sink = VideoFileSink(folder / "film.mp4", fps=Fraction(30))
    folder.rmdir()
    with pytest.raises(OutputError, match="folder does not exist"):
        sink.write(composited())
    sink.close()
    assert not folder.exists()


def test_unsupported_files_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\.mp4, \.mkv, \.webm, \.mov"):
        VideoFileSink(Path("film.avi"), fps=None)
    with pytest.raises(UsageError, match=r"\.webm, \.mov"):
        VideoFileSink(Path("film.MP4"), fps=None, transparent=True)


@pytest.mark.parametrize("in_time", [True, False])
def test_a_file_is_not_finished_while_a_picture_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_time: bool
) -> None:
    """A pipeline gives up a thread that hangs in the encoder, which no other thread may use meanwhile."""
    sink = VideoFileSink(tmp_path / "film.mp4", fps=Fraction(30))
    sink.write(composited(0))
    inside, let_go, encode = threading.Event(), threading.Event(), sink._encode

    def encode_slowly(*arguments: Any) -> None:
        inside.set()
        assert let_go.wait(10)
        encode(*arguments)

    monkeypatch.setattr(sink, "_encode", encode_slowly)
    writer = threading.Thread(target=sink.write, args=(composited(1),))
    writer.start()
    assert inside.wait(10)
    if in_time:
        closer = threading.Thread(target=sink.close)
        closer.start()
        let_go.set()
        closer.join(10)
        assert len(read_recording(tmp_path / "film.mp4").images) == 2
    else:
        monkeypatch.setattr(video_file, "CLOSE_SECONDS", 0.0)
        with pytest.raises(OutputError, match=r"film\.mp4: .* not finished, .*\.part"):
            sink.close()
        let_go.set()
    writer.join(10)
    assert not writer.is_alive()
    with pytest.raises(OutputError, match="is already closed"):
        sink.write(composited(2))
