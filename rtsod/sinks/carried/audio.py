"""Audio tracks of a recording: copied, or encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from rtsod.imaging.media import FAILURES
from rtsod.sinks.carried.continuous import Continuous
from rtsod.sinks.carried.layouts import encoder_layout

BIT_RATE: Final = 80_000
"""Bits per second and channel of re-encoded audio. AAC and Opus both are transparent at this rate."""

_DEFAULT_SAMPLE_RATE: Final = 48_000
"""Hz, for an encoder that does not support the source's rate."""
_SAMPLES_PER_PACKET: Final = {"ac3": 1536}
"""Where the decoder does not tell."""


class CopiedAudio:
    """Copies packets as they are.

    Args:
        source: the stream of the source file.
        output: the container, before its header is written.
        zero: the beginning of the recording on the clock of the source, seconds.
    """

    def __init__(self, source: AudioStream, output: OutputContainer, zero: Fraction) -> None:
        self.stream = output.add_stream_from_template(source)
        self.note: str | None = None
        self._zero = zero
        self._rate = source.codec_context.sample_rate
        name = source.codec_context.codec.canonical_name
        self._samples = source.codec_context.frame_size or _SAMPLES_PER_PACKET.get(name, 0)
        self._expected: Fraction | None = None
        self._newest: Fraction | None = None
        self._last: int | None = None

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is written for one packet of the source: the packet with its new time, or nothing."""
        if packet.pts is None or not packet.time_base or not packet.size:
            return
        tick = Fraction(packet.time_base)
        time = self._exact(packet.pts * tick - self._zero, tick)
        nominal = Fraction(self._samples, self._rate)
        duration = (packet.duration or 0) * tick
        if abs(duration - nominal) <= tick:
            duration = nominal
        # Hidden sound before the recording: a decoder needs the last packet of it. More than that may be what an editor
        # has cut away.
        if time < 0 and time + 2 * duration <= 0:
            return
        stamp = round(time * self._rate)
        if self._last is not None and self._newest is not None and stamp <= self._last:
            # Packets shorter than a tick of the source's clock share a time stamp. Others repeat what was there: a
            # muxer fails on them and ends the run.
            if duration > tick or time < self._newest - tick:
                return
            stamp = self._last + 1
        self._last, self._newest = stamp, time
        packet.pts = packet.dts = stamp
        packet.duration = round(duration * self._rate)
        packet.time_base = Fraction(1, self._rate)
        packet.stream = self.stream
        yield packet

    def flush(self, end: Fraction | None) -> Iterator[Packet[Any]]:
        """Nothing is held back."""
        yield from ()

    def _exact(self, time: Fraction, tick: Fraction) -> Fraction:
        """Undo the rounding of a coarse clock, such as Matroska's milliseconds, by counting samples."""
        if self._expected is not None and abs(time - self._expected) <= tick:
            time = self._expected
        self._expected = time + Fraction(self._samples, self._rate) if self._samples else None
        return time


class EncodedAudio:
    """Decodes packets and encodes their sound anew, from the beginning of the recording on and without gaps.

    Args:
        source: the stream of the source file.
        output: the container, before its header is written.
        codec: FFmpeg's name of the encoder.
        zero: the beginning of the recording on the clock of the source, seconds.
    """

    def __init__(self, source: AudioStream, output: OutputContainer, codec: str, zero: Fraction) -> None:
        context = source.codec_context
        rates = av.Codec(codec, "w").audio_rates
        rate = context.sample_rate if rates is None or context.sample_rate in rates else _DEFAULT_SAMPLE_RATE
        layout = encoder_layout(codec, context.layout)
        bit_rate = BIT_RATE * av.AudioLayout(layout).nb_channels
        stream = output.add_stream(codec, rate=rate, layout=layout, bit_rate=bit_rate)
        assert isinstance(stream, AudioStream)
        self.stream = stream
        self.note: str | None = None
        if av.AudioLayout(layout).nb_channels != context.layout.nb_channels:
            self.note = f"audio in {context.layout.name} becomes {layout}"
        self._source = source
        self._zero = zero
        self._rate = rate
        self._next: Fraction | None = None
        self._continuous = Continuous(rate)
        self._resampler: AudioResampler | None = None
        self._heard: tuple[str, str, int] | None = None

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is written for one packet of the source."""
        yield from self._decoded(packet)

    def flush(self, end: Fraction | None) -> Iterator[Packet[Any]]:
        """What decoder, resampler and encoder still hold."""
        if end is None:
            yield from self._decoded(None)
        yield from self._encoded(self._drained())
        yield from self.stream.encode(None)

    def _decoded(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        try:
            frames: list[Any] = self._source.decode(packet)
        except FAILURES:  # a damaged packet; FFmpeg has many names for that
            return
        for frame in frames:
            if frame.pts is not None and frame.time_base:
                self._next = frame.pts * Fraction(frame.time_base)
            if self._next is not None:
                # Of several frames in one packet, only the first has a time stamp.
                frame.pts, frame.time_base = round(self._next * frame.sample_rate), Fraction(1, frame.sample_rate)
                self._next += Fraction(frame.samples, frame.sample_rate)
                yield from self._encoded(self._converted(frame))

    def _converted(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """In the encoder's layout and rate, packed. A broadcast may change to surround in the middle."""
        heard = (frame.format.name, frame.layout.name, frame.sample_rate)
        if heard != self._heard:
            yield from self._drained()
            context = self.stream.codec_context
            # Packed: PyAV 18 crashes on the planes of eight channels.
            self._resampler = AudioResampler(context.format.packed, context.layout, self._rate)
            self._heard = heard
        assert self._resampler is not None
        yield from self._resampler.resample(frame)

    def _drained(self) -> Iterator[AudioFrame]:
        if self._resampler is not None:
            yield from (frame for frame in self._resampler.resample(None) if frame is not None)
            self._resampler = None
            self._heard = None

    def _encoded(self, frames: Iterator[AudioFrame]) -> Iterator[Packet[Any]]:
        for frame in frames:
            if frame.pts is None or not frame.time_base or not frame.samples:
                continue
            for placed in self._continuous.place(frame, frame.pts * Fraction(frame.time_base) - self._zero):
                yield from self.stream.encode(placed)
