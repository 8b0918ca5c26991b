"""Video files and network streams, through PyAV."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import av
import av.error
from av import VideoFrame
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from rtsod.config import MAX_FRAME_PIXELS, MAX_FRAME_SIDE
from rtsod.errors import SourceError
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.interfaces import Clock
from rtsod.sources.decoding import Converter, Timeline, quarter_turns
from rtsod.system.worker_thread import Worker

_log = logging.getLogger(__name__)

OPEN_SECONDS: Final = 10.0
"""How long a network stream may take to begin."""
READ_SECONDS: Final = 10.0
"""How long a network stream may stay silent."""
_FILE_BUFFER: Final = 1 << 18
_MAX_FAILURES: Final = 100
"""Reads in a row that may fail before a file counts as ended."""
_CODEC_OPTIONS: Final = {"max_pixels": str(MAX_FRAME_PIXELS)}
_URL_OPTIONS: Final = {
    # No "file": what a server sends must not make FFmpeg read this machine's files.
    "protocol_whitelist": "rtsp,rtp,srtp,udp,tcp,tls,rtmp,rtmps,srt,http,https,httpproxy,crypto",
    "fflags": "nobuffer",
    "rtsp_flags": "prefer_tcp",
}
_DEFAULT_FPS: Final = Fraction(25)
_Failure: TypeAlias = av.error.FFmpegError | OSError | ValueError
_FAILURES: Final = (av.error.FFmpegError, OSError, ValueError)


def video_from_file(path: Path, *, clock: Clock = time.perf_counter) -> VideoSource:
    """Open a video file: every frame, in presentation order.

    Raises:
        SourceError: there is no video in it, it cannot be decoded, or its frames are absurdly large.
    """
    with ExitStack() as undo:
        try:
            if path.stat().st_size == 0:
                raise SourceError(f"{path} is empty")
            # FFmpeg reads from this handle and may open nothing else: a playlist that poses as a video cannot reach
            # other files or the network.
            file = undo.enter_context(path.open("rb"))
            container = undo.enter_context(
                av.open(
                    file,
                    "r",
                    buffer_size=_FILE_BUFFER,
                    container_options={"protocol_whitelist": ""},
                    options=_CODEC_OPTIONS,
                )
            )
        except _FAILURES as error:
            raise SourceError(f"cannot read {path} as a video: {_cause(error)}") from error
        source = VideoSource(container, undo, name=path.name, live=False, path=path, clock=clock)
        undo.pop_all()  # it is the source's now
    return source


def video_from_url(url: str, *, clock: Clock = time.perf_counter) -> VideoSource:
    """Open ``rtsp``, ``rtmp``, ``udp``, ``srt``, ``tcp`` or ``http(s)``: live, but for ``http(s)`` of known length.

    Raises:
        SourceError: as for a file, or nothing came within ``OPEN_SECONDS``. Credentials are left out of it.
    """
    name = redacted(url)
    with ExitStack() as undo:
        try:
            container = undo.enter_context(
                av.open(
                    url,
                    "r",
                    timeout=(OPEN_SECONDS, READ_SECONDS),
                    container_options=_URL_OPTIONS,
                    options=_CODEC_OPTIONS,
                )
            )
        except _FAILURES as error:
            # Not "from error": the text of FFmpeg's error repeats the URL with its password.
            raise SourceError(f"cannot open {name}: {_cause(error)}; check the address and the network") from None
        live = container.duration is None or not urlsplit(url).scheme.lower().startswith("http")
        source = VideoSource(container, undo, name=name, live=live, path=None, clock=clock)
        undo.pop_all()
    return source


def redacted(url: str) -> str:
    """The URL without user name, password, query and fragment, any of which may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as brackets that are no IPv6 address
        return url.partition("://")[0] + "://..."
    secret = "?..." if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{secret}"


class VideoSource:
    """The frames of an opened container.

    The first one is decoded on opening, so that ``info`` tells what really comes out. Frames are turned upright,
    converted with the colour matrix they were made with, and may change size in mid-stream. What cannot be decoded is
    counted in ``skipped`` and leaves a gap in the indexes. HDR is not tone-mapped; interlaced video stays as it is.
    """

    def __init__(
        self, container: InputContainer, owned: ExitStack, *, name: str, live: bool, path: Path | None, clock: Clock
    ) -> None:
        self._name = name
        self._clock = clock
        self._container = container
        self._stream = _video_stream(container, name)
        self._converter = Converter()
        self._index = 0
        self._skipped = 0
        # Decoding several frames at once costs as many frames of delay; slices of one frame cost none.
        self._stream.thread_type = "SLICE" if live else "AUTO"
        self._live = live
        rate = self._stream.average_rate or self._stream.guessed_rate
        fps = Fraction(rate) if rate and 0 < rate <= 1000 else None
        self._timeline = Timeline(self._stream.time_base or Fraction(1, 1000), 1 / (fps or _DEFAULT_FPS))
        self._pictures = self._decode()
        self._first = next(self._pictures, None)
        if self._first is None:
            raise SourceError(f"{name} holds no frame that can be decoded: the file is damaged or of an unknown kind")
        self._info = self._describe(*self._first, fps=fps, path=path)
        self._promised = self._info.frames
        self._reached = Fraction(0)
        if live:
            self._first = None  # it would be old by the time it is asked for
        self._worker = Worker(self._fetch, owned.pop_all().close, name="video")

    @property
    def info(self) -> SourceInfo:
        """What the file gives, upright."""
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
        return self._worker.next()

    def close(self) -> None:
        """Release the file. Idempotent; from any thread."""
        self._worker.close()

    def _describe(self, image: Image, frame: VideoFrame, *, fps: Fraction | None, path: Path | None) -> SourceInfo:
        aspect = self._stream.sample_aspect_ratio
        aspect = Fraction(aspect) if aspect and aspect > 0 and aspect != 1 else None
        return SourceInfo(
            name=self._name,
            width=image.shape[1],
            height=image.shape[0],
            fps=fps,
            live=self._live,
            frames=None if self._live else _frame_count(self._container, self._stream, fps),
            path=path,
            sample_aspect_ratio=1 / aspect if aspect and quarter_turns(frame) in (90, 270) else aspect,
        )

    def _fetch(self) -> Frame | None:
        picture, self._first = self._first or next(self._pictures, None), None
        if picture is None:
            self._count_missing()
            return None
        image, frame = picture
        index, self._index = self._index, self._index + 1
        pts = None if self._live else self._timeline.seconds(frame.pts)
        self._reached = pts or self._reached
        return Frame(image=image, index=index, captured_at=self._clock(), pts=pts)

    def _count_missing(self) -> None:
        """A file that was cut short simply ends: only what its header promised tells that something is missing."""
        promised, self._promised = self._promised, None
        if promised is None:
            return
        missing, allowed = promised - self._index, 0
        if self._stream.frames <= 0:  # it promised seconds, and its frames need not come evenly
            rate = self._info.fps or _DEFAULT_FPS
            missing, allowed = promised - 1 - int(self._reached * rate), max(2, promised // 20)
        if missing > allowed:
            _log.warning("%s ends early: about %d of %d frames are missing", self._name, missing, promised)
            self._skipped += missing

    def _decode(self) -> Iterator[tuple[Image, VideoFrame]]:
        failures = 0
        packets = self._container.demux(self._stream)
        while failures < _MAX_FAILURES:
            try:
                packet = next(packets, None)
            except _FAILURES as error:
                if self._live:
                    raise SourceError(f"{self._name} broke off: {_cause(error)}") from None
                self._skip(error)
                failures += 1
                packets = self._container.demux(self._stream)  # an error has ended the old one
                continue
            if packet is None:
                return
            try:
                for frame in packet.decode():
                    yield self._converter.bgr(frame), frame
                    failures = 0
            except _FAILURES as error:
                self._skip(error)

    def _skip(self, error: _Failure) -> None:
        _log.info("%s: undecodable data after frame %d: %s", self._name, self._index - 1, _cause(error))
        self._skipped += 1
        self._index += 1


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]  # cover art
    if not streams:
        raise SourceError(f"{name} has no video in it: give a file with pictures")
    stream = streams[0]
    if stream.codec_context is None:
        raise SourceError(f"{name}: its video format cannot be decoded here: convert it to H.264, say")
    if max(stream.width, stream.height) > MAX_FRAME_SIDE or stream.width * stream.height > MAX_FRAME_PIXELS:
        raise SourceError(f"{name}: frames of {stream.width}x{stream.height} pixels are too large: scale them down")
    return stream


def _frame_count(container: InputContainer, stream: VideoStream, fps: Fraction | None) -> int | None:
    if stream.frames > 0:
        return stream.frames
    if not container.duration or fps is None:
        return None
    return max(1, round(Fraction(container.duration, av.time_base) * fps))


def _cause(error: _Failure) -> str:
    if isinstance(error, av.error.ExitError):  # how FFmpeg says that PyAV's timeout stopped it
        return f"no answer within {READ_SECONDS:.0f} s"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
