"""The sound of a recording: neither cut nor stretched nor shifted against the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rtsod.sinks.carried.layouts import encoder_layout
from tests.support.sink_fixtures import read_recording
from tests.support.sounding_video import BURSTS, FPS, Sound, bursts, heard, make_video, record

SUFFIXES = [".mp4", ".mov", ".mkv", ".webm"]
HALF = Fraction(1, 2)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("pictures_at", "sound_at"), [(0, 0), (HALF, 0), (0, HALF)], ids=["together", "sound-first", "pictures-first"]
)
@pytest.mark.parametrize(
    ("source", "codec", "rate"),
    [
        ("a.mp4", "aac", 44_100),
        ("a.mkv", "aac", 48_000),
        ("a.ts", "aac", 48_000),
        ("a.mp4", "libmp3lame", 44_100),
        ("a.mkv", "libmp3lame", 44_100),
        ("a.webm", "libopus", 48_000),
        ("a.mkv", "flac", 44_100),
        ("a.mp4", "ac3", 48_000),
        ("a.mov", "pcm_s16le", 48_000),
        ("a.mkv", "pcm_s16le", 22_050),
        ("a.mkv", "wavpack", 48_000),
        ("a.flv", "aac", 44_100),
    ],
)
def test_each_sample_keeps_its_distance_from_the_pictures(
    tmp_path: Path, source: str, codec: str, rate: int, pictures_at: Fraction, sound_at: Fraction, suffix: str
) -> None:
    """Whether it is copied or encoded anew, and whichever begins first."""
    made = make_video(tmp_path / source, [Sound(codec, rate, Fraction(sound_at))], start=Fraction(pictures_at))
    output = tmp_path / f"out{suffix}"
    record(made, output)
    expected = [float(sound_at - pictures_at) + burst for burst in BURSTS]
    assert bursts(made) == pytest.approx(expected, abs=0.0015), "the source is as it should be"
    assert bursts(output) == pytest.approx(bursts(made), abs=0.0015)
    _, samples, _ = heard(output)
    assert np.abs(samples).max() > 0.2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_first_picture_waits_for_the_sound(tmp_path: Path, suffix: str) -> None:
    made = make_video(tmp_path / "a.mkv", [Sound("pcm_s16le")], start=HALF)
    output, mask = tmp_path / f"out{suffix}", tmp_path / f"mask{suffix}"
    record(made, output)
    recording = read_recording(output)
    assert float(recording.times[0]) == pytest.approx(0.5, abs=0.001)
    assert recording.seconds == pytest.approx(2.5, abs=0.03)
    record(made, mask, what="alpha")
    assert read_recording(mask).times == recording.times, "masks lie over the pictures"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_run_cut_short_ends_all_sound(tmp_path: Path, suffix: str) -> None:
    made = make_video(tmp_path / "a.mkv", [Sound("aac"), Sound("pcm_s16le")])
    record(made, tmp_path / f"out{suffix}", pictures=15)
    for track in (0, 1):
        assert bursts(tmp_path / f"out{suffix}", track) == pytest.approx([0, 0.3], abs=0.025)
        rate, samples, begins = heard(tmp_path / f"out{suffix}", track)
        assert begins + samples.shape[1] / rate == pytest.approx(15 / FPS, abs=0.08)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sound_that_outlasts_the_pictures_is_kept(tmp_path: Path, suffix: str) -> None:
    made = make_video(tmp_path / "a.mkv", [Sound("aac"), Sound("flac")], pictures=30)
    record(made, tmp_path / f"out{suffix}")
    for track in (0, 1):
        assert bursts(tmp_path / f"out{suffix}", track) == pytest.approx(BURSTS, abs=0.002)


@pytest.mark.parametrize(
    ("source", "codec", "suffix", "kept"),
    [
        ("a.mp4", "aac", ".mp4", "aac"),
        ("a.mp4", "aac", ".mkv", "aac"),
        ("a.mp4", "aac", ".webm", "opus"),
        ("a.mkv", "libmp3lame", ".mp4", "mp3"),
        ("a.mkv", "eac3", ".mp4", "eac3"),
        ("a.mkv", "pcm_s16le", ".mp4", "aac"),
        ("a.mkv", "pcm_s16le", ".mov", "pcm_s16le"),
        ("a.mkv", "pcm_s24le", ".mov", "pcm_s24le"),
        ("a.mkv", "mp2", ".mkv", "mp2"),
        ("a.mkv", "libopus", ".webm", "opus"),
    ],
)
def test_sound_is_copied_if_the_container_can_hold_it(
    tmp_path: Path, source: str, codec: str, suffix: str, kept: str
) -> None:
    output = tmp_path / f"out{suffix}"
    record(make_video(tmp_path / source, [Sound(codec, seconds=0.5)], pictures=15), output)
    assert read_recording(output).audio == kept


def test_a_copy_that_the_container_refuses_is_encoded_anew(tmp_path: Path) -> None:
    """FFmpeg does not write MP3 below 16 kHz to MP4."""
    made = make_video(tmp_path / "a.mkv", [Sound("libmp3lame", 12_000)])
    record(made, tmp_path / "out.mp4")
    assert read_recording(tmp_path / "out.mp4").audio == "aac"
    assert bursts(tmp_path / "out.mp4") == pytest.approx(bursts(made), abs=0.002)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "layout", ["mono", "stereo", "2.1", "3.0", "quad", "5.0", "5.0(side)", "5.1", "5.1(side)", "7.1"]
)
def test_every_channel_stays_where_it_is(tmp_path: Path, layout: str, suffix: str) -> None:
    """Each channel has a tone of its own, the low-frequency one a low one, since encoders cut it off."""
    names = _speakers(av.AudioLayout(layout))
    tones = {name: 60 if name == "LFE" else 400 + 200 * index for index, name in enumerate(names)}
    sound = Sound("flac", layout=layout, tones=list(tones.values()), seconds=1)
    record(make_video(tmp_path / "a.mkv", [sound], pictures=30), tmp_path / f"out{suffix}")
    rate, samples, _ = heard(tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        channels = _speakers(container.streams.audio[0].layout)
    assert set(channels) >= set(names)
    for channel, there in zip(channels, samples[:, rate // 10 : rate // 10 + rate // 2], strict=True):
        if channel in tones:
            assert int(np.abs(np.fft.rfft(there)).argmax()) * 2 == tones[channel]
        else:
            assert np.abs(there).max() < 0.01


def _speakers(layout: av.AudioLayout) -> list[str]:
    """The names of the channels. A pair at the side or behind is the same, where there is but one."""
    names = [channel.name for channel in layout.channels]
    return [name.replace("SL", "BL").replace("SR", "BR") for name in names] if "BL" not in names else names


@pytest.mark.parametrize(
    ("codec", "layout", "kept"),
    [
        ("aac", "5.1(side)", "5.1"),
        ("aac", "4.0", "4.0"),
        ("aac", "3.1", "5.1"),
        ("aac", "6.1", "7.1"),
        ("aac", "22.2", "7.1"),
        ("aac", "6 channels", "5.1"),
        ("aac", "16 channels", "7.1"),
        ("libopus", "5.1(side)", "5.1"),
        ("libopus", "5.0", "5.1"),
        ("libopus", "2.1", "5.1"),
        ("libopus", "7.0", "7.1"),
    ],
)
def test_no_channel_is_mixed_away_if_there_is_room(codec: str, layout: str, kept: str) -> None:
    assert encoder_layout(codec, av.AudioLayout(layout)) == kept


def test_a_change_of_channels_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = make_video(tmp_path / "a.mkv", [Sound("flac", layout="6.1", seconds=1)], pictures=30)
    record(made, tmp_path / "out.mp4")
    assert "audio in 6.1 becomes 7.1" in caplog.text
    assert bursts(tmp_path / "out.mp4") == pytest.approx(bursts(made), abs=0.002)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_surround_has_the_bit_rate_of_its_channels(tmp_path: Path, suffix: str) -> None:
    """Noise, so that the encoder needs all it is given."""
    sizes = []
    for layout in ("stereo", "5.1"):
        made = make_video(tmp_path / "a.mkv", [Sound("flac", layout=layout, noise=True)])
        record(made, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            sizes.append(sum(packet.size for packet in container.demux(audio=0)))
    if suffix != ".mkv":  # a copy
        assert sizes[1] > 2 * sizes[0]
