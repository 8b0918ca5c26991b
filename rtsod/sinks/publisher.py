"""Connections to a server that a live stream is published to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from rtsod.errors import OutputError
from rtsod.frames import Image
from rtsod.interfaces import Wait
from rtsod.sinks import colours
from rtsod.system.machine import thread_limit
from rtsod.system.worker_thread import WorkerThread

KEY_FRAME_SECONDS: Final = 1
"""Interval between key frames: who begins to watch waits no longer for a picture."""
BITS_PER_PIXEL: Final = Fraction(1, 10)
"""The most that a pixel of a picture gets on average: 2.8 Mbit/s at 1280x720 and 30 per second."""
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


class Connection(Protocol):
    """An open connection, on which pictures are sent. One thread at a time may use it."""

    def send(self, image: Image, index: int) -> None:
        """Send one picture.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, of the announced size.
            index: of the picture at the announced rate; larger than that of the one before it.

        Raises:
            OSError, av.error.FFmpegError: the connection is broken.
        """
        ...

    def close(self) -> None:
        """End the stream and the connection, whatever state it is in."""
        ...


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
        self._input = colours.EncoderInput()
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

    def send(self, image: Image, index: int) -> None:
        """Send one picture; see :meth:`Connection.send`."""
        frame = self._input.frame(image, "bgr24", self._stream.codec_context)
        frame.pts, frame.time_base = index, self._tick
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """End the stream and the connection; see :meth:`Connection.close`."""
        with suppress(av.error.FFmpegError, OSError, ValueError):  # it is often closed because it is broken
            self._container.close()


class Link:
    """A connection on a thread of its own, which is left behind if it hangs: FFmpeg may wait for a server for minutes.

    Args:
        connect: opens the connection.
        wait: waits on a condition, with a timeout in seconds of the program's clock.
    """

    def __init__(self, connect: Callable[[], Connection], *, wait: Wait = threading.Condition.wait_for) -> None:
        self._connect = connect
        self._worker = WorkerThread("rtsod-publisher", wait=wait)
        self._connection: Connection | None = None

    def open(self, timeout: float) -> None:
        """Connect.

        Raises:
            OSError, av.error.FFmpegError: the server does not answer, or refuses.
            CallTimeout: not within this many seconds.
            WorkerStopped: :meth:`close` was called.
        """

        def connect() -> None:
            self._connection = self._connect()  # here, so that it is closed even if it comes too late

        self._worker.call(connect, timeout)

    def send(self, image: Image, index: int, timeout: float) -> None:
        """Send a picture; see :meth:`Connection.send`. Raises what :meth:`open` does."""
        connection = self._connection
        assert connection is not None
        self._worker.call(lambda: connection.send(image, index), timeout)

    def close(self, timeout: float) -> None:
        """End the connection, and wait for that for up to ``timeout`` seconds. Idempotent; from any thread."""
        self._worker.stop(self._release)
        self._worker.join(timeout)

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.close()


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
