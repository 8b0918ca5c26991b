"""The one way to open media that somebody else made.

A hostile or damaged file must not read other files, reach the network, or ask for gigabytes of pixels. Every reader of
videos, pictures and sound opens its input here, so the limits hold for all of them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias
from urllib.parse import urlsplit

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from rtsod.config import MAX_FRAME_PIXELS, MAX_FRAME_SIDE
from rtsod.errors import SourceError
from rtsod.system.names import server_name
from rtsod.system.pipes import PipeReader

OPEN_TIMEOUT_SECONDS: Final = 10.0
"""How long a network stream may take to open."""
READ_TIMEOUT_SECONDS: Final = 10.0
"""How long an open network stream may stay silent."""
SLOW_SECONDS: Final = 60.0
"""How long a web server that is slow, but not silent, may take to open a file, or to deliver one picture."""
Media: TypeAlias = Path | str
"""A local file's path, or the address of a network stream."""
Failure: TypeAlias = av.error.FFmpegError | OSError | ValueError
FAILURES: Final = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises when it opens, demuxes or decodes bad data."""

_KEY_IN_PATH: Final = ("rtmp", "rtsp")
"""Addresses of streams whose path may be a key, and all that protects them."""
_FILE_BUFFER_BYTES: Final = 1 << 18
_NOT_THE_VIDEO: Final = (
    Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
)
_CODEC_OPTIONS: Final = {"max_pixels": str(MAX_FRAME_PIXELS)}
# MPEG-TS: where the numbers of the streams change, as in joined recordings, the same streams go on.
_ONE_PROGRAMME: Final = {"merge_pmt_versions": "1"}
# Old files have titles that are not UTF-8. From PyAV 19 on they are no error.
_READABLE_TITLES: Final[dict[str, Any]] = (
    {} if int(av.__version__.partition(".")[0]) > 18 else {"metadata_errors": "replace"}
)
_FILE_OPTIONS: Final = {
    # FFmpeg reads from a handle and may open nothing else: a playlist that poses as a video reaches neither other files
    # nor the network.
    "protocol_whitelist": "",
    "format_whitelist": ",".join(sorted(av.formats_available - {"tty"})),  # it shows any text as a video of a terminal
    **_ONE_PROGRAMME,
}
# No "file": a server's answer must not make FFmpeg read local files.
_PROTOCOLS: Final = {
    "protocol_whitelist": "rtsp,rtp,srtp,udp,tcp,tls,rtmp,rtmps,srt,http,https,httpproxy,crypto",
    **_ONE_PROGRAMME,
}
# FFmpeg keeps what it reads while it analyses a stream, and delivers it afterwards. Not so with "fflags=nobuffer": then
# the first key frame is gone, and the first picture waits for the next one. So the analysis is kept short instead: six
# frames tell the frame rate, and sound that does not come within a second is not waited for.
_SHORT_ANALYSIS: Final = {"fpsprobesize": "6", "analyzeduration": "1000000"}  # microseconds
_LIVE_OPTIONS: Final = {**_PROTOCOLS, **_SHORT_ANALYSIS, "rtsp_flags": "prefer_tcp"}
# A file behind http(s) is analysed like one on disk, so that the same is found in it. FFmpeg asks a server that broke
# off for the rest, if it can send parts of a file. Without "multiple_requests" it asks to close the connection, but
# uses it again if the server does not repeat that, as HTTP/1.1 allows, and takes its end for the end of the file.
_WEB_OPTIONS: Final = {**_PROTOCOLS, "reconnect": "1", "reconnect_delay_max": "3", "multiple_requests": "1"}


@contextmanager
def open_media(media: Media, *, fps: int | None = None) -> Iterator[InputContainer]:
    """Open a file or a network stream for demuxing; leaving the context closes it.

    Args:
        media: the path of any local file, or an address as :func:`open_url` takes it.
        fps: frames per second of a file that states no rate and no times; None: 25.

    Raises:
        SourceError: the file is missing, empty, unreadable, or in no known format; for an address, see there.
    """
    if isinstance(media, str):
        with open_url(media) as container:
            yield container
        return
    try:
        file = media.open("rb")
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {media}: {cause(error)}") from error
    with file, open_handle(file, media, fps=fps) as container:
        yield container


@contextmanager
def open_handle(file: BinaryIO, path: Path, *, fps: int | None = None) -> Iterator[InputContainer]:
    """Like :func:`open_media`, for a file that is open already; its owner closes it.

    Args:
        file: open for reading bytes, seekable, at its start.
        path: where it came from, for messages.
        fps: as for :func:`open_media`.

    Raises:
        SourceError: the file is empty, unreadable, or in no known format.
    """
    try:
        if not file.read(1):
            raise SourceError(f"cannot read {path}: the file is empty")
        file.seek(0)
        container = _opened(file, fps)
    except FAILURES as error:
        raise SourceError(f"cannot read {path}: {cause(error)}") from error
    with container:
        yield container


@contextmanager
def open_pipe(file: PipeReader, *, live: bool = False, fps: int | None = None) -> Iterator[InputContainer]:
    """Like :func:`open_handle`, for what can only be read from start to end; its owner closes it.

    Args:
        file: nothing of it read yet.
        live: analyse it for a moment only, like a network stream.
        fps: as for :func:`open_media`.

    Raises:
        SourceError: it is empty, unreadable, in no known format, or in one whose index comes last.
    """
    try:
        container = _opened(file, fps, _SHORT_ANALYSIS if live else {})
    except FAILURES as error:
        if not file.head:
            raise SourceError(f"cannot read {file.name}: nothing came: see what the sending program says") from None
        ended = f", and it ended after {file.received} bytes" if file.ended else ""
        raise SourceError(
            f"cannot read {file.name}: {cause(error)}{ended}: send what can be read without going back, such as NUT, "
            "y4m, Matroska or MPEG-TS, or give the file's name"
        ) from error
    with container:
        yield container


def is_mp4(head: bytes) -> bool:
    """Whether a file with these first bytes, 8 of them at least, is an MP4, MOV or the like."""
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")


def _opened(file: BinaryIO | PipeReader, fps: int | None, analysis: Mapping[str, str] = {}) -> InputContainer:
    options = {**_FILE_OPTIONS, **analysis, **({} if fps is None else {"framerate": str(fps)})}
    container: InputContainer = av.open(
        file, "r", buffer_size=_FILE_BUFFER_BYTES, container_options=options, options=_CODEC_OPTIONS, **_READABLE_TITLES
    )
    return container


@contextmanager
def open_url(url: str, *, raw: bool = False) -> Iterator[InputContainer]:
    """Open a network stream with low latency, or a file behind ``http(s)``; leaving the context closes it.

    Demuxing it raises one of ``FAILURES`` when nothing arrives for ``READ_TIMEOUT_SECONDS``.

    Args:
        url: ``rtsp``, ``rtmp``, ``udp``, ``srt``, ``tcp`` or ``http(s)``.
        raw: do not look into it; its packets hold its bytes.

    Raises:
        SourceError: nothing usable arrived within ``OPEN_TIMEOUT_SECONDS``, or from a web server within
            ``SLOW_SECONDS``. The message holds no credentials.
    """
    options: dict[str, str] = _LIVE_OPTIONS
    open_timeout, read_timeout = OPEN_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
    if is_web(url):
        options = {**_WEB_OPTIONS, "rw_timeout": str(round(READ_TIMEOUT_SECONDS * 1e6))}
        open_timeout = read_timeout = max(SLOW_SECONDS, READ_TIMEOUT_SECONDS)
    try:
        container = av.open(
            url,
            "r",
            format="data" if raw else None,
            timeout=(open_timeout, read_timeout),
            container_options=options,
            options=_CODEC_OPTIONS,
            **_READABLE_TITLES,
        )
    except FAILURES as error:
        # Not "from error": FFmpeg's message repeats the URL, password included.
        raise SourceError(f"cannot open {redacted(url)}: {cause(error)}; check the address and the network") from None
    with container:
        yield container


def packets_of(container: InputContainer, streams: Iterable[Stream] | None = None) -> Iterator[Packet[Any]]:
    """The packets of an open file in their order, and at the end an empty one for each stream.

    Args:
        container: open for demuxing.
        streams: those to read; None: all.
    """
    chosen = list(container.streams if streams is None else streams)
    try:
        yield from container.demux(chosen)
    except IndexError:
        return  # PyAV reaches the end so, if another stream began in the middle of the file
    except av.error.OSError as error:
        # A web server that states no size ends a file by closing the connection. FFmpeg cannot tell that from a fault.
        if not is_web(container.name) or states_size(container) or error.errno != errno.EIO:
            raise
        for stream in chosen:
            end: Packet[Any] = Packet()
            end.stream = stream
            yield end


def states_size(container: InputContainer) -> bool:
    """Whether it is known how many bytes an open file or stream has."""
    return (container.size or 0) > 0  # unknown: an error's number up to PyAV 18, and None from PyAV 19 on


def stated_seconds(container: InputContainer) -> float | None:
    """How long an open file says that it is, in seconds; None if it does not say."""
    return container.duration / av.time_base if container.duration else None


def is_web(url: str) -> bool:
    """Whether an address is ``http`` or ``https``."""
    return url.lower().startswith(("http://", "https://"))


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The video that a player shows, with its decoder bounded to ``MAX_FRAME_PIXELS``.

    Args:
        container: open for demuxing, nothing decoded yet.
        name: of the file, for messages.

    Raises:
        SourceError: there is no video, no decoder for it, or its frames are larger than ``MAX_FRAME_SIDE`` or
            ``MAX_FRAME_PIXELS``.
    """
    streams = videos(container)
    if not streams:
        raise SourceError(f"{name} has no video in it: give a file with pictures")
    stream = streams[0]
    if stream.codec_context is None:
        raise SourceError(f"{name}: its video format cannot be decoded here: convert it, for example to H.264")
    if not fits_limits(stream.width, stream.height):
        raise SourceError(f"{name}: frames of {stream.width}x{stream.height} pixels are too large: scale them down")
    # PyAV applies the container's options while probing only; this bounds frames that grow in mid-stream.
    stream.codec_context.options = dict(_CODEC_OPTIONS)
    return stream


def videos(container: InputContainer) -> list[VideoStream]:
    """The video streams, that which a player shows first: no cover art, no thumbnails, no parts of another picture.

    One that moves goes before a single picture, then the default one before others, a large one before a small one, and
    one that can be decoded before one that cannot.
    """

    def rank(stream: VideoStream) -> tuple[bool, bool, bool, int]:
        moves = stream.frames != 1 and bool(stream.average_rate)
        known = stream.codec_context is not None
        size = stream.width * stream.height if known else 0
        return known, moves, bool(stream.disposition & Disposition.default), size

    streams = [stream for stream in container.streams.video if not stream.disposition & _NOT_THE_VIDEO]
    return sorted(streams, key=rank, reverse=True)  # stable: the first of equals stays first


def fits_limits(width: int, height: int) -> bool:
    """Whether a picture of this size, in pixels, may be decoded."""
    return max(width, height) <= MAX_FRAME_SIDE and width * height <= MAX_FRAME_PIXELS


def media_name(media: Media) -> str:
    """A file's or an address's name for messages, without secrets."""
    return redacted(media) if isinstance(media, str) else str(media)


def redacted(url: str) -> str:
    """The URL without user name, password, query and fragment, any of which may be secret; so is the path for some."""
    if url.lower().startswith(_KEY_IN_PATH):
        return server_name(url)
    try:
        parts = urlsplit(url)
    except ValueError:  # for example brackets around something other than an IPv6 address
        return url.partition("://")[0] + "://..."
    secret = "?..." if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{secret}"


def cause(error: Failure) -> str:
    """One line that says what went wrong, without a full stop."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):  # PyAV's timeout, and the protocol's
        return f"no answer within {READ_TIMEOUT_SECONDS:.0f} s"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
