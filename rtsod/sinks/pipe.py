"""Video for another program, through standard output."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Final

import av
import cv2
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from rtsod.config import PipeFormat
from rtsod.errors import OutputError, ReceiverGone, UsageError
from rtsod.frames import Composited, Image
from rtsod.imaging.colour import EXACT
from rtsod.sinks.pixels import bring_to, opaque, require_composited, with_alpha
from rtsod.sinks.video_file import STILL_SECONDS
from rtsod.system.pipes import OUTPUT_NAME, PipeWriter, take_stdout

_log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 3.0
"""How long ``close`` waits for a reader that takes nothing, and a run that is to end at once for any reader."""
TICK: Final = Fraction(1, 720_000)
"""Unit of NUT's time stamps, seconds: exact at all usual rates, those of NTSC included."""
LATEST_START: Final = 10**10
"""Seconds on the source's clock at which a first picture is believed to be: even those of a calendar fit in."""
UNKNOWN_RATE: Final = Fraction(30)
"""Pictures per second of y4m and raw video if the source states no rate."""
HD_LINES: Final = 720
"""Y4m cannot say what its colours are. From this height on, programs take them for BT.709, below for BT.601."""
_BUFFER_BYTES: Final = 1 << 20


class PipeSink:
    """Writes pictures as they come, so that another program can read them at once.

    ============ ======================= ============= ==================================================
    format       pixels                  alpha         time stamps
    ============ ======================= ============= ==================================================
    ``nut``      raw BGR or BGRA, exact  yes           those of the source
    ``y4m``      4:2:0, 8 bits, limited  no            none: a constant rate, at which pictures are
                                                       repeated or left out, so that they keep their
                                                       times since the first one
    ``rgba``     raw RGBA, exact         yes           as y4m; there is no header either
    ============ ======================= ============= ==================================================

    The first picture sets the size, and whether NUT has an alpha. Later ones of another size are fitted.

    Args:
        open_pipe: opens what is written to, when the sink is made; by default, standard output.
        format: see above.
        fps: frame rate of the source; None for photographs, each of which is shown for ``STILL_SECONDS``.
        starts_at: the time of the first picture on the source's clock, seconds.
        transparent: keep the pictures' alpha. NUT keeps it as well if the first picture has one. Elsewhere black is
            behind what is transparent, and a warning says so once.
        live: whether viewers watch it now, so that they must see slates; see :class:`rtsod.interfaces.Sink`.

    Raises:
        UsageError: standard output is a terminal, or the format cannot keep the alpha.
        OutputError: standard output is closed.
    """

    def __init__(
        self,
        open_pipe: Callable[[], PipeWriter] = lambda: PipeWriter(take_stdout()),
        *,
        format: PipeFormat = "nut",
        fps: Fraction | None = None,
        starts_at: Fraction = Fraction(0),
        transparent: bool = False,
        live: bool = False,
    ) -> None:
        check_format(format, transparent=transparent)
        self.live = live
        self.name = f"{OUTPUT_NAME} ({format})"
        self._format, self._transparent = format, transparent or format == "rgba"
        self._rate = fps or 1 / STILL_SECONDS
        self._stills = fps is None
        self._starts_at = starts_at if format == "nut" and 0 <= starts_at <= LATEST_START else Fraction(0)
        self._reformatter = VideoReformatter()
        self._stream: VideoStream | None = None
        self._container: OutputContainer | None = None
        self._size: tuple[int, int] | None = None
        self._first_captured = 0.0
        self._pictures = 0
        self._next = 0
        self._last: Composited | None = None
        self._warned = self._failed = self._hurried = self._closed = False
        self._busy = threading.Lock()
        self._pipe = open_pipe()

    def write(self, picture: Composited) -> None:
        """Write one picture, however long its reader takes; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        with self._busy:
            if self._closed or self._failed:
                raise OutputError(f"{self.name}: {'is already closed' if self._closed else 'has already failed'}")
            with self._mapping_errors():
                if self._size is None:
                    self._begin(picture)
                seconds = self._seconds(picture)
                self._pictures += 1
                if self._format == "nut":
                    self._next = max(round(seconds / TICK), self._next) + 1
                    self._put(picture, self._next - 1)
                else:
                    self._put_at_rate(picture, seconds)

    def hurry(self) -> None:
        """Wait for the reader no longer than ``CLOSE_SECONDS`` from now on, all in all. From any thread."""
        self._hurried = True
        self._pipe.finish_within(CLOSE_SECONDS)

    def limit_silence(self) -> None:
        """From now on, wait ``CLOSE_SECONDS`` for the reader to take something, and as long as it does. Any thread."""
        self._pipe.limit_silence(CLOSE_SECONDS)

    def close(self) -> None:
        """Finish, so that the reader sees the end; see :meth:`rtsod.interfaces.Sink.close`.

        A reader is waited for as :meth:`limit_silence` says. After a failed write this does not raise again.
        """
        if self._closed:
            return
        self.limit_silence()
        with self._busy:
            self._closed = True
            container, self._container = self._container, None
            try:
                if container is not None:
                    if self._failed:
                        with suppress(av.error.FFmpegError, OSError):
                            container.close()
                        return
                    with self._mapping_errors():
                        container.close()
            finally:
                self._pipe.close()

    def _begin(self, picture: Composited) -> None:
        self._first_captured = picture.captured_at
        height, width = picture.image.shape[:2]
        self._size = width, height
        if self._format == "rgba":
            return
        nut = self._format == "nut"
        if nut and picture.opacity is not None:
            self._transparent = True
        # Without flushing, a small picture would wait for the next ones.
        container = av.open(
            self._pipe,
            "w",
            format="nut" if nut else "yuv4mpegpipe",
            buffer_size=_BUFFER_BYTES,
            container_options={"flush_packets": "1"},
        )
        self._container = container
        self._stream = container.add_stream("rawvideo" if nut else "wrapped_avframe", rate=self._rate)
        context = self._stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = ("bgra" if self._transparent else "bgr24") if nut else "yuv420p"
        context.time_base = self._tick
        if not nut:
            context.color_range = ColorRange.MPEG
        container.start_encoding()

    @property
    def _tick(self) -> Fraction:
        return TICK if self._format == "nut" else 1 / self._rate

    def _seconds(self, picture: Composited) -> Fraction:
        if picture.pts is not None:
            return self._starts_at + picture.pts
        if self._stills:
            return self._pictures * STILL_SECONDS
        return Fraction(picture.captured_at - self._first_captured)

    def _put_at_rate(self, picture: Composited, seconds: Fraction) -> None:
        """Write a picture at its time: repeat the one before it up to there, or leave it out if its place is taken."""
        place = max(0, round(seconds * self._rate))
        while self._last is not None and self._next < place:
            self._put(self._last, self._next)
            self._next += 1
        self._last = picture
        until = place + 1
        if picture.is_last and picture.duration is not None:
            until = max(until, round((seconds + picture.duration) * self._rate))
        for index in range(max(self._next, place), until):
            self._put(picture, index)
            self._next = index + 1

    def _put(self, picture: Composited, tick: int) -> None:
        assert self._size is not None
        image = bring_to(with_alpha(picture) if self._transparent else self._over_black(picture), *self._size)
        if self._format == "rgba":
            self._pipe.write(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA).tobytes())
            return
        assert self._container is not None
        assert self._stream is not None
        frame = VideoFrame.from_ndarray(image, format="bgra" if self._transparent else "bgr24")
        if self._format == "y4m":
            frame = self._reformatter.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709 if self._size[1] >= HD_LINES else Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                interpolation=EXACT,
            )
        frame.pts, frame.time_base = tick, self._tick
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _over_black(self, picture: Composited) -> Image:
        if picture.opacity is not None and not self._warned:
            self._warned = True
            why = "its first picture was opaque" if self._format == "nut" else "y4m cannot keep transparency"
            _log.warning("%s: black is behind what is transparent: %s: choose rgba:-, or nut:-", self.name, why)
        return opaque(picture)

    @contextmanager
    def _mapping_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            self._failed = True
            kind = ReceiverGone if getattr(error, "errno", None) == errno.EPIPE else OutputError
            raise kind(f"{OUTPUT_NAME}: {_why(error, hurried=self._hurried)}") from error


def check_format(format: PipeFormat, *, transparent: bool) -> None:
    """Refuse a format that cannot do what is asked for.

    Raises:
        UsageError: it cannot keep the alpha.
    """
    if transparent and format == "y4m":
        raise UsageError("--output y4m:-: y4m cannot keep transparency: choose nut:- or rgba:-")


def _why(error: Exception, *, hurried: bool) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EPIPE:
        return "its reader closed the pipe before the end"
    if code == errno.ETIMEDOUT:
        did = "did not take the rest within" if hurried else "took nothing for"
        return f"its reader {did} {CLOSE_SECONDS:.0f} s: the end is missing there"
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "disk full: free some space or write to another folder"
    return f"cannot be written: {getattr(error, 'strerror', None) or error}"
