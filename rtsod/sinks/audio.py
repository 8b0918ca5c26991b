"""The sound of the source file, carried over to the output's time line, through PyAV."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from rtsod.sinks.encoders import Recipe

BIT_RATE: Final = 160_000
"""Bits per second where audio is encoded anew: transparent for stereo AAC and Opus alike."""

_log = logging.getLogger(__name__)


def open_audio(source: Path, output: OutputContainer, recipe: Recipe) -> AudioTrack | None:
    """Add the source's default audio to a video file, as it is where the container takes it, else encoded anew.

    Args:
        source: a video file. Time 0 is its first picture that can be decoded.
        output: the container, before its header is written.
        recipe: how it is written.

    Returns:
        None where the source has no audio that can be read. That fails no run: a warning is logged.

    Raises:
        av.error.FFmpegError: the output does not take the stream.
    """
    try:
        origin = _first_picture(source)
        container = av.open(str(source))
    except (av.error.FFmpegError, IndexError) as error:
        _log.warning("no audio carried over from %s: %s", source, error)
        return None
    stream = container.streams.best("audio")
    try:
        if isinstance(stream, AudioStream) and stream.codec_context is not None:
            return AudioTrack(container, stream, origin, output, recipe)
    except BaseException:
        container.close()
        raise
    container.close()
    return None


def _first_picture(source: Path) -> Fraction:
    """When the first picture is shown, in seconds on the file's own clock; 0 where none can be decoded."""
    with av.open(str(source)) as container:
        for packet in container.demux(video=0):
            for frame in _decoded(packet):
                if frame.pts is not None and frame.time_base is not None:
                    return Fraction(frame.pts * frame.time_base)
    return Fraction(0)


class AudioTrack:
    """The second stream of a video file that is being written.

    All times are seconds from the first picture: audio before it is left out.
    """

    def __init__(
        self, source: InputContainer, stream: AudioStream, origin: Fraction, output: OutputContainer, recipe: Recipe
    ) -> None:
        self._source = source
        self._output = output
        context = stream.codec_context
        # Without its header (MPEG-TS repeats it in each packet) AAC cannot be copied.
        headless = context.codec.canonical_name == "aac" and not context.extradata
        self._stream: AudioStream
        self._copies = context.codec.canonical_name in recipe.copied_audio and not headless
        if self._copies:
            self._stream = output.add_stream_from_template(stream)
        else:
            rates = av.Codec(recipe.audio_codec, "w").audio_rates or []
            rate = stream.sample_rate if stream.sample_rate in rates else 48_000
            layout = "mono" if stream.channels == 1 else "stereo"
            encoded = output.add_stream(recipe.audio_codec, rate=rate, layout=layout, bit_rate=BIT_RATE)
            assert isinstance(encoded, AudioStream)
            self._stream = encoded
        self._units = self._read(stream, origin)
        self._next = next(self._units, None)

    def write_until(self, end: Fraction) -> None:
        """Write what begins before ``end``; to be called with times that grow.

        Raises:
            av.error.FFmpegError: the output cannot be written.
        """
        while self._next is not None and self._next[0] < end:
            unit = self._next[1]
            if isinstance(unit, AudioFrame):
                self._output.mux(self._stream.encode(unit))
            else:
                unit.stream = self._stream
                self._output.mux(unit)
            self._next = next(self._units, None)

    def finish(self, end: Fraction) -> None:
        """Write the rest up to ``end``; raises as :meth:`write_until`."""
        self.write_until(end)
        if not self._copies:
            self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        """Release the source. Idempotent."""
        self._source.close()

    def _read(
        self, stream: AudioStream, origin: Fraction
    ) -> Iterator[tuple[Fraction, AudioFrame | Packet[AudioStream]]]:
        """Packets to copy or frames to encode, in order, with their times."""
        newest = Fraction(-1)
        try:
            for packet in self._source.demux(stream):
                for unit in [packet] if self._copies else _decoded(packet):
                    if unit.pts is None or unit.dts is None or unit.time_base is None:
                        continue
                    time = unit.pts * unit.time_base - origin
                    # Files with a broken clock exist; a muxer given such a packet fails the whole run.
                    if time < 0 or time <= newest:
                        continue
                    newest = time
                    shift = round(origin / unit.time_base)
                    unit.pts -= shift
                    unit.dts -= shift
                    yield time, unit
        except av.error.FFmpegError as error:
            _log.warning("the audio of %s ends early: %s", self._source.name, error)


def _decoded(packet: Packet[Any]) -> list[Any]:
    """The frames in one packet; none where it is broken."""
    try:
        return packet.decode()
    except av.error.InvalidDataError:
        return []
