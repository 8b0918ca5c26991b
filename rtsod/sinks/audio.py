"""Carries the sound of the source file over to the recording, through PyAV."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from rtsod.errors import SourceError
from rtsod.imaging.media import FAILURES, Media, cause, media_name, open_media, video_stream
from rtsod.sinks.encoders import Recipe

BIT_RATE: Final = 160_000
"""Bits per second of re-encoded audio. Stereo AAC and Opus both are transparent at this rate."""

_DEFAULT_SAMPLE_RATE: Final = 48_000
"""Hz, for an encoder that does not support the source's rate."""

_log = logging.getLogger(__name__)


def open_audio(source: Media, output: OutputContainer, recipe: Recipe) -> AudioTrack | None:
    """Add the default audio stream of a source file to an output, copied if the container allows it, else re-encoded.

    Args:
        source: a video. Its first picture that can be decoded is time 0.
        output: the container, before its header is written.
        recipe: how the output is written.

    Returns:
        None if the source has no readable audio. An error is logged as a warning; it does not end the run.

    Raises:
        av.error.FFmpegError: the output does not accept the stream.
    """
    opened = ExitStack()
    with ExitStack() as undo:
        undo.callback(opened.close)
        try:
            origin = _first_picture(source)
            container = opened.enter_context(open_media(source))
        except SourceError as error:
            _log.warning("no audio carried over from %s: %s", media_name(source), error)
            return None
        except FAILURES as error:
            _log.warning("no audio carried over from %s: %s", media_name(source), cause(error))
            return None
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            return None
        track = AudioTrack(container, stream, origin, output, recipe, opened)
        undo.pop_all()
    return track


def _first_picture(source: Media) -> Fraction:
    """When the first picture is shown, in seconds of the file's clock; 0 if no picture can be decoded."""
    with open_media(source) as container:
        for packet in container.demux(video_stream(container, media_name(source))):
            for frame in _decoded(packet):
                if frame.pts is not None and frame.time_base:
                    return Fraction(frame.pts * frame.time_base)
    return Fraction(0)


class AudioTrack:
    """The audio stream of a video file that is being written.

    All times are seconds from the first picture. Audio before that is dropped.

    Args:
        source: open for demuxing.
        stream: the audio of ``source``.
        origin: time of the first picture on the clock of ``source``, seconds.
        output: the container, before its header is written.
        recipe: how the output is written.
        owned: closes ``source``.
    """

    def __init__(
        self,
        source: InputContainer,
        stream: AudioStream,
        origin: Fraction,
        output: OutputContainer,
        recipe: Recipe,
        owned: ExitStack,
    ) -> None:
        self._source = source
        self._owned = owned
        self._output = output
        context = stream.codec_context
        # AAC in MPEG-TS repeats its header in each packet and has no global one, without which it cannot be copied.
        without_header = context.codec.canonical_name == "aac" and not context.extradata
        self._stream: AudioStream
        self._copies = context.codec.canonical_name in recipe.copied_audio and not without_header
        if self._copies:
            self._stream = output.add_stream_from_template(stream)
        else:
            rates = av.Codec(recipe.audio_codec, "w").audio_rates or []
            rate = stream.sample_rate if stream.sample_rate in rates else _DEFAULT_SAMPLE_RATE
            layout = "mono" if stream.channels == 1 else "stereo"
            encoded = output.add_stream(recipe.audio_codec, rate=rate, layout=layout, bit_rate=BIT_RATE)
            assert isinstance(encoded, AudioStream)
            self._stream = encoded
        self._units = self._read(stream, origin)
        self._next = next(self._units, None)

    def write_until(self, end: Fraction | None) -> None:
        """Write the audio that begins before ``end``; None: all of it. Call this with increasing times.

        Raises:
            av.error.FFmpegError: the output cannot be written.
        """
        while self._next is not None and (end is None or self._next[0] < end):
            unit = self._next[1]
            if isinstance(unit, AudioFrame):
                self._output.mux(self._stream.encode(unit))
            else:
                unit.stream = self._stream
                self._output.mux(unit)
            self._next = next(self._units, None)

    def finish(self, end: Fraction | None) -> None:
        """Write the rest up to ``end``, or all of it, and flush the encoder.

        Raises:
            av.error.FFmpegError: the output cannot be written.
        """
        self.write_until(end)
        if not self._copies:
            self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the source. Idempotent."""
        self._owned.close()

    def _read(
        self, stream: AudioStream, origin: Fraction
    ) -> Iterator[tuple[Fraction, AudioFrame | Packet[AudioStream]]]:
        """Packets to copy, or frames to encode, in order, each with its time."""
        newest = Fraction(-1)
        try:
            for packet in self._source.demux(stream):
                for unit in [packet] if self._copies else _decoded(packet):
                    # An unset time base is None up to PyAV 18, and 0/1 from PyAV 19 on.
                    if unit.pts is None or unit.dts is None or not unit.time_base:
                        continue
                    tick = Fraction(unit.time_base)
                    time = unit.pts * tick - origin
                    # Some files have time stamps that go back; a muxer fails on such a packet and ends the run.
                    if time < 0 or time <= newest:
                        continue
                    newest = time
                    shift = round(origin / tick)
                    unit.pts -= shift
                    unit.dts -= shift
                    yield time, unit
        except FAILURES as error:
            _log.warning("the audio of %s ends early: %s", self._source.name, cause(error))


def _decoded(packet: Packet[Any]) -> list[Any]:
    """The frames in one packet; none if it is damaged."""
    try:
        return packet.decode()
    except av.error.InvalidDataError:
        return []
