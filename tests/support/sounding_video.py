"""Videos with sound whose every sample is known, and what is heard in a recording of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rtsod.sinks import VideoFileSink
from tests.support.sink_fixtures import composited

FPS: Final = 30
SIDE: Final = 32
BURSTS: Final = (0.0, 0.3, 0.85, 1.4)
"""When a sound's bursts begin, in seconds from its own beginning."""
ASS_HEADER: Final = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass
class Sound:
    """One audio track: short chirps at :data:`BURSTS`, in all channels, or a tone of its own in each channel."""

    codec: str
    rate: int = 48_000
    start: Fraction = Fraction(0)
    seconds: float = 2.0
    layout: str = "mono"
    tones: Sequence[int] = ()
    """Hz, one per channel."""
    noise: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None

    def samples(self) -> NDArray[np.int16]:
        """``(channels, samples)`` int16."""
        time = np.arange(round(self.rate * self.seconds)) / self.rate
        if self.noise:
            shape = (av.AudioLayout(self.layout).nb_channels, len(time))
            return np.random.default_rng(0).integers(-9000, 9000, shape, np.int16)
        if self.tones:
            return np.stack([np.sin(2 * np.pi * tone * time) * 9000 for tone in self.tones]).astype(np.int16)
        sound, chirp = np.zeros(len(time)), _chirp(self.rate)
        for moment in (moment for moment in BURSTS if moment + 0.02 <= self.seconds):
            first = round(moment * self.rate)
            sound[first : first + len(chirp)] += chirp * 20_000
        return np.repeat(sound.astype(np.int16)[None], av.AudioLayout(self.layout).nb_channels, axis=0)


@dataclass
class Cues:
    """One subtitle track: ``(begin, end, text)``, in seconds."""

    codec: str
    cues: Sequence[tuple[float, float, str]]
    tags: dict[str, str] = field(default_factory=dict)


def make_video(
    path: Path,
    tracks: Sequence[Sound | Cues] = (),
    *,
    pictures: int = 60,
    start: Fraction = Fraction(0),
    tags: dict[str, str] | None = None,
    chapters: Sequence[tuple[float, float, str]] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video of black pictures, of which the first is shown at ``start``, with the given tracks."""
    with av.open(str(path), "w", container_options=options or {}) as container:
        codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
        fast = {"deadline": "realtime", "cpu-used": "8"} if path.suffix == ".webm" else {"preset": "ultrafast"}
        video = container.add_stream(codec, rate=FPS, options=fast, time_base=Fraction(1, 90_000))
        assert isinstance(video, VideoStream)
        video.width = video.height = SIDE
        times = [start + Fraction(index, FPS) for index in range(pictures)]
        events: list[tuple[Fraction, Callable[[], list[Any]]]] = [(t, partial(_picture, video, t)) for t in times]
        streams: list[Stream] = [video]
        for track in tracks:
            stream, more = _sound(container, track) if isinstance(track, Sound) else _cues(container, track)
            stream.metadata.update(track.tags)
            stream.disposition = (isinstance(track, Sound) and track.disposition) or Disposition(0)
            streams.append(stream)
            events += more
        container.metadata.update(tags or {})
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": round(begin * 1000),
                    "end": round(end * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for number, (begin, end, title) in enumerate(chapters, 1)
            ]
        )
        for _, encoded in sorted(events, key=lambda event: event[0]):
            container.mux(encoded())
        for stream in streams:
            if isinstance(stream, VideoStream | AudioStream):
                container.mux(stream.encode(None))
    return path


def record(
    source: Path, output: Path, pictures: int | None = None, *, what: Literal["picture", "alpha"] = "picture"
) -> None:
    """Write the pictures of a video, or some of them, to a recording that carries over what else is in the video."""
    with av.open(str(source)) as container:
        times = [Fraction(frame.pts or 0) * frame.time_base for frame in container.decode(video=0) if frame.time_base]
    sink = VideoFileSink(output, fps=Fraction(FPS), carry_from=source, what=what)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for index, time in enumerate(times[:pictures]):
        last = index == len(times) - 1
        sink.write(composited(index, image=image, pts=time - times[0], duration=Fraction(1, FPS), is_last=last))
    sink.close()


def heard(path: Path, track: int = 0) -> tuple[int, NDArray[np.float64], float]:
    """The sound of a file: its sample rate, ``(channels, samples)``, and when it begins, after the first picture."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.pts is not None
        assert frame.time_base
        first_picture = float(frame.pts * frame.time_base)
    with av.open(str(path)) as container:
        begins, parts, rate = None, [], 0
        for sound in container.decode(container.streams.audio[track]):
            resampler = av.AudioResampler(format="dbl")
            assert sound.pts is not None
            assert sound.time_base
            begins = float(sound.pts * sound.time_base) if begins is None else begins
            rate = sound.sample_rate
            channels = sound.layout.nb_channels
            parts += [np.asarray(part.to_ndarray()).reshape(-1, channels).T for part in resampler.resample(sound)]
    assert begins is not None
    return rate, np.concatenate(parts, axis=1), begins - first_picture


def bursts(path: Path, track: int = 0) -> list[float]:
    """When the bursts of a :class:`Sound` are heard, in seconds after the first picture."""
    rate, sound, begins = heard(path, track)
    chirp = _chirp(rate)
    match = np.abs(np.correlate(sound[0], chirp, "valid")) / (chirp**2).sum()
    found = []
    while match.max() > 0.3:
        at = int(match.argmax())
        found.append(begins + at / rate)
        match[max(0, at - len(chirp)) : at + len(chirp)] = 0
    return sorted(found)


def cues(path: Path, track: int = 0) -> list[tuple[float, float, str]]:
    """The subtitles of a file: when each begins and ends, in seconds, and its text."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[track]
        for packet in container.demux(stream):
            if packet.pts is None or not packet.time_base or not packet.size:
                continue
            for subtitle in stream.decode(packet):
                begin = float(packet.pts * packet.time_base)
                end = begin + float((packet.duration or 0) * packet.time_base)
                assert isinstance(subtitle, AssSubtitle)
                found.append((begin, end, re.sub(r"\{.*?\}", "", subtitle.dialogue.decode())))
    return found


def _chirp(rate: int) -> NDArray[np.float64]:
    time = np.arange(round(rate * 0.02)) / rate
    return np.sin(2 * np.pi * (500 + 60_000 * time) * time) * np.hanning(len(time))


def _picture(video: VideoStream, time: Fraction) -> list[Any]:
    frame = av.VideoFrame.from_ndarray(np.zeros((SIDE, SIDE, 3), np.uint8), format="bgr24")
    frame.pts, frame.time_base = round(time * 90_000), Fraction(1, 90_000)
    return list(video.encode(frame))


def _sound(container: OutputContainer, sound: Sound) -> tuple[Stream, list[Any]]:
    stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    assert isinstance(stream, AudioStream)
    samples = sound.samples()

    def encoded(first: int) -> list[Any]:
        # Packed, because PyAV 18 crashes on the planes of eight channels.
        part = np.ascontiguousarray(samples[:, first : first + 1000].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = round(sound.start * sound.rate) + first
        return list(stream.encode(frame))

    firsts = range(0, samples.shape[1], 1000)
    return stream, [(sound.start + Fraction(first, sound.rate), partial(encoded, first)) for first in firsts]


def _cues(container: OutputContainer, track: Cues) -> tuple[Stream, list[Any]]:
    stream = container.add_stream(track.codec)
    assert isinstance(stream, SubtitleStream)
    stream.codec_context.subtitle_header = ASS_HEADER
    stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)

    def encoded(begin: float, end: float, text: str) -> list[Any]:
        subtitle = SubtitleSet.create(f"0,0,Default,,0,0,0,,{text}".encode(), 0, round((end - begin) * 1000))
        packet = stream.codec_context.encode_subtitle(subtitle)
        packet.pts = packet.dts = round(begin * 1000)
        packet.duration, packet.time_base, packet.stream = round((end - begin) * 1000), Fraction(1, 1000), stream
        return [packet]

    return stream, [(Fraction(cue[0]), partial(encoded, *cue)) for cue in track.cues]
