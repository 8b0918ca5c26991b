"""Subtitle tracks of a recording: copied, or converted to the text format of the container."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from rtsod.imaging.media import FAILURES
from rtsod.sinks.encoders import Recipe

_MILLISECOND: Final = Fraction(1, 1000)
_MICROSECOND: Final = Fraction(1, 1_000_000)
_EMPTY: Final = bytes(2)
"""A cue of MP4 without text."""


class SubtitleTrack:
    """Writes the cues of one stream.

    A cue that began before the recording is shown from its start; one that ended before is left out.

    Args:
        source: the stream of the source file.
        output: the container, before its header is written.
        recipe: how the output is written.
        zero: the beginning of the recording on the clock of the source, seconds.
        convert: the container cannot hold the format of ``source``, which is text.
    """

    def __init__(
        self, source: SubtitleStream, output: OutputContainer, recipe: Recipe, zero: Fraction, *, convert: bool
    ) -> None:
        self.note: str | None = None
        self._zero = zero
        self._source = source if convert else None
        if convert:
            context = source.codec_context
            context.open(strict=False)
            stream = output.add_stream(recipe.subtitle_codec)
            assert isinstance(stream, SubtitleStream)
            self.stream = stream
            self.stream.codec_context.time_base = _MILLISECOND
            self.stream.codec_context.subtitle_header = context.subtitle_header
        else:
            self.stream = output.add_stream_from_template(source)
        self._collects = self.stream.codec_context.codec.canonical_name == "mov_text"
        # FFmpeg's MP4 muxer ends a cue too early when another stream's ticks overtake those of the subtitles.
        self._tick = _MICROSECOND if self._collects else _MILLISECOND
        self.stream.time_base = self._tick
        self._cues: list[tuple[int, int, bytes]] = []

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is written for one packet of the source."""
        if packet.pts is None or not packet.time_base or not packet.size:
            return
        tick = Fraction(packet.time_base)
        begin = packet.pts * tick - self._zero
        end = begin + (packet.duration or 0) * tick
        if begin < 0 and end <= 0:
            return
        if self._source is not None:
            converted = self._converted(self._source, packet)
            if converted is None:
                return
            packet = converted
        first, last = round(max(begin, Fraction(0)) / self._tick), round(end / self._tick)
        if not self._collects:
            yield self._placed(packet, first, last)
        elif bytes(packet) != _EMPTY:  # the muxer makes its own
            self._cues.append((first, last, bytes(packet)))

    def flush(self, end: Fraction | None) -> Iterator[Packet[Any]]:
        """What is still to be written when the recording ends.

        All cues of MP4 are: FFmpeg guesses how long the last one in each fragment lasts, and delays the next one if it
        guessed too much.
        """
        limit = None if end is None else round(end / self._tick)
        position = 0
        for first, last, text in _one_at_a_time(self._cues, limit):
            if position < first:
                yield self._placed(Packet(_EMPTY), position, first)
            yield self._placed(Packet(text), first, last)
            position = last
        if self._cues:
            # What the muxer adds at the end lasts as long as the last cue: let that be short.
            yield self._placed(Packet(_EMPTY), position, position + 1)

    def _converted(self, source: SubtitleStream, packet: Packet[Any]) -> Packet[Any] | None:
        """One cue in the container's format; None if there is no text in it or it is damaged."""
        try:
            binary = source.codec_context.codec.canonical_name == "mov_text"  # has styles after the text
            subtitle = source.decode2(packet if binary else _in_utf8(packet))
            return None if subtitle is None else self.stream.codec_context.encode_subtitle(subtitle)
        except FAILURES:
            return None

    def _placed(self, packet: Packet[Any], first: int, last: int) -> Packet[Any]:
        packet.pts = packet.dts = first
        packet.time_base = self._tick
        packet.duration = max(0, last - first)
        packet.stream = self.stream
        return packet


def _in_utf8(packet: Packet[Any]) -> Packet[Any]:
    """The packet, or one in UTF-8: text in anything else is taken for Windows-1252, as old subtitles are."""
    text = bytes(packet)
    try:
        text.decode()
    except UnicodeDecodeError:
        other: Packet[Any] = Packet(text.decode("cp1252", "replace").encode())
        other.pts, other.dts, other.duration = packet.pts, packet.dts, packet.duration
        other.time_base = packet.time_base
        return other
    return packet


def _one_at_a_time(cues: list[tuple[int, int, bytes]], limit: int | None) -> Iterator[tuple[int, int, bytes]]:
    """Cues that do not overlap, since a track of MP4 shows one at a time: the next one ends the one before.

    Args:
        cues: beginning, end and text. Those that begin together are joined.
        limit: the end of the recording; None if it is that of the last cue.
    """
    by_beginning = groupby(sorted(cues, key=itemgetter(0)), key=itemgetter(0))
    groups = [(first, list(group)) for first, group in by_beginning]
    together = [(first, max(last for _, last, _ in group), [text for _, _, text in group]) for first, group in groups]
    ends = [*(first for first, _, _ in together[1:]), limit]
    for (first, last, texts), end in zip(together, ends, strict=False):
        last = last if end is None else min(last, end)
        if first < last:
            yield first, last, _joined(texts)


def _joined(cues: list[bytes]) -> bytes:
    """Cues of MP4 in one: a length in two bytes, then UTF-8. Of several, styles are lost."""
    if len(cues) == 1:
        return cues[0]
    text = b"\n".join(cue[2 : 2 + int.from_bytes(cue[:2])] for cue in cues)[:0xFFFF]
    return len(text).to_bytes(2) + text
