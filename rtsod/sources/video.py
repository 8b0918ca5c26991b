"""Video files and network streams, through PyAV."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from av import VideoFrame
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

from rtsod.errors import SourceError
from rtsod.frames import Frame, Picture, SourceInfo
from rtsod.imaging.decoding import Converter
from rtsod.imaging.file_clock import FileClock
from rtsod.imaging.media import FAILURES, Failure, Media, cause, is_web, open_media, packets_of, redacted, video_stream
from rtsod.imaging.network import is_endless, open_address
from rtsod.interfaces import Clock
from rtsod.sources.completeness import Completeness, is_cut_off
from rtsod.sources.segments import Segment
from rtsod.sources.timeline import DisplayOrder, Timeline
from rtsod.system.worker_thread import WorkerStopped, WorkerThread

_log = logging.getLogger(__name__)

RELEASE_SECONDS: Final = 3.0
"""How long ``close`` waits for a file or stream that is still inside a read."""
_MAX_FAILURES: Final = 100
"""Consecutive failed reads after which a file counts as ended."""
_DEFAULT_FPS: Final = Fraction(25)
"""Assumed where a file states no usable frame rate."""
_PICTURES: Final = ("image2", "ico")
"""Formats of single pictures, besides those whose names end in ``_pipe``."""
_MAX_FPS: Final = 1000
"""A higher frame rate than this is a mistake in the file's header."""


def video_from_file(
    path: Path, *, fps: int | None = None, segment: Segment | None = None, clock: Clock = time.perf_counter
) -> VideoSource:
    """Open a video file. It delivers every frame, in presentation order.

    Args:
        path: the file.
        fps: frames per second where the file states no rate and no times; None: 25.
        segment: deliver this part of it alone, with the times and numbers that its frames have in the whole file.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: the file holds no video, the video cannot be decoded, or its frames are absurdly large.
    """
    with ExitStack() as owned:
        container = owned.enter_context(open_media(path, fps=fps))
        source = VideoSource(container, owned, name=path.name, live=False, media=path, segment=segment, clock=clock)
        owned.pop_all()  # the source closes it from here on
    return source


def video_from_url(url: str, *, clock: Clock = time.perf_counter) -> VideoSource:
    """Open a network stream. It is live, except for a file behind ``http(s)``, which is read like one on disk.

    Args:
        url: ``rtsp``, ``rtmp``, ``udp``, ``srt``, ``tcp`` or ``http(s)``.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: as for a file, or nothing arrived within ``OPEN_TIMEOUT_SECONDS`` of
            :mod:`rtsod.imaging.media`. The message holds no credentials.
    """
    with ExitStack() as owned:
        container, media = owned.enter_context(open_address(url))
        live = not is_web(url) or is_endless(container)
        source = VideoSource(container, owned, name=redacted(url), live=live, media=media, clock=clock)
        owned.pop_all()
    return source


@dataclass(frozen=True, slots=True)
class _Decoded:
    """One decoded frame."""

    picture: Picture
    frame: VideoFrame
    index: int
    time: Fraction
    """Seconds from the first frame; meaningless for live input."""


class VideoSource:
    """The frames of an open container.

    Opening decodes the first frame, so that ``info`` describes what really comes out. Frames are those
    a player shows (see :class:`~rtsod.imaging.decoding.Converter`), and may change size in mid-stream.
    Undecodable data is counted in ``skipped`` and leaves gaps in the frame indexes.
    """

    def __init__(
        self,
        container: InputContainer,
        owned: ExitStack,
        *,
        name: str,
        live: bool,
        media: Media | None,
        segment: Segment | None = None,
        clock: Clock,
    ) -> None:
        self._name = name
        self._media = media
        self._broke_off: str | None = None
        self._torn = False
        self._clock = clock
        self._container = container
        self._stream = video_stream(container, name)
        self._converter = Converter(container, self._stream)
        self._index = 0
        self._skipped = 0
        self._segment: Segment | None = None
        # A picture in a format that only FFmpeg knows: its result is named like it, as that of a photograph is.
        alone = container.format.name in _PICTURES or container.format.name.endswith("_pipe")
        self._picture_name = media.stem if alone and isinstance(media, Path) else None
        # Frame threads delay the output by one frame each; slice threads cause no delay.
        self._stream.thread_type = "SLICE" if live else "AUTO"
        self._live = live
        rate = self._stream.average_rate or self._stream.guessed_rate
        if Flags.no_timestamps in Flags(container.format.flags):
            # The average rate is FFmpeg's own assumption there; what the pictures themselves state is in the other.
            rate = self._stream.guessed_rate or rate
        fps = Fraction(rate) if rate and 0 < rate <= _MAX_FPS else None
        self._tick = Fraction(self._stream.time_base or Fraction(1, 1000))
        self._timeline = Timeline(self._tick, 1 / (fps or _DEFAULT_FPS))
        self._whole = Completeness(container, self._stream, cut_off=isinstance(media, Path) and is_cut_off(media))
        self._decoded = self._decode()
        self._ahead = next(self._decoded, None)
        if self._ahead is None:
            raise SourceError(f"{name}: no frame can be decoded: the file is damaged or its format is not supported")
        self._info = self._describe(self._ahead, fps=fps)
        self._shown = 0
        if segment is not None:
            self._go_to(segment)
        if live:  # stale by the time of the first read
            self._ahead, self._index = None, 0
        self._release = owned.pop_all().close
        self._worker = WorkerThread("rtsod-video")

    @property
    def info(self) -> SourceInfo:
        """What the file or stream delivers; sizes are those of upright frames with square pixels."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many packets or frames could not be decoded so far."""
        return self._skipped

    def read(self) -> Frame | None:
        """The next frame; None at the end or after ``close``.

        Raises:
            SourceError: a network stream broke off.
        """
        try:
            return self._worker.call(self._fetch)
        except WorkerStopped:
            return None

    def close(self) -> None:
        """Release the file. Idempotent; from any thread."""
        self._worker.stop(self._release)
        self._worker.join(RELEASE_SECONDS)

    def _go_to(self, segment: Segment) -> None:
        """Deliver a segment, now that the file's first frame has told its size and its time."""
        self._segment = segment
        if segment.first_index:
            self._index, self._skipped = segment.first_index, 0
            try:
                self._container.seek(segment.seek, stream=self._stream)
            except FAILURES as error:
                raise SourceError(f"{self._name}: cannot be read from its middle: {cause(error)}") from error
            self._converter = Converter(self._container, self._stream)  # decoders and what they hold begin anew
            self._decoded = self._decode()
            self._ahead = next(self._decoded, None)
        if self._ahead is None or segment.is_beyond(self._ahead.frame.pts):
            raise SourceError(f"{self._name}: no frame of a part of it can be decoded")
        self._info = replace(self._info, shown_from=self._timeline.since_first(segment.begin))

    def _describe(self, first: _Decoded, *, fps: Fraction | None) -> SourceInfo:
        return SourceInfo(
            name=self._name,
            width=first.picture.image.shape[1],
            height=first.picture.image.shape[0],
            fps=fps,
            live=self._live,
            frames=None if self._live else self._whole.frames,
            path=self._media if isinstance(self._media, Path) else None,
            media=None if self._live else self._media,
            starts_at=self._timeline.began,
            has_alpha=self._converter.has_alpha,
            notes=self._converter.notes,
        )

    def _fetch(self) -> Frame | None:
        if self._live:
            now = next(self._decoded, None)
            return None if now is None else self._frame(now)
        now = self._ahead
        if now is None or (self._segment is not None and self._segment.is_beyond(now.frame.pts)):
            return None
        self._shown += 1
        self._ahead = next(self._decoded, None)
        if self._ahead is not None:
            return self._frame(now, pts=now.time, duration=self._ahead.time - now.time)
        frame = now.frame
        # A file that lacks some is not divided.
        missing = 0 if self._segment is not None else self._count_missing(interlaced=frame.interlaced_frame)
        own = frame.duration * self._tick if frame.duration else None
        last = own if missing else self._whole.last_duration(frame.pts, own)
        return self._frame(now, pts=now.time, duration=self._timeline.believed(last), is_last=True)

    def _frame(
        self, now: _Decoded, *, pts: Fraction | None = None, duration: Fraction | None = None, is_last: bool = False
    ) -> Frame:
        return Frame(
            image=now.picture.image,
            index=now.index,
            captured_at=self._clock(),
            pts=pts,
            alpha=now.picture.alpha,
            duration=duration,
            is_last=is_last,
            name=self._picture_name,
        )

    def _count_missing(self, *, interlaced: bool) -> int:
        """Count the frames that a truncated file lacks. It ends without an error."""
        missing = self._whole.missing(self._shown, interlaced=interlaced)
        if self._torn and self._media is None:
            self._broke_off = "its last picture is not whole"
        total = self._shown + self._skipped + missing
        lack = f": about {missing} of {total} frames are missing" if missing else ""
        reason = f" ({self._broke_off})" if self._broke_off else ""
        if lack or reason:
            _log.warning("%s ends early%s%s", self._name, reason, lack)
        self._skipped += missing
        if not self._broke_off and (share := self._whole.other_programme):
            _log.warning("%s: its last %.0f %% hold another programme, which is left out", self._name, 100 * share)
        return missing

    def _decode(self) -> Iterator[_Decoded]:
        begun, begin_index, segment = False, self._index, self._segment
        order = DisplayOrder(self._container, self._stream)
        for packet in self._packets():
            begun = begun or packet.is_keyframe
            order.push(packet)
            try:
                for frame in self._converter.decode(packet):
                    if segment is not None and not segment.is_shown_or_warms(frame.pts):
                        continue
                    picture = self._converter.picture(frame)
                    time = Fraction(0) if self._live else self._timeline.seconds(order.pop(frame))
                    index, self._index = self._index, self._index + 1
                    yield _Decoded(picture, frame, index, time)
                self._torn = self._torn and not packet.size
            except FAILURES as error:
                self._torn = True
                order.forget(packet)
                warm = segment is None or self._index > begin_index
                if begun and warm:  # what comes before the first key frame was never meant to be shown
                    self._skip(error)

    def _packets(self) -> Iterator[Packet[Any]]:
        """The packets of the pictures. Those of other streams tell how far the file reaches."""
        failures = 0
        clock = FileClock(self._container)
        packets = packets_of(self._container)
        segment = self._segment
        there = segment is None
        while failures < _MAX_FAILURES:
            try:
                packet = next(packets, None)
            except FAILURES as error:
                if self._live:
                    raise SourceError(f"{self._name} broke off: {cause(error)}") from None
                if isinstance(self._media, str):  # FFmpeg has already asked the server again
                    self._broke_off = cause(error)
                    self._whole.break_off()
                    break
                self._skip(error)
                failures += 1
                packets = packets_of(self._container)  # the error has ended the old iterator
                continue
            if packet is None:
                return
            clock.correct(packet)
            whole = self._whole.add(packet)
            if whole and packet.stream.index == self._stream.index:
                failures = 0
                there = there or (segment is not None and segment.begins_with(packet, self._name))
                if there:
                    yield packet
        rest = Packet()  # empty: the decoder returns what it still holds
        rest.stream = self._stream
        yield rest

    def _skip(self, error: Failure) -> None:
        _log.info("%s: undecodable data after frame %d: %s", self._name, self._index - 1, cause(error))
        self._skipped += 1
        self._index += 1
