"""Where a long video can be divided, so that its parts together show the same frames at the same times."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from rtsod.errors import SourceError
from rtsod.imaging.file_clock import FileClock
from rtsod.imaging.media import FAILURES, open_media, packets_of, stated_seconds, video_stream
from rtsod.sources.completeness import Completeness, is_cut_off
from rtsod.sources.timeline import LONGEST_PAUSE

_SHORTEST_LAST: Final = 0.5
"""A shorter rest than this share of a segment belongs to the segment before it."""
_UNSTAMPED: Final = "avi"
"""FFmpeg makes up this format's time stamps from the order of decoding, so they say nothing about one frame."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The frames of a video that are shown from ``begin`` until before ``end``, and what must be read before them.

    All times are in units of the stream's time base, on the file's own clock.
    """

    seek: int
    """Time stamp by which the key frame where reading begins is found: that of decoding, where the file has one."""
    key: int
    """Presentation time stamp of that key frame."""
    warm: int
    """Presentation time stamp of the first frame that is delivered: those before ``begin`` only warm up what remembers
    earlier frames."""
    begin: int
    """Of the first frame that is shown."""
    end: int | None
    """Of the first frame after it; None for the last segment."""
    first_index: int
    """Number of the frame at ``warm``, counted from the file's first."""

    def is_shown_or_warms(self, pts: int | None) -> bool:
        """Whether a decoded frame is delivered, if it is not beyond the segment."""
        return pts is None or pts >= self.warm

    def is_beyond(self, pts: int | None) -> bool:
        """Whether a decoded frame belongs to the next segment."""
        return self.end is not None and pts is not None and pts >= self.end

    def begins_with(self, packet: Packet[Any], name: str) -> bool:
        """Whether a packet is the first to be decoded: a file may only be found by an earlier key frame.

        Args:
            packet: of the pictures.
            name: of the file, for messages.

        Raises:
            SourceError: a later key frame was found instead.
        """
        if packet.is_keyframe and packet.pts is not None and packet.pts > self.key:
            raise SourceError(f"{name}: cannot be read from its middle: a key frame is not found")
        return packet.is_keyframe and packet.pts == self.key


@dataclass(slots=True)
class _Index:
    """Every packet of a file's pictures that will be shown."""

    stamps: array[int]
    """Presentation time stamps, in the order of decoding."""
    keys: list[tuple[int, int]]
    """Of the key frames: presentation time stamps, and those to find them by."""


def divide(path: Path, seconds: float, *, warm_up: float) -> tuple[Segment, ...]:
    """Divide a video at key frames. The whole file is read for that, and nothing is decoded.

    Args:
        path: of the video.
        seconds: how long a segment is at least, but for the last one.
        warm_up: seconds before each segment whose frames are delivered as well.

    Returns:
        The segments in their order; none where the file is shorter than one and a half of them, or where it is not sure
        that the parts would show what the whole shows: its clock jumps, frames have no time stamps or share one, it is
        cut off, or it has too few key frames.

    Raises:
        SourceError: the file cannot be opened or holds no video.
    """
    with open_media(path) as container:
        stream = video_stream(container, path.name)
        if (stated_seconds(container) or 0) < (1 + _SHORTEST_LAST) * seconds or not stream.time_base:
            return ()
        tick = Fraction(stream.time_base)
        index = _read(container, stream, path)
    if index is None:
        return ()
    shown = sorted(index.stamps)
    gaps = [after - before for before, after in pairwise(shown)]
    if not gaps or min(gaps) <= 0 or max(gaps) * tick > LONGEST_PAUSE:
        return ()
    return _segments(shown, sorted(index.keys), length=round(seconds / tick), warm_up=round(warm_up / tick))


def _segments(shown: list[int], keys: list[tuple[int, int]], *, length: int, warm_up: int) -> tuple[Segment, ...]:
    key_stamps = [pts for pts, _ in keys]
    begins = [shown[0]]
    while (at := bisect_left(key_stamps, begins[-1] + length)) < len(keys):
        if shown[-1] - key_stamps[at] < _SHORTEST_LAST * length:
            break
        begins.append(key_stamps[at])
    if len(begins) < 2:
        return ()
    segments = []
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        at = max(0, bisect_right(key_stamps, begin - warm_up) - 1)
        if at == 0:  # from the start of the file, whatever it begins with
            segments.append(Segment(keys[0][1], keys[0][0], shown[0], begin, end, 0))
            continue
        first = bisect_left(shown, max(key_stamps[at], begin - warm_up))
        segments.append(Segment(keys[at][1], keys[at][0], shown[first], begin, end, first))
    return tuple(segments)


def _read(container: InputContainer, stream: VideoStream, path: Path) -> _Index | None:
    """All time stamps; None if one of them cannot be relied on."""
    if container.format.name == _UNSTAMPED or stream.codec_context.codec.canonical_name in ("gif", "apng"):
        return None
    clock, whole = FileClock(container), Completeness(container, stream, cut_off=is_cut_off(path))
    if clock.is_steady:
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
    index = _Index(array("q"), [])
    try:
        for packet in packets_of(container, [stream] if clock.is_steady else None):
            before = packet.pts, packet.dts
            clock.correct(packet)
            if (packet.pts, packet.dts) != before or not whole.add(packet):
                return None
            if packet.stream.index != stream.index or not packet.size or packet.is_discard:
                continue
            if packet.pts is None or packet.time_base != stream.time_base:
                return None
            index.stamps.append(packet.pts)
            if packet.is_keyframe:
                index.keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
    except FAILURES:
        return None
    if not index.keys or whole.missing(len(index.stamps)):
        return None
    return index
