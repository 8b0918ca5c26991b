"""A recording that is made in parts: each is written by itself, and all are joined without being encoded again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from rtsod.errors import OutputError
from rtsod.frames import Composited
from rtsod.imaging.media import Media, open_media, packets_of, video_stream
from rtsod.interfaces import Sink
from rtsod.sinks.carried import Carried, open_carried
from rtsod.sinks.encoders import recipe_for
from rtsod.system.files import output_error


class PartSink:
    """Writes the pictures of one part: none before its first. See :class:`rtsod.interfaces.Sink`.

    Args:
        sink: writes them, each at its time in the whole recording; closed with this one.
        shown_from: time of the part's first picture, seconds.
    """

    live = False

    def __init__(self, sink: Sink, shown_from: Fraction) -> None:
        self._sink, self._shown_from = sink, shown_from
        self.name = sink.name
        self.frames = 0
        """Pictures of the part so far."""
        self.shown = Fraction(0)
        """Seconds from its first picture to the end of its last."""

    def write(self, picture: Composited) -> None:
        """See :meth:`rtsod.interfaces.Sink.write`."""
        if picture.pts is not None and picture.pts >= self._shown_from:
            self._sink.write(picture)
            self.frames += 1
            self.shown = picture.pts + (picture.duration or 0) - self._shown_from

    def close(self) -> None:
        """See :meth:`rtsod.interfaces.Sink.close`."""
        self._sink.close()


class PartsDiffer(Exception):
    """The parts cannot be one stream: a source's pictures change in size, for example."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a joined recording holds."""

    frames: int
    width: int
    height: int
    seconds: float
    """When its last picture ends, from its first."""


def join_parts(parts: Sequence[Path], path: Path, *, carry_from: Media | None) -> Joined:
    """Join the parts of a recording, whose pictures have their times in the whole one.

    Args:
        parts: their files, in order, of one kind.
        path: of the recording, of the same kind. It is written in place.
        carry_from: the source, whose sound, subtitles and descriptions are carried over whole.

    Raises:
        PartsDiffer: they cannot be one stream.
        SourceError: a part cannot be read.
        OutputError: the recording cannot be written.
    """
    recipe = recipe_for(path, transparent=False)
    with ExitStack() as opened:
        first = opened.enter_context(open_media(parts[0]))
        template = video_stream(first, parts[0].name)
        with (
            _mapping_errors(path),
            av.open(
                str(path), "w", format=recipe.container, container_options=dict(recipe.container_options)
            ) as container,
        ):
            video = container.add_stream_from_template(template)
            video.time_base = recipe.time_base
            video.metadata.update(template.metadata)
            carried = None if carry_from is None else open_carried(carry_from, container, recipe)
            if carried is not None:
                opened.callback(carried.close)
            container.start_encoding()
            return _Joining(container, video, carried, recipe.time_base).all_of(parts, template)


class _Joining:
    def __init__(self, container: OutputContainer, video: VideoStream, carried: Carried | None, tick: Fraction) -> None:
        self._container, self._video, self._carried, self._tick = container, video, carried, tick
        self._frames, self._begin, self._end = 0, 0, 0

    def all_of(self, parts: Sequence[Path], template: VideoStream) -> Joined:
        for part in parts:
            with open_media(part) as container:
                stream = video_stream(container, part.name)
                if _kind_of(stream) != _kind_of(template):
                    raise PartsDiffer
                for packet in packets_of(container, [stream]):
                    self._take(packet)
        if self._carried is not None:
            self._carried.finish(self._end * self._tick, whole=True)
        context = template.codec_context
        seconds = float((self._end - self._begin) * self._tick)
        return Joined(self._frames, context.width, context.height, seconds)

    def _take(self, packet: Packet[Any]) -> None:
        if packet.pts is None or packet.dts is None or not packet.size:
            return
        scale = Fraction(packet.time_base) / self._tick
        packet.pts, packet.dts = round(packet.pts * scale), round(packet.dts * scale)
        packet.duration = round((packet.duration or 0) * scale)
        packet.time_base, packet.stream = self._tick, self._video
        if not self._frames:
            self._begin = packet.pts
        self._frames, self._end = self._frames + 1, max(self._end, packet.pts + packet.duration)
        begins = packet.pts * self._tick
        self._container.mux(packet)
        if self._carried is not None:
            self._carried.write_until(begins)


def _kind_of(stream: VideoStream) -> tuple[object, ...]:
    context = stream.codec_context
    return context.name, context.width, context.height, context.pix_fmt, context.extradata


@contextmanager
def _mapping_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        raise output_error(path, error) from error
