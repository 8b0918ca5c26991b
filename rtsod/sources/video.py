"""Video files and network streams, through PyAV."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import av
from av import VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from rtsod.errors import SourceError
from rtsod.frames import Frame, Picture, SourceInfo
from rtsod.imaging.decoding import Converter
from rtsod.imaging.media import FAILURES, Failure, cause, open_media, open_url, redacted, video_stream
from rtsod.interfaces import Clock
from rtsod.sources.timeline import Timeline
from rtsod.system.worker_thread import WorkerStopped, WorkerThread

_log = logging.getLogger(__name__)

RELEASE_SECONDS: Final = 3.0
"""How long ``close`` waits for a file or stream that is still inside a read."""
_MAX_FAILURES: Final = 100
"""Consecutive failed reads after which a file counts as ended."""
_DEFAULT_FPS: Final = Fraction(25)
"""Assumed where a file states no usable frame rate."""
_MAX_FPS: Final = 1000
"""A higher frame rate than this is a mistake in the file's header."""


def video_from_file(path: Path, *, clock: Clock = time.perf_counter) -> VideoSource:
    """Open a video file. It delivers every frame, in presentation order.

    Args:
        path: the file.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: the file holds no video, the video cannot be decoded, or its frames are absurdly large.
    """
    with ExitStack() as owned:
        container = owned.enter_context(open_media(path))
        source = VideoSource(container, owned, name=path.name, live=False, path=path, clock=clock)
        owned.pop_all()  # the source closes it from here on
    return source


def video_from_url(url: str, *, clock: Clock = time.perf_counter) -> VideoSource:
    """Open a network stream. It is live, except for ``http(s)`` with a known duration, which is read like a file.

    Args:
        url: ``rtsp``, ``rtmp``, ``udp``, ``srt``, ``tcp`` or ``http(s)``.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: as for a file, or nothing arrived within ``OPEN_TIMEOUT_SECONDS`` of
            :mod:`rtsod.imaging.media`. The message holds no credentials.
    """
    with ExitStack() as owned:
        container = owned.enter_context(open_url(url))
        live = container.duration is None or not urlsplit(url).scheme.lower().startswith("http")
        source = VideoSource(container, owned, name=redacted(url), live=live, path=None, clock=clock)
        owned.pop_all()
    return source


class VideoSource:
    """The frames of an open container.

    Opening decodes the first frame, so that ``info`` describes what really comes out. Frames are those
    a player shows (see :class:`~rtsod.imaging.decoding.Converter`), and may change size in mid-stream.
    Undecodable data is counted in ``skipped`` and leaves gaps in the frame indexes.
    """

    def __init__(
        self, container: InputContainer, owned: ExitStack, *, name: str, live: bool, path: Path | None, clock: Clock
    ) -> None:
        self._name = name
        self._clock = clock
        self._container = container
        self._stream = video_stream(container, name)
        self._converter = Converter(container, self._stream)
        self._index = 0
        self._skipped = 0
        # Frame threads delay the output by one frame each; slice threads cause no delay.
        self._stream.thread_type = "SLICE" if live else "AUTO"
        self._live = live
        rate = self._stream.average_rate or self._stream.guessed_rate
        fps = Fraction(rate) if rate and 0 < rate <= _MAX_FPS else None
        self._timeline = Timeline(Fraction(self._stream.time_base or Fraction(1, 1000)), 1 / (fps or _DEFAULT_FPS))
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            raise SourceError(f"{name}: no frame can be decoded: the file is damaged or its format is not supported")
        self._info = self._describe(self._first[0], fps=fps, path=path)
        self._expected_frames = self._info.frames
        self._last_pts = Fraction(0)
        if live:
            self._first = None  # stale by the time of the first read
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

    def _describe(self, picture: Picture, *, fps: Fraction | None, path: Path | None) -> SourceInfo:
        return SourceInfo(
            name=self._name,
            width=picture.image.shape[1],
            height=picture.image.shape[0],
            fps=fps,
            live=self._live,
            frames=None if self._live else _frame_count(self._container, self._stream, fps),
            path=path,
            media=path,
            notes=self._converter.notes,
        )

    def _fetch(self) -> Frame | None:
        decoded, self._first = self._first or next(self._decoded, None), None
        if decoded is None:
            self._count_missing()
            return None
        picture, frame = decoded
        index, self._index = self._index, self._index + 1
        pts = None if self._live else self._timeline.seconds(frame.pts)
        self._last_pts = pts or self._last_pts
        return Frame(image=picture.image, index=index, captured_at=self._clock(), pts=pts, alpha=picture.alpha)

    def _count_missing(self) -> None:
        """Count the frames a truncated file lacks. It ends without an error; only its header tells."""
        expected, self._expected_frames = self._expected_frames, None
        if expected is None:
            return
        missing, allowed = expected - self._index, 0
        if self._stream.frames <= 0:  # the header states a duration only, and the frame rate may vary
            rate = self._info.fps or _DEFAULT_FPS
            missing, allowed = expected - 1 - int(self._last_pts * rate), max(2, expected // 20)
        if missing > allowed:
            _log.warning("%s ends early: about %d of %d frames are missing", self._name, missing, expected)
            self._skipped += missing

    def _decode(self) -> Iterator[tuple[Picture, VideoFrame]]:
        failures = 0
        packets = self._container.demux(self._stream)
        while failures < _MAX_FAILURES:
            try:
                packet = next(packets, None)
            except FAILURES as error:
                if self._live:
                    raise SourceError(f"{self._name} broke off: {cause(error)}") from None
                self._skip(error)
                failures += 1
                packets = self._container.demux(self._stream)  # the error has ended the old iterator
                continue
            if packet is None:
                return
            try:
                for frame in self._converter.decode(packet):
                    yield self._converter.picture(frame), frame
                    failures = 0
            except FAILURES as error:
                self._skip(error)

    def _skip(self, error: Failure) -> None:
        _log.info("%s: undecodable data after frame %d: %s", self._name, self._index - 1, cause(error))
        self._skipped += 1
        self._index += 1


def _frame_count(container: InputContainer, stream: VideoStream, fps: Fraction | None) -> int | None:
    if stream.frames > 0:
        return stream.frames
    if not container.duration or fps is None:
        return None
    return max(1, round(Fraction(container.duration, av.time_base) * fps))
