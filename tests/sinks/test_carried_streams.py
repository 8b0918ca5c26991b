"""Which streams and descriptions of a video a recording has, and that the rest is named."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition

from rtsod.imaging.description import lines_about
from rtsod.imaging.media import open_media
from rtsod.sinks import VideoFileSink
from rtsod.sinks.carried import Carried
from rtsod.sinks.carried.selection import select
from rtsod.sinks.encoders import RECIPES, recipe_for
from tests.support.sink_fixtures import composited, read_recording
from tests.support.sounding_video import BURSTS, FPS, Cues, Sound, bursts, cues, make_video, record

SUFFIXES = [".mp4", ".mov", ".mkv", ".webm"]
TEXT = [(0.2, 0.8, "Hello"), (0.8, 1.2, "there"), (1.4, 1.7, "again")]
GERMAN = {".mov": "ger"}
"""QuickTime knows German by its other code."""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_track_keeps_its_place_language_title_and_role(tmp_path: Path, suffix: str) -> None:
    original = Sound("aac", tags={"language": "eng", "title": "Original"})
    second = Sound("flac", 44_100, Fraction(1, 4), tags={"language": "deu"}, disposition=Disposition.default)
    made = make_video(tmp_path / "a.mkv", [original, Cues("subrip", TEXT, {"language": "fra"}), second])
    output = tmp_path / f"out{suffix}"
    record(made, output)
    with av.open(str(output)) as container:
        first, other = container.streams.audio
        assert (first.language, other.language) == ("eng", GERMAN.get(suffix, "deu"))
        assert first.metadata.get("title", first.metadata.get("name")) == "Original"
        assert not first.disposition & Disposition.default
        assert other.disposition & Disposition.default
        assert [stream.language for stream in container.streams.subtitles] == ["fra"]
    assert bursts(output, 0) == pytest.approx(BURSTS, abs=0.0015)
    assert bursts(output, 1) == pytest.approx([burst + 0.25 for burst in BURSTS], abs=0.0015)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("source", "codec"),
    [("a.mkv", "subrip"), ("a.mkv", "ass"), ("a.mkv", "webvtt"), ("a.webm", "webvtt"), ("a.mp4", "mov_text")],
)
def test_text_subtitles_are_kept_in_every_container(tmp_path: Path, source: str, codec: str, suffix: str) -> None:
    made = make_video(tmp_path / source, [Cues(codec, TEXT)])
    output = tmp_path / f"out{suffix}"
    record(made, output)
    read = cues(output)
    assert [text for _, _, text in read] == [text for _, _, text in TEXT]
    for (begin, end, _), (first, last, _) in zip(read, TEXT, strict=True):
        assert (begin, end) == pytest.approx((first, last), abs=0.0015)
    assert read_recording(output).seconds == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_subtitles_follow_the_first_picture_and_end_with_the_run(tmp_path: Path, suffix: str) -> None:
    """The file's clock starts at 0, its pictures at 0.5 s: there the recording begins."""
    made = make_video(tmp_path / "a.mkv", [Cues("subrip", [(0, 0.4, "early"), *TEXT])], start=Fraction(1, 2))
    record(made, tmp_path / f"out{suffix}", pictures=15)
    read = cues(tmp_path / f"out{suffix}")
    assert [text for _, _, text in read] == ["Hello", "there"]
    assert [begin for begin, _, _ in read] == pytest.approx([0, 0.3], abs=0.0015)
    assert read[0][1] == pytest.approx(0.3, abs=0.0015)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_subtitles_that_are_not_utf8_are_converted_too(tmp_path: Path, suffix: str) -> None:
    made = make_video(tmp_path / "a.mkv", [Cues("subrip", [(0.2, 0.8, "cafe"), (1.0, 1.5, "after")])])
    made.write_bytes(made.read_bytes().replace(b"cafe", b"caf\xe9"))
    record(made, tmp_path / f"out{suffix}")
    assert [text for _, _, text in cues(tmp_path / f"out{suffix}")] == ["café", "after"]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_styles_of_mp4_are_no_text(tmp_path: Path, suffix: str) -> None:
    """They follow the text, as bytes that are not UTF-8."""
    made = make_video(tmp_path / "a.mp4", [Cues("mov_text", [(0.2, 0.8, "one {\\i1}slanted{\\i0} word")])])
    with av.open(str(made)) as container:
        assert any(b"styl" in bytes(packet) for packet in container.demux(subtitles=0))
    record(made, tmp_path / f"out{suffix}")
    assert [text for _, _, text in cues(tmp_path / f"out{suffix}")] == ["one slanted word"]


def test_mp4_shows_overlapping_subtitles_when_they_begin(tmp_path: Path) -> None:
    """It can show one at a time: a cue ends when the next begins, and those that begin together are one."""
    overlapping = [(0.2, 1.5, "a"), (0.6, 1.8, "b"), (0.6, 1.0, "c"), (1.9, 5.0, "d")]
    made = make_video(tmp_path / "a.mkv", [Cues("subrip", overlapping), Sound("aac")])
    record(made, tmp_path / "out.mp4", pictures=59)
    read = cues(tmp_path / "out.mp4")
    assert [text for _, _, text in read] == ["a", "b\nc", "d"]
    assert [time for cue in read for time in cue[:2]] == pytest.approx([0.2, 0.6, 0.6, 1.8, 1.9, 59 / 30], abs=0.001)
    assert read_recording(tmp_path / "out.mp4").seconds == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_subtitles_far_apart_stay_where_they_are(tmp_path: Path, suffix: str) -> None:
    """Fragments of MP4, a second each, begin and end between the cues."""
    far = [(0.1, 0.2, "a"), (7.5, 7.9, "b"), (7.9, 8.5, "c")]
    made = make_video(tmp_path / "a.mkv", [Cues("subrip", far), Sound("aac", seconds=9)], pictures=270)
    record(made, tmp_path / f"out{suffix}")
    read = cues(tmp_path / f"out{suffix}")
    assert [text for _, _, text in read] == ["a", "b", "c"]
    assert [time for cue in read for time in cue[:2]] == pytest.approx([0.1, 0.2, 7.5, 7.9, 7.9, 8.5], abs=0.0015)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_title_author_comment_and_date_are_kept_but_not_the_place(tmp_path: Path, suffix: str) -> None:
    kept = {"title": "My talk", "artist": "Ann", "comment": "öffentlich", "date": "2024-05-06"}
    private = {"location": "+48.1+011.5/", "make": "Phone", "encoder": "Phone 1.0"}
    made = make_video(tmp_path / "a.mkv", tags={**kept, **private, "creation_time": "2024-05-06T07:08:09Z"})
    record(made, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
    assert {name: tags.get(name) for name in kept} == kept
    assert tags["creation_time"].startswith("2024-05-06T07:08:09")
    assert "48.1" not in str(tags)
    assert "Phone" not in str(tags)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_chapters_are_kept_as_far_as_the_recording_goes(tmp_path: Path, suffix: str) -> None:
    chapters = [(0.0, 0.4, "Before"), (0.4, 1.0, "One"), (1.0, 2.5, "Two")]
    made = make_video(tmp_path / "a.mkv", chapters=chapters, start=Fraction(1, 2))
    for pictures, expected in ((None, [(0, 0.5, "One"), (0.5, 2, "Two")]), (15, [(0, 0.5, "One")])):
        record(made, tmp_path / f"out{suffix}", pictures=pictures)
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            read = [
                (
                    float(c["start"] * (c["time_base"] or 0)),
                    float(c["end"] * (c["time_base"] or 0)),
                    c["metadata"]["title"],
                )
                for c in container.chapters()
            ]
        assert [title for _, _, title in read] == [title for _, _, title in expected]
        assert [t for c in read for t in c[:2]] == pytest.approx([t for c in expected for t in c[:2]], abs=0.001)
        assert read_recording(tmp_path / f"out{suffix}").seconds == pytest.approx((pictures or 60) / FPS, abs=0.01)


def test_chapters_of_mp4_are_no_stream_that_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = make_video(tmp_path / "a.mp4", [Sound("aac")], chapters=[(0, 1, "One")])
    with av.open(str(made)) as container:
        assert len(container.streams) == 3, "FFmpeg stores the chapters as a stream, too"
    record(made, tmp_path / "out.mkv")
    assert caplog.messages == []


def test_one_line_names_what_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another video, an attachment, and bitmaps that only Matroska holds."""
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        videos = [container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"}) for _ in range(2)]
        bitmaps = container.add_mux_stream("hdmv_pgs_subtitle", time_base=Fraction(1, 1000))
        bitmaps.metadata["language"] = "eng"
        container.add_attachment("font.ttf", "font/ttf", b"font")
        for video in videos:
            video.width = video.height = 32
        for video in videos:
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="bgr24")
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                container.mux(video.encode(frame))
        for video in videos:
            container.mux(video.encode(None))
    record(source, tmp_path / "out.mp4")
    (line,) = caplog.messages
    assert line == (
        f".mp4 from {source}: left out: subtitles (hdmv_pgs_subtitle, eng): .mp4 cannot hold them, .mkv can, "
        "other video stream, attachment"
    )
    caplog.clear()
    record(source, tmp_path / "out.mkv")
    (line,) = caplog.messages
    assert line == f".mkv from {source}: left out: other video stream, attachment"
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [s.codec_context.codec.name for s in container.streams.subtitles] == ["pgssub"]


def test_masks_and_silent_sources_have_no_sound(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", [Sound("aac")], tags={"title": "Mine"})
    record(source, tmp_path / "mask.mp4", what="alpha")
    assert read_recording(tmp_path / "mask.mp4").audio is None
    record(tmp_path / "mask.mp4", tmp_path / "silent.mp4")
    assert read_recording(tmp_path / "silent.mp4").audio is None


def test_damaged_sound_costs_no_picture(tmp_path: Path) -> None:
    """Every picture is written even if the source has gone, is not a video, or ends in the middle."""
    whole = make_video(tmp_path / "a.mkv", [Sound("aac")])
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    rubbish = tmp_path / "rubbish.mkv"
    rubbish.write_bytes(b"no video")
    for source in (cut, rubbish, tmp_path / "missing.mkv"):
        output = tmp_path / "out.mp4"
        sink = VideoFileSink(output, fps=Fraction(FPS), carry_from=source)
        for index in range(60):
            sink.write(composited(index, pts=Fraction(index, FPS)))
        sink.close()
        assert len(read_recording(output).times) == 60


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "flac", "libopus", "ac3"])
def test_a_broken_track_costs_no_other(tmp_path: Path, codec: str, suffix: str) -> None:
    """Its packets hold noise. Whatever is made of them, the track beside it and the pictures are whole."""
    whole = make_video(tmp_path / "a.mkv", [Sound(codec), Sound("aac"), Cues("subrip", TEXT)])
    broken = tmp_path / "broken.mkv"
    noise = np.random.default_rng(0)
    with av.open(str(whole)) as source, av.open(str(broken), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is None or packet.stream is None:
                continue
            copy = Packet(noise.bytes(packet.size) if packet.stream.index == 1 else bytes(packet))
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.time_base, copy.stream = packet.time_base, streams[packet.stream.index]
            copy.is_keyframe = packet.is_keyframe
            container.mux(copy)
    record(broken, tmp_path / f"out{suffix}")
    assert len(read_recording(tmp_path / f"out{suffix}").times) == 60
    assert bursts(tmp_path / f"out{suffix}", 1) == pytest.approx(BURSTS, abs=0.025)
    assert [text for _, _, text in cues(tmp_path / f"out{suffix}")] == [text for _, _, text in TEXT]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"], ids=["copied", "re-encoded"])
def test_a_packet_without_a_time_base_is_skipped(tmp_path: Path, suffix: str) -> None:
    """PyAV up to 18 reports it as None, and PyAV 19 as a false 0/1, by which nothing can be divided."""
    made = make_video(tmp_path / "a.mkv", [Sound("pcm_s16le")])
    source = av.open(str(made))  # stays open: the packets belong to it
    packets = [packet for packet in source.demux(source.streams.audio[0]) if packet.pts is not None]

    class Damaged:
        """The source, in which every other packet has lost its time base."""

        def __init__(self, container: InputContainer) -> None:
            self.streams, self.metadata, self.chapters = container.streams, container.metadata, container.chapters
            self.format, self.dumps_format = container.format, container.dumps_format  # type: ignore[attr-defined]

        def demux(self, _: Any) -> Iterator[Packet[AudioStream]]:
            for index, packet in enumerate(packets):
                if index % 2 == 0:
                    packet.time_base = Fraction(0)
                yield packet

    with av.open(str(tmp_path / f"out{suffix}"), "w") as container, av.open(str(made)) as again:
        damaged: Any = Damaged(again)
        carried = Carried(damaged, "damaged", container, RECIPES[suffix], zero=Fraction(0))
        assert carried._next is not None
        assert packets[1].pts is not None
        assert carried._next[0] == packets[1].pts * Fraction(1, 1000), "the first packet with a time base comes first"
        carried.finish(Fraction(2), whole=False)
        carried.close()
    source.close()


def test_a_full_disk_is_no_fault_of_a_track(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = make_video(tmp_path / "a.mkv", [Sound("aac")])

    class Full:
        """An output that cannot be written."""

        def __init__(self) -> None:
            self.container = av.open(str(tmp_path / "out.mkv"), "w")
            self.metadata: dict[str, str] = {}
            self.add_stream_from_template = self.container.add_stream_from_template

        def mux(self, _: object) -> None:
            raise av.error.OSError(28, "No space left on device")

    with av.open(str(made)) as source:
        output: Any = Full()
        carried = Carried(source, "a.mkv", output, RECIPES[".mkv"], zero=Fraction(0))
        with pytest.raises(OSError, match="No space left"):
            carried.write_until(None)
        carried.close()
    assert logging.WARNING not in [record.levelno for record in caplog.records]


def test_sound_in_a_custom_channel_order_is_left_out_with_a_line(tmp_path: Path) -> None:
    """PyAV corrupts the memory where it looks at such a layout: the process was aborted."""
    path = tmp_path / "studio.mov"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s32le", rate=96_000, layout="7.1")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8 * 960), np.int32), format="s32", layout="7.1")
        frame.rate, frame.pts, frame.time_base = 96_000, 0, Fraction(1, 96_000)
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    # Its channel layout atom: a bitmap of speakers becomes a number that stands for the same ones in another order.
    bitmap, number = struct.pack(">II", 1 << 16, 0x63F), struct.pack(">II", 128 << 16 | 8, 0)
    written = path.read_bytes()
    assert b"chan\0\0\0\0" + bitmap in written
    path.write_bytes(written.replace(b"chan\0\0\0\0" + bitmap, b"chan\0\0\0\0" + number))
    with open_media(path) as source:
        assert any("8 channels (FL+" in line for line in lines_about(source, source.streams[0]))
        selection = select(source, -1, recipe_for(Path("a.mp4"), transparent=False))
    assert selection.streams == []
    assert selection.left_out == ["audio (pcm_s32le): its channels are in an order that is not supported"]
