"""Sound that pauses, changes its format, or has a clock too coarse for it: each sample stays at its time."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rtsod.sinks import VideoFileSink
from rtsod.sources.video import video_from_file
from tests.support.sink_fixtures import composited, read_recording

FPS = 25
SECONDS = 1
WINDOW = 0.1
"""Seconds in which a tone is recognized."""


def _tone(hz: float, rate: int, seconds: float) -> NDArray[np.int16]:
    return (np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate) * 9000).astype(np.int16)


def _write(
    path: Path,
    codec: str,
    rate: int,
    sounds: Iterable[tuple[float, NDArray[np.int16]]],
    *,
    layout: str = "mono",
    block: int = 1000,
    start: float = 0.0,
    seconds: float = SECONDS,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Write black pictures and mono sounds, each with the second at which it begins, in blocks of so many samples."""
    with av.open(str(path), "w", container_options=muxer or {}) as container:
        video = container.add_stream({".flv": "flv", ".mpg": "mpeg2video"}.get(path.suffix, "mpeg4"), rate=FPS)
        assert isinstance(video, VideoStream)
        video.width = video.height = 32
        stream = container.add_stream(codec, rate=rate, layout=layout, options=options or {})
        assert isinstance(stream, AudioStream)
        packets: list[Any] = []
        for index in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="bgr24")
            frame.pts, frame.time_base = round(start * FPS) + index, Fraction(1, FPS)
            packets += video.encode(frame)
        channels = stream.codec_context.layout.nb_channels
        for begin, samples in sounds:
            first = round((start + begin) * rate)
            for offset in range(0, len(samples), block):
                part = np.repeat(samples[None, offset : offset + block], channels, axis=0).T.reshape(1, -1)
                sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16", layout=layout)
                sound.sample_rate, sound.pts, sound.time_base = rate, first + offset, Fraction(1, rate)
                packets += stream.encode(sound)
        packets += [*video.encode(None), *stream.encode(None)]
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def _record(source: Path, output: Path) -> Path:
    with av.open(str(source)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    sink = VideoFileSink(output, fps=Fraction(FPS), carry_from=source)
    image = np.zeros((32, 32, 3), np.uint8)
    for index in range(pictures):
        sink.write(
            composited(
                index,
                image=image,
                pts=Fraction(index, FPS),
                duration=Fraction(1, FPS),
                is_last=index == pictures - 1,
            )
        )
    sink.close()
    return output


def _heard(path: Path) -> tuple[int, NDArray[np.float64]]:
    """The first sample rate and one channel as a player has it: where no samples are, there is silence."""
    parts: list[tuple[float, NDArray[np.float64]]] = []
    first_rate, expected = 0, 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert frame.pts is not None
            assert frame.time_base
            first_rate = first_rate or frame.sample_rate
            mono = av.AudioResampler(format="dbl", layout="mono").resample(frame)
            samples = np.concatenate([np.asarray(part.to_ndarray())[0] for part in mono])
            # Times in Matroska are rounded to a millisecond.
            begins = float(frame.pts * frame.time_base)
            begins = expected if abs(begins - expected) < 0.002 else begins
            expected = begins + len(samples) / frame.sample_rate
            if frame.sample_rate != first_rate:
                moments = np.arange(round(len(samples) * first_rate / frame.sample_rate)) / first_rate
                samples = np.interp(moments, np.arange(len(samples)) / frame.sample_rate, samples)
            parts.append((begins, samples))
    sound = np.zeros(max(round(begin * first_rate) + len(part) for begin, part in parts))
    for begin, part in parts:
        first = round(begin * first_rate)
        sound[max(0, first) : first + len(part)] = part[max(0, -first) :]
    return first_rate, sound


def _tones(path: Path, moments: Iterable[float]) -> list[int]:
    """The tone heard at each moment, in Hz, rounded to the tens; 0 if it is silent."""
    rate, sound = _heard(path)
    found = []
    for moment in moments:
        window = sound[round(moment * rate) :][: round(WINDOW * rate)]
        assert len(window) > WINDOW * rate - 2, f"there is no sound at {moment} s"
        spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 1 << 16))
        silent = np.sqrt((window**2).mean()) < 0.01
        found.append(0 if silent else 10 * round(int(spectrum.argmax()) * rate / (1 << 16) / 10))
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("source", "codec", "rate", "block"),
    [
        ("a.mkv", "pcm_s16le", 48_000, 40),
        ("a.mkv", "pcm_u8", 32_000, 17),
        ("a.mkv", "flac", 44_100, 32),
        ("a.flv", "pcm_s16le", 44_100, 30),
    ],
)
def test_units_shorter_than_a_tick_of_the_clock_are_all_heard(
    tmp_path: Path, source: str, codec: str, rate: int, block: int, suffix: str
) -> None:
    """Their time stamps repeat, which must not look as if the sound did."""
    options = {"frame_size": str(block)} if codec == "flac" else {}
    sounds = [(0.0, _tone(440, rate, SECONDS))]
    made = _write(tmp_path / source, codec, rate, sounds, block=block, options=options)
    with av.open(str(made)) as container:
        stamps = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
    assert len(set(stamps)) < len(stamps), "the source is as it should be"
    output = _record(made, tmp_path / f"out{suffix}")
    assert _tones(output, [0.1, 0.4, 0.8]) == [440] * 3
    heard_rate, sound = _heard(output)
    assert len(sound) / heard_rate == pytest.approx(SECONDS, abs=0.03)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("codec", "rate"), [("pcm_s16le", 48_000), ("pcm_u8", 22_050), ("flac", 44_100), ("mp2", 48_000)]
)
def test_a_pause_stays_a_pause(tmp_path: Path, codec: str, rate: int, suffix: str) -> None:
    sounds = [(0.0, _tone(440, rate, 0.5)), (1.25, _tone(880, rate, 0.75))]
    output = _record(_write(tmp_path / "a.mkv", codec, rate, sounds, seconds=2), tmp_path / f"out{suffix}")
    assert _tones(output, [0.2, 0.7, 1.0, 1.35, 1.8]) == [440, 0, 0, 880, 880]


def test_pcm_loses_nothing(tmp_path: Path) -> None:
    """Whether it was interrupted or not."""
    noise = np.random.default_rng(0).integers(-9000, 9000, 24_000, np.int16)
    made = _write(tmp_path / "a.mkv", "pcm_s16le", 48_000, [(0.0, noise), (1.0, noise)], seconds=2)
    for suffix in (".mkv", ".mov"):
        rate, sound = _heard(_record(made, tmp_path / f"out{suffix}"))
        assert rate == 48_000
        silence = np.zeros(24_000, np.int16)
        assert np.array_equal(np.round(sound * 32_768), np.concatenate([noise, silence, noise]))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(
    ("codec", "rates", "layouts"),
    [
        ("aac", (48_000, 48_000), ("mono", "stereo")),
        ("aac", (48_000, 48_000), ("5.1", "stereo")),
        ("aac", (48_000, 44_100), ("mono", "mono")),
        ("mp2", (44_100, 48_000), ("stereo", "mono")),
        ("ac3", (48_000, 44_100), ("stereo", "5.1")),
    ],
)
def test_sound_goes_on_where_its_format_changes(
    tmp_path: Path, codec: str, rates: tuple[int, int], layouts: tuple[str, str], suffix: str
) -> None:
    """Digital television changes it between a film and an advertisement."""
    joined = tmp_path / "joined.ts"
    parts = [
        _write(
            tmp_path / f"{index}.ts",
            codec,
            rates[index],
            [(0.0, _tone(hz, rates[index], SECONDS))],
            layout=layouts[index],
            start=index * SECONDS,
        )
        for index, hz in enumerate((440, 880))
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    output = _record(joined, tmp_path / f"out{suffix}")
    assert len(read_recording(output).times) == 2 * SECONDS * FPS
    assert _tones(output, [0.1, 0.5, 0.8, 1.2, 1.5, 1.8]) == [440] * 3 + [880] * 3


def _recorded(source: Path, output: Path) -> Path:
    """Record a video as the program reads it."""
    video = video_from_file(source)
    sink = VideoFileSink(output, fps=video.info.fps, carry_from=source)
    while (frame := video.read()) is not None:
        sink.write(
            composited(frame.index, image=frame.image, pts=frame.pts, duration=frame.duration, is_last=frame.is_last)
        )
    sink.close()
    video.close()
    return output


@pytest.mark.parametrize("output", ["out.mp4", "out.webm"])
@pytest.mark.parametrize(
    ("suffix", "codec", "start", "options"),
    [
        (".ts", "aac", 0, {}),
        (".ts", "mp2", 3600, {}),
        (".mpg", "mp2", 0, {}),
        (".mpg", "mp2", 3600, {}),
        (".ts", "aac", 1, {"mpegts_start_pid": "768"}),
        (".ts", "aac", 0, {"mpegts_start_pid": "768"}),
    ],
    ids=["set-back", "jump", "vob-set-back", "vob-jump", "other-numbers", "other-numbers-set-back"],
)
def test_joined_recordings_are_one(
    tmp_path: Path, suffix: str, codec: str, start: int, options: dict[str, str], output: str
) -> None:
    """Whatever the clock of the second one says, and whatever its streams are called."""
    rate = 48_000
    first = _write(tmp_path / f"1{suffix}", codec, rate, [(0.0, _tone(440, rate, SECONDS))])
    second = _write(
        tmp_path / f"2{suffix}", codec, rate, [(0.0, _tone(880, rate, SECONDS))], start=start, muxer=options
    )
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    recorded = _recorded(joined, tmp_path / output)
    recording = read_recording(recorded)
    assert len(recording.times) == 2 * SECONDS * FPS
    assert recording.seconds == pytest.approx(2 * SECONDS, abs=0.1)
    assert _tones(recorded, [0.2, 0.5, 0.8, 1.2, 1.5, 1.8]) == [440] * 3 + [880] * 3


def test_another_programme_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = _write(tmp_path / "1.ts", "mp2", 48_000, [(0.0, _tone(440, 48_000, SECONDS))])
    other = {"mpegts_start_pid": "768", "mpegts_service_id": "7", "mpegts_pmt_start_pid": "4608"}
    second = _write(tmp_path / "2.ts", "mp2", 48_000, [(0.0, _tone(880, 48_000, SECONDS))], muxer=other)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    recorded = _recorded(joined, tmp_path / "out.mp4")
    assert len(read_recording(recorded).times) == SECONDS * FPS
    assert _tones(recorded, [0.2, 0.8]) == [440] * 2
    assert "% hold another programme, which is left out" in caplog.text
