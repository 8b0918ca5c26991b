"""What a recording takes over from its source file besides the pictures: sound, subtitles, chapters, descriptions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any, Final, Protocol

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.subtitles.stream import SubtitleStream

from rtsod.errors import SourceError
from rtsod.imaging.file_clock import FileClock
from rtsod.imaging.media import FAILURES, Media, cause, media_name, open_media, packets_of, video_stream
from rtsod.sinks.carried.audio import CopiedAudio, EncodedAudio
from rtsod.sinks.carried.selection import Selected, codec_name, select
from rtsod.sinks.carried.subtitles import SubtitleTrack
from rtsod.sinks.carried.tags import describe_stream, file_tags, shifted_chapters
from rtsod.sinks.encoders import Recipe

LONGEST_LEAD: Final = Fraction(600)
"""Seconds of sound before the first picture that are believed. More is a damaged time stamp."""
_LATE_SECONDS: Final = Fraction(10)
"""How far one stream may lag behind another in a file: so far beyond the end the rest is looked for."""

_log = logging.getLogger(__name__)


class Track(Protocol):
    """One carried stream. All times are seconds from the beginning of the recording."""

    note: str | None
    """What has changed, for the user."""

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is written for one packet of the source."""
        ...

    def flush(self, end: Fraction | None) -> Iterator[Packet[Any]]:
        """What is written at the end of the recording; None: when the source ends."""
        ...


def lead_of(source: Media) -> Fraction:
    """How long the sound of a source plays before its first picture, in seconds; 0 if the source cannot be read."""
    try:
        zero, picture = _beginning(source)
    except (SourceError, *FAILURES):
        return Fraction(0)
    return picture - zero


def open_carried(source: Media, output: OutputContainer, recipe: Recipe) -> Carried | None:
    """Add to an output what it takes over from the source file, and say in one line what is left out.

    Args:
        source: a video.
        output: the container, before its header is written.
        recipe: how the output is written.

    Returns:
        None if the source cannot be read. This is logged as a warning; it does not end the run.

    Raises:
        av.error.FFmpegError: the output does not accept a stream.
    """
    name = media_name(source)
    with ExitStack() as opened:
        try:
            zero, picture = _beginning(source)
            container = opened.enter_context(open_media(source))
            carried = Carried(container, name, output, recipe, zero=zero, lead=picture - zero)
        except SourceError as error:
            _log.warning("no sound carried over from %s: %s", name, error)
            return None
        except FAILURES as error:
            _log.warning("no sound carried over from %s: %s", name, cause(error))
            return None
        carried.owned = opened.pop_all()
    return carried


class Carried:
    """The carried streams of a video file that is being written, read in one pass, in step with the pictures.

    All times are seconds from the beginning of the recording. A stream that turns out to be broken ends; the others go
    on.

    Args:
        source: open for demuxing.
        name: of the source, for messages.
        output: the container, before its header is written.
        recipe: how the output is written.
        zero: the beginning of the recording on the clock of ``source``, seconds.
        lead: how long after that the first picture is shown, seconds.
    """

    def __init__(
        self,
        source: InputContainer,
        name: str,
        output: OutputContainer,
        recipe: Recipe,
        *,
        zero: Fraction,
        lead: Fraction = Fraction(0),
    ) -> None:
        self.owned = ExitStack()
        """Closes the source."""
        self.lead = lead
        self._source = source
        self._name = name
        self._output = output
        self._zero = zero
        self._tracks: dict[int, Track] = {}
        selection = select(source, video_stream(source, name).index, recipe)
        for selected in selection.streams:
            self._tracks[selected.stream.index] = self._add(selected, recipe)
        output.metadata.update(file_tags(source.metadata | _tags_of_ogg(source)))
        changes = [track.note for track in self._tracks.values() if track.note]
        if selection.left_out:
            changes.append(f"left out: {', '.join(selection.left_out)}")
        if changes:
            _log.warning("%s from %s: %s", recipe.suffix, name, "; ".join(changes))
        self._packets = self._read([stream for stream in source.streams if stream.index in self._tracks])
        self._next = next(self._packets, None)

    def write_until(self, end: Fraction | None) -> None:
        """Write what begins before ``end``; None: all of it. Call this with increasing times.

        Raises:
            av.error.FFmpegError: the output cannot be written.
        """
        while self._next is not None and (end is None or self._next[0] < end):
            self._write(self._next[1])
            self._next = next(self._packets, None)

    def finish(self, end: Fraction, *, whole: bool) -> None:
        """Write the rest, and what encoders hold.

        Args:
            end: when the last picture ends.
            whole: the source ends here, too: write all that is left of it. False: what begins before ``end``.

        Raises:
            av.error.FFmpegError: the output cannot be written.
        """
        self.write_until(None if whole else end)
        while self._next is not None and self._next[0] < end + _LATE_SECONDS:
            time, packet = self._next
            if time < end:
                self._write(packet)
            self._next = next(self._packets, None)
        limit = None if whole else end
        for index in list(self._tracks):
            self._mux(index, lambda track: track.flush(limit))
        # Only now is it known how much was recorded. Containers store chapters at the end.
        self._output.set_chapters(shifted_chapters(self._source.chapters(), self._zero, limit))

    def close(self) -> None:
        """Close the source. Idempotent."""
        self.owned.close()

    def _add(self, selected: Selected, recipe: Recipe) -> Track:
        stream, encoder = selected.stream, selected.encoder
        track: CopiedAudio | EncodedAudio | SubtitleTrack
        if isinstance(stream, SubtitleStream):
            track = SubtitleTrack(stream, self._output, recipe, self._zero, convert=encoder is not None)
        elif encoder is not None:
            track = EncodedAudio(stream, self._output, encoder, self._zero)
        else:
            track = CopiedAudio(stream, self._output, self._zero)
        describe_stream(track.stream, stream, recipe)
        return track

    def _write(self, packet: Packet[Any]) -> None:
        self._mux(packet.stream.index, lambda track: track.packets(packet))

    def _mux(self, index: int, packets: Callable[[Any], Iterable[Packet[Any]]]) -> None:
        track = self._tracks.get(index)
        if track is None:
            return
        try:
            for packet in packets(track):
                self._output.mux(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError, ValueError) as error:
            # The track's own fault: a full disk, for example, is another error.
            stream = self._source.streams[index]
            what = f"{stream.type} ({codec_name(stream)}, stream {index})"
            _log.warning("the %s of %s ends early: %s", what, self._name, cause(error))
            del self._tracks[index]

    def _read(self, streams: list[Stream]) -> Iterator[tuple[Fraction, Packet[Any]]]:
        """Packets in the order of the file, each with its time."""
        if not streams:
            return
        clock, carried = FileClock(self._source), {stream.index for stream in streams}
        if clock.is_steady:
            for stream in self._source.streams:
                if stream not in streams:
                    stream.discard = Discard.all  # not even read, where the format allows
        try:
            for packet in packets_of(self._source, streams if clock.is_steady else None):
                clock.correct(packet)
                if packet.stream.index not in carried:
                    continue
                stamp = packet.dts if packet.dts is not None else packet.pts
                # An unset time base is None up to PyAV 18, and 0/1 from PyAV 19 on.
                if stamp is not None and packet.time_base:
                    yield stamp * Fraction(packet.time_base) - self._zero, packet
        except FAILURES as error:
            _log.warning("the sound of %s ends early: %s", self._name, cause(error))


def _decoded(packet: Packet[Any]) -> list[Any]:
    """The frames in one packet; none if it is damaged."""
    try:
        return packet.decode()
    except FAILURES:
        return []


def _beginning(source: Media) -> tuple[Fraction, Fraction]:
    """When the recording of a source begins, and its first picture, in seconds of the source's clock.

    The recording begins with the sound if that comes first.

    Raises:
        SourceError: the source cannot be opened or holds no video.
    """
    with open_media(source) as container:
        stream = video_stream(container, media_name(source))
        starts = [
            Fraction(sound.start_time * sound.time_base)
            for sound in container.streams.audio
            if sound.start_time is not None and sound.time_base
        ]
        shown = (frame for packet in packets_of(container, [stream]) for frame in _decoded(packet))
        picture = next((Fraction(f.pts * f.time_base) for f in shown if f.pts is not None and f.time_base), Fraction(0))
    believed = [start for start in starts if picture - start <= LONGEST_LEAD]
    return min([picture, *believed]), picture


def _tags_of_ogg(source: InputContainer) -> dict[str, str]:
    """Ogg has no tags of the file: they are those of its first stream that has any."""
    if source.format.name != "ogg":
        return {}
    return next((dict(stream.metadata) for stream in source.streams if stream.metadata), {})
