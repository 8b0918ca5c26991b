"""The process that publishes a live stream: it encodes, and holds the connection to the server."""

from __future__ import annotations

import errno
import faulthandler
import socket
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from typing import Final
from urllib.parse import urlsplit

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rtsod.errors import OutputError
from rtsod.sinks import colours
from rtsod.system.machine import thread_limit
from rtsod.system.worker_process import Mailbox

KEY_FRAME_SECONDS: Final = 1
"""Interval between key frames: who begins to watch waits no longer for a picture."""
BITS_PER_PIXEL: Final = Fraction(1, 10)
"""The most that a pixel of a picture gets on average: 2.8 Mbit/s at 1280x720 and 30 per second."""
HANGS_SECONDS: Final = 15.0
"""After this the process ends itself, if its owner, which is less patient, has not ended it."""
# No picture waits in the encoder for another one. Ultrafast would take half the time, but x264 then has no CABAC and no
# deblocking, and a limited rate shows that.
_H264: Final = {"preset": "superfast", "tune": "zerolatency", "crf": "20", "profile": "high"}


@dataclass(frozen=True, slots=True)
class _Protocol:
    muxer: str
    """FFmpeg's name."""
    options: dict[str, str]
    """Of the muxer."""


_PROTOCOLS: Final = {
    "rtmp": _Protocol("flv", {"flvflags": "no_duration_filesize", "flush_packets": "1"}),
    "srt": _Protocol("mpegts", {"flush_packets": "1"}),
    "rtsp": _Protocol("rtsp", {"rtsp_transport": "tcp"}),
}


class Request(Enum):
    """What the owner of the process asks for."""

    OPEN = auto()
    SEND = auto()
    FINISH = auto()


class Publisher:
    """Encodes pictures as H.264 and sends them: FLV for rtmp, MPEG-TS for srt, RTP within the connection for rtsp.

    Args:
        url: of the stream, with whatever login it needs.
        width: pixels, even.
        height: pixels, even.
        fps: pictures per second.

    Raises:
        OSError, av.error.FFmpegError: the server does not answer, or refuses.
    """

    def __init__(self, url: str, width: int, height: int, fps: Fraction) -> None:
        protocol = _PROTOCOLS[url.partition("://")[0]]
        self._tick = 1 / fps
        self._container: OutputContainer = av.open(
            url, "w", format=protocol.muxer, container_options=dict(protocol.options)
        )
        try:
            most = round(width * height * fps * BITS_PER_PIXEL)
            options = {**_H264, "maxrate": str(most), "bufsize": str(most)}
            self._stream: VideoStream = self._container.add_stream("libx264", rate=fps, options=options)
            context = self._stream.codec_context
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.time_base = self._tick
            context.gop_size = max(1, round(KEY_FRAME_SECONDS * fps))
            if (threads := thread_limit()) is not None:
                context.thread_count = threads
            colours.tag(context)
            self._container.start_encoding()
        except BaseException:
            self.close()
            raise

    def send(self, frame: VideoFrame, index: int) -> None:
        """Send one picture.

        Args:
            frame: yuv420p, of the announced size.
            index: of the picture at the announced rate; larger than that of the one before it.

        Raises:
            OSError, av.error.FFmpegError: the connection is broken.
        """
        frame.pts, frame.time_base = index, self._tick
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """End the stream and the connection, whatever state it is in."""
        with suppress(av.error.FFmpegError, OSError, ValueError):  # it is often closed because it is broken
            self._container.close()


def publish(mailbox: Mailbox, url: str, width: int, height: int, fps: Fraction) -> None:
    """The work of a process that publishes a stream. It answers each request: None, or an OutputError that says why.

    PyAV keeps the interpreter's lock while it connects, for as long as the server is silent: nothing else goes on in
    this process then, not even what ends it with its owner. So a timer of C ends it, too.

    Args:
        mailbox: receives a ``Request``, a picture's index, and its planes: None for those of the picture before it.
        url: of the stream.
        width: pixels, even.
        height: pixels, even.
        fps: pictures per second.
    """
    publisher: Publisher | None = None
    frame = colours.i420_frame(width, height)

    def close() -> None:
        nonlocal publisher
        if publisher is not None:
            publisher.close()
        publisher = None

    while True:
        request, index, planes = mailbox.receive(wait=True)
        faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
        answer = None
        try:
            if request is Request.SEND:
                if planes is not None:
                    frame = colours.i420_frame(width, height)
                    for plane, content in zip(frame.planes, planes, strict=True):
                        plane.update(content)
                assert publisher is not None
                publisher.send(frame, index)
            else:
                close()
                if request is Request.OPEN:
                    publisher = Publisher(url, width, height, fps)
        except (av.error.FFmpegError, OSError) as error:
            answer = OutputError(_why(error, url))
            close()
        finally:
            faulthandler.cancel_dump_traceback_later()
        mailbox.send(answer)


def _why(error: Exception, url: str) -> str:
    """Why a server does not answer. FFmpeg's own text repeats the address, with what is secret in it."""
    if getattr(error, "errno", None) == errno.EIO:  # which FFmpeg says of an unknown name, too
        try:
            parts = urlsplit(url)
            socket.getaddrinfo(parts.hostname, parts.port or 0)
        except socket.gaierror as unknown:
            if unknown.errno == socket.EAI_AGAIN:
                return "its name cannot be looked up: check the network"
            return "there is no server of that name: check the address"
        except (OSError, ValueError):
            pass
    return getattr(error, "strerror", None) or type(error).__name__


def check_protocol(url: str) -> None:
    """Find out whether the FFmpeg within PyAV has an address's protocol, without connecting to anything.

    Raises:
        OutputError: it does not.
    """
    scheme = url.partition("://")[0]
    missing = False
    if scheme == "rtsp":  # a muxer of its own, not a protocol
        missing = "rtsp" not in av.formats_available
    else:
        try:
            av.open(f"{scheme}://127.0.0.1:0/x", timeout=1.0).close()  # no server has port 0
        except av.error.ProtocolNotFoundError:
            missing = True
        except (av.error.FFmpegError, OSError, ValueError):
            pass
    if missing:
        raise OutputError(
            f"--output {scheme}://: the FFmpeg within PyAV was built without it: use rtmp:// or rtsp://, or "
            f"--output - | ffmpeg -i - -c:v libx264 -tune zerolatency -f mpegts {scheme}://..."
        )
