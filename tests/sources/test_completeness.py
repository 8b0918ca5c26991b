"""What a file shows, for how long, and what it lacks: in containers, codecs and cuts as they occur in practice."""

from __future__ import annotations

import itertools
import logging
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rtsod.frames import Frame
from rtsod.sources.video import video_from_file
from tests.support.source_fixtures import pictures, write_video

MILLISECOND = Fraction(1, 1000)
CODECS = {
    ".mp4": ("libx264", "mpeg4"),  # not libx265: PyAV 18.1 now and then cannot write what it encodes
    ".mov": ("libx264", "mjpeg", "prores_ks"),
    ".mkv": ("libx264", "ffv1", "libvpx-vp9", "mpeg2video"),
    ".webm": ("libvpx-vp9", "libvpx"),
    ".ts": ("libx264", "mpeg2video"),
    ".mpg": ("mpeg2video",),
    ".avi": ("libx264", "mjpeg", "mpeg4"),
    ".flv": ("libx264", "flv1"),
    ".gif": ("gif",),
    ".apng": ("apng",),
    ".y4m": ("rawvideo",),
    ".nut": ("libx264",),
}
PIXELS = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le", "gif": "rgb8", "apng": "rgb24"}
MUXERS = {".y4m": "yuv4mpegpipe"}


def _read(path: Path) -> tuple[list[Frame], int, list[str]]:
    """All frames, the number of skipped ones, and the warnings."""
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("rtsod")
    logger.addHandler(handler)
    try:
        source = video_from_file(path)
        frames = [frame for frame in iter(source.read, None) if frame is not None]
        source.close()
    finally:
        logger.removeHandler(handler)
    return frames, source.skipped, warnings


def _write(path: Path, codec: str, count: int, rate: int = 25, options: dict[str, str] | None = None) -> Path:
    kind = {"codec": codec, "pix_fmt": PIXELS.get(codec, "yuv420p"), "options": options}
    return write_video(path, pictures(count), rate=rate, container=MUXERS.get(path.suffix), **kind)  # type: ignore[arg-type]


def _durations(frames: list[Frame]) -> list[Fraction]:
    return [frame.duration for frame in frames if frame.duration is not None]


def _check_whole(path: Path, count: int) -> list[Frame]:
    frames, skipped, warnings = _read(path)
    assert (len(frames), skipped, warnings) == (count, 0, [])
    assert [frame.index for frame in frames] == list(range(count))
    assert [frame.is_last for frame in frames] == [False] * (count - 1) + [True]
    durations = _durations(frames)
    assert len(durations) == count
    for before, after in itertools.pairwise(frames):
        assert before.pts is not None
        assert before.duration is not None
        assert after.pts == before.pts + before.duration
    return frames


# Always the same files: what FFmpeg's encoders and muxers make of others must not fail an unrelated commit.
@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_whole_file_lacks_nothing_and_keeps_its_times(tmp_path: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(sorted(CODECS)))
    codec = data.draw(st.sampled_from(CODECS[suffix]))
    # FFmpeg does not recognize the shortest MPEG streams, and one picture alone makes a plain PNG.
    count = data.draw(st.integers({".ts": 10, ".mpg": 10, ".apng": 2}.get(suffix, 1), 40))
    rate = (
        25 if suffix in (".gif", ".mpg") or codec == "mpeg2video" else data.draw(st.sampled_from([5, 24, 25, 30, 60]))
    )
    options = {"g": str(data.draw(st.integers(1, 20)))}
    if codec in ("libx264", "mpeg4", "mpeg2video"):
        options["bf"] = str(data.draw(st.integers(0, 2)))
    path = _write(tmp_path / f"film{suffix}", codec, count, rate, options)
    frames = _check_whole(path, count)
    assert frames[-1].pts == pytest.approx((count - 1) / rate, abs=0.0011)
    assert float(sum(_durations(frames))) == pytest.approx(count / rate, abs=0.0011)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif"])
@pytest.mark.parametrize("durations", [(40, 40, 960, 4000), (1000, 20), (3500,)], ids=["long", "short", "single"])
def test_the_last_picture_stands_as_long_as_the_file_says(
    tmp_path: Path, suffix: str, durations: tuple[int, ...]
) -> None:
    codec = CODECS[suffix][0]
    path = tmp_path / f"screen{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "0"} if codec == "libx264" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, PIXELS.get(codec, "yuv420p")
        stream.codec_context.time_base = MILLISECOND
        ends = dict(zip(itertools.accumulate((0, *durations)), durations, strict=False))
        for image, time in zip(pictures(len(durations)), ends, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = time, MILLISECOND
            for packet in stream.encode(frame):
                packet.duration = ends[packet.pts or 0]
                container.mux(packet)
        for packet in stream.encode():
            packet.duration = ends[packet.pts or 0]
            container.mux(packet)
    frames = _check_whole(path, len(durations))
    expected = [duration / 1000 for duration in durations]
    assert [float(duration) for duration in _durations(frames)] == pytest.approx(expected, abs=0.0011)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_an_animation_lasts_as_long_as_its_delays(tmp_path: Path, suffix: str) -> None:
    path, delays = tmp_path / f"animation{suffix}", [100, 40, 2500]
    first, *others = [Image.fromarray(image) for image in pictures(3)]
    first.save(path, save_all=True, append_images=others, duration=delays, loop=3)
    frames = _check_whole(path, 3)
    assert [1000 * duration for duration in _durations(frames)] == delays


def test_avi_with_reordered_frames_keeps_its_rhythm(tmp_path: Path) -> None:
    path = _write(tmp_path / "film.avi", "libx264", 30, 25, {"bf": "2"})
    frames = _check_whole(path, 30)
    assert [frame.pts for frame in frames] == [Fraction(i, 25) for i in range(30)]


def _copy(source: Path, target: Path, options: dict[str, str], *, shift: int = 0) -> Path:
    """Copy packets without decoding them, ``shift`` ticks earlier."""
    with av.open(str(source)) as given, av.open(str(target), "w", container_options=options) as made:
        stream = given.streams.video[0]
        copy = made.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.size:
                assert packet.pts is not None
                packet.pts -= shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = copy
                made.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["at the end", "at the start"])
def test_what_an_edit_list_hides_is_neither_shown_nor_missing(
    tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    whole = _write(tmp_path / f"whole{suffix}", "libx264", 60, 25, {"g": "30", "bf": "2"})
    ticks = 12_800  # FFmpeg's choice for 25 frames per second; 17 frames before time 0 are hidden
    hidden = {"avoid_negative_ts": "disabled", **options}
    trimmed = _copy(whole, tmp_path / f"trimmed{suffix}", hidden, shift=17 * ticks // 25)
    with av.open(str(trimmed)) as container:
        assert container.streams.video[0].frames == 60
    frames = _check_whole(trimmed, 43)
    assert float(sum(_durations(frames))) == pytest.approx(43 / 25, abs=0.001)
    shown = _read(whole)[0][17:]
    assert all((a.image == b.image).all() for a, b in zip(frames, shown, strict=True))
    source = video_from_file(trimmed)
    assert source.info.frames == 43
    source.close()


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", {"movflags": "frag_keyframe+empty_moov"}),
        (".mp4", {"movflags": "frag_keyframe+delay_moov+default_base_moof"}),
        (".mp4", {"movflags": "frag_every_frame+empty_moov+skip_trailer"}),
        (".mkv", {"live": "1"}),
        (".mkv", {"cues_to_front": "1"}),
        (".webm", {"live": "1"}),
    ],
)
def test_files_without_an_index_are_whole(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    whole = _write(tmp_path / f"whole{suffix}", codec, 50, 25, {"g": "10"})
    _check_whole(_copy(whole, tmp_path / f"live{suffix}", options), 50)


def test_sound_that_outlasts_the_pictures_is_no_sign_of_missing_ones(tmp_path: Path) -> None:
    for suffix in (".mkv", ".mp4", ".avi", ".flv", ".ts"):
        path = tmp_path / f"talk{suffix}"
        with av.open(str(path), "w") as made:
            stream = made.add_stream("libx264", rate=25)
            sound = made.add_stream("libmp3lame", rate=44_100, layout="mono")
            assert isinstance(stream, av.VideoStream)
            assert isinstance(sound, av.AudioStream)
            stream.width, stream.height = 64, 48
            for image in pictures(20):
                made.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            made.mux(stream.encode())
            for start in range(0, 5 * 44_100, 1152):
                silence = av.AudioFrame(format="s16p", layout="mono", samples=1152)
                silence.sample_rate, silence.pts, silence.time_base = 44_100, start, Fraction(1, 44_100)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                made.mux(sound.encode(silence))
            made.mux(sound.encode())
        _check_whole(path, 20)


@pytest.mark.parametrize(("suffix", "pause"), [(".mkv", 1800), (".mp4", 1800), (".ts", 9)])
@pytest.mark.parametrize("start", [0, 90_000 * 60 * 60, 2**33 - 90_000 // 2], ids=["0", "one hour", "before the wrap"])
def test_a_pause_is_kept_wherever_the_clock_starts(tmp_path: Path, suffix: str, pause: int, start: int) -> None:
    """MPEG-TS counts modulo 2**33; there, more than 10 s are no pause: see test_file_clock.py."""
    stamps = [start + tick for tick in (0, 3600, 7200, 7200 + 90_000 * pause, 10_800 + 90_000 * pause)]
    path = tmp_path / f"paused{suffix}"
    write_video(path, pictures(5), codec="libx264", stamps=stamps, time_base=Fraction(1, 90_000), options={"bf": "0"})
    frames = _check_whole(path, 5)
    expected = [float(Fraction(stamp - start, 90_000)) for stamp in stamps]
    assert [float(frame.time) for frame in frames] == pytest.approx(expected, abs=0.0011)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", {"movflags": "faststart"}),
        (".mov", {"movflags": "faststart"}),
        (".mkv", {}),
        (".webm", {}),
        (".avi", {}),
        (".flv", {}),
    ],
)
def test_a_file_that_was_cut_off_tells_how_much_is_missing(
    tmp_path: Path, suffix: str, options: dict[str, str], kept: float
) -> None:
    codec = {".webm": "libvpx-vp9", ".mov": "mjpeg", ".avi": "mjpeg"}.get(suffix, "libx264")
    noise = pictures(100, 160, 120)
    path = tmp_path / f"film{suffix}"
    write_video(
        path, noise, codec=codec, pix_fmt=PIXELS.get(codec, "yuv420p"), options={"g": "10"}, container_options=options
    )
    whole, cut = path.read_bytes(), tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: round(len(whole) * kept)])
    frames, skipped, warnings = _read(cut)
    assert 0 < len(frames) < 100
    assert skipped == pytest.approx(100 - len(frames), abs=2)
    assert len(warnings) == 1
    assert f"{cut.name} ends early: about {skipped} of " in warnings[0]
    assert frames[-1].is_last
    assert frames[-1].duration == pytest.approx(1 / 25, abs=0.001)


def test_a_stream_that_ends_in_the_middle_of_a_packet_was_cut_off(tmp_path: Path) -> None:
    whole = _write(tmp_path / "whole.ts", "libx264", 50)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 188 // 2 * 188 + 100])
    frames, skipped, warnings = _read(cut)
    assert 5 < len(frames) < 50
    assert skipped == 1
    assert len(warnings) == 1


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_what_precedes_the_first_key_frame_of_a_recording_is_not_missing(tmp_path: Path, codec: str) -> None:
    whole = _write(tmp_path / "whole.ts", codec, 60, 25, {"g": "15", "bf": "2"})
    data = whole.read_bytes()
    with av.open(str(whole)) as container:
        at = [packet.pos or 0 for packet in container.demux(video=0) if packet.size]
    joined_late = tmp_path / "late.ts"
    joined_late.write_bytes(data[: 3 * 188] + data[at[8] // 188 * 188 :])
    frames, skipped, warnings = _read(joined_late)
    assert (skipped, warnings) == (0, [])
    assert 44 <= len(frames) <= 53
    assert frames[0].index == 0
