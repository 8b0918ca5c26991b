"""Decides which streams of a source file a recording carries, and says what it leaves out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.subtitles.stream import SubtitleStream

from rtsod.imaging.description import lines_about
from rtsod.imaging.media import FAILURES
from rtsod.sinks.encoders import Recipe

_TEXT_SUBTITLES: Final = frozenset({"ass", "ssa", "subrip", "text", "webvtt", "mov_text"})
"""Formats that FFmpeg decodes to ASS, from which it encodes the others."""
_CUSTOM_LAYOUT: Final = re.compile(r" Audio: .*, \d+ channels \(")
"""Speakers in an order of the file's own. PyAV 18 corrupts the memory where it looks at such a layout."""


@dataclass(frozen=True, slots=True)
class Selected:
    """One stream that is carried."""

    stream: AudioStream | SubtitleStream
    encoder: str | None
    """FFmpeg's name of the encoder that writes it anew; None: it is copied."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is carried, in the order of the source, and what is not."""

    streams: list[Selected] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What is left out and why, for the user."""


def select(source: InputContainer, pictures: int, recipe: Recipe) -> Selection:
    """Choose among the streams of a source file.

    Every audio stream is carried, and every subtitle stream that the container can hold. Other video (a cover picture
    shows what the recording hides), attachments and data (positions, time codes) are left out.

    Args:
        source: open for demuxing.
        pictures: index of the video stream that is being recorded.
        recipe: how the output is written.
    """
    selection = Selection()
    others: Counter[str] = Counter()
    for stream in source.streams:
        if isinstance(stream, AudioStream):
            if any(_CUSTOM_LAYOUT.search(line) for line in lines_about(source, stream)):
                selection.left_out.append(f"audio{_label(stream)}: its channels are in an order that is not supported")
            elif _readable(stream):
                selection.streams.append(Selected(stream, _audio_encoder(stream, recipe)))
            else:
                selection.left_out.append(f"audio{_label(stream)}: it cannot be decoded here")
        elif isinstance(stream, SubtitleStream):
            name = codec_name(stream)
            if name in recipe.copied_subtitles and _accepts(stream, recipe):
                selection.streams.append(Selected(stream, None))
            elif name in _TEXT_SUBTITLES:
                selection.streams.append(Selected(stream, recipe.subtitle_codec))
            else:
                fix = "" if recipe.suffix == ".mkv" else f": {recipe.suffix} cannot hold them, .mkv can"
                selection.left_out.append(f"subtitles{_label(stream)}{fix}")
        elif stream.index != pictures and stream.discard != Discard.all:  # as a track that holds chapters is
            others[_kind(stream)] += 1
    selection.left_out.extend(_counted(others.items()))
    return selection


def codec_name(stream: Stream) -> str:
    """FFmpeg's name of the stream's format, for example ``"mp3"``; ``"unknown"`` if there is no decoder."""
    context = stream.codec_context
    return "unknown" if context is None else context.codec.canonical_name


def _label(stream: Stream) -> str:
    return f" ({', '.join(filter(None, [codec_name(stream), stream.language]))})"


def _readable(stream: AudioStream) -> bool:
    context = stream.codec_context
    return context is not None and context.sample_rate > 0 and context.layout.nb_channels > 0


def _audio_encoder(stream: AudioStream, recipe: Recipe) -> str | None:
    name, context = codec_name(stream), stream.codec_context
    # AAC in MPEG-TS repeats its header in each packet and has no global one, without which it cannot be copied.
    without_header = name == "aac" and not context.extradata
    # Without a valid packet, as its bit rate shows, MP4 cannot write its header of the track, nor be closed.
    without_packet = name in ("ac3", "eac3") and not context.bit_rate
    if name not in recipe.copied_audio or without_header or without_packet or not _accepts(stream, recipe):
        return recipe.audio_codec
    # QuickTime's samples have no times, so a pause must be filled. PCM loses nothing by being decoded.
    return name if name.startswith("pcm_") else None


def _accepts(stream: Stream, recipe: Recipe) -> bool:
    """Whether the container takes the stream as it is. MP4, for example, takes MP3 only from 16 kHz on."""
    try:
        with av.open(BytesIO(), "w", format=recipe.container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except FAILURES:
        return False
    return True


def _kind(stream: Stream) -> str:
    if stream.type == "video":
        return "cover picture" if stream.disposition & Disposition.attached_pic else "other video stream"
    return {"attachment": "attachment", "data": "data stream"}.get(stream.type, "unknown stream")


def _counted(kinds: Iterable[tuple[str, int]]) -> Iterator[str]:
    for kind, count in kinds:
        yield kind if count == 1 else f"{count} {kind}s"
