"""What the outputs show, for the page: a sink that encodes the newest picture, and only while somebody waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Composited, Image
from rtsod.imaging.transparency import over_black
from rtsod.interfaces import Clock
from rtsod.system.priority import give_way

MAX_SIDE: Final = 640
"""Longer side of the page's picture, in pixels: enough to judge a background, a quarter of the bytes of 720p."""
MAX_FPS: Final = 15
"""Pictures per second: half a camera's, at which hands still move rather than jump."""
_PERIOD: Final = 1 / MAX_FPS
JPEG_QUALITY: Final = 80
NICENESS: Final = 5
"""The encoder's nice value: the frames that the outputs' viewers wait for come first."""
BOUNDARY: Final = "rtsod-picture"


class PreviewStream:
    """A sink that shows its pictures to viewers as JPEG.

    A viewer asks for a picture once it has sent the last one. As long as nobody asks, :meth:`write` returns after
    looking at one flag; otherwise it hands the picture, uncopied, to the encoder's thread. Viewers that do not read
    ask for nothing, and nobody waits for them.

    Args:
        clock: monotonic time in seconds.
    """

    name = "control page"
    live = True

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.viewers = 0
        """How many watch, whether or not they read. Changed on the event loop alone."""
        self._clock = clock
        self._wanted = False
        self._due = 0.0
        self._changed = threading.Condition()
        self._picture: Composited | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[bytes | None]]] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    def write(self, picture: Composited) -> None:
        """Take one picture if somebody waits for one; see :meth:`rtsod.interfaces.Sink.write`."""
        if not isinstance(picture, Composited):
            raise TypeError(f"sinks take only Composited pictures, not {type(picture).__name__}")
        if not self._wanted:
            return
        now = self._clock()
        if now < self._due:
            return
        late = now - self._due
        self._due = now + _PERIOD - (late if late < _PERIOD else 0.0)  # a late picture makes no later one late
        with self._changed:
            self._wanted = False
            self._picture = picture
            self._changed.notify_all()

    def close(self) -> None:
        """Let all viewers go. Idempotent; from any thread."""
        with self._changed:
            self._closed = True
            self._wanted = False
            self._picture = None
            waiting, self._waiting = self._waiting, []
            self._changed.notify_all()
        _answer(waiting, None)

    async def next_picture(self) -> bytes | None:
        """The next picture as JPEG; None once the sink is closed."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes | None] = loop.create_future()
        with self._changed:
            if self._closed:
                return None
            if self._thread is None:
                self._thread = threading.Thread(target=self._encode_all, name="rtsod-page-encoder", daemon=True)
                self._thread.start()
            self._waiting.append((loop, answer))
            self._wanted = True
        return await answer

    async def parts(self) -> AsyncIterator[bytes]:
        """The pictures as the parts of a ``multipart/x-mixed-replace`` body, until the sink is closed."""
        self.viewers += 1
        boundary = f"--{BOUNDARY}\r\n".encode()
        try:
            yield boundary
            while (jpeg := await self.next_picture()) is not None:
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n" + boundary  # browsers show a part once they see where it ends
        finally:
            self.viewers -= 1

    def _encode_all(self) -> None:
        give_way(NICENESS)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._picture is not None or self._closed)
                picture, self._picture = self._picture, None
                if picture is None:
                    return
                waiting, self._waiting = self._waiting, []
            _answer(waiting, jpeg_of(picture))
            del picture  # the thread must not keep a picture alive until the next one


def jpeg_of(picture: Composited) -> bytes:
    """Encode a picture for the page, over black where it is transparent."""
    image = picture.image if picture.opacity is None else over_black(picture.image, picture.opacity)
    return to_jpeg(scaled_down(image, MAX_SIDE))


def scaled_down(image: Image, side: int) -> Image:
    """A picture whose longer side is at most ``side`` pixels; the same one if it is small enough."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def to_jpeg(image: Image) -> bytes:
    """Encode ``(H, W, 3)`` uint8 BGR."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "OpenCV encodes any 8-bit picture as JPEG"
    return data.tobytes()


def _answer(waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[bytes | None]]], jpeg: bytes | None) -> None:
    for loop, future in waiting:
        try:
            loop.call_soon_threadsafe(_set, future, jpeg)
        except RuntimeError:  # the server has ended meanwhile
            continue


def _set(future: asyncio.Future[bytes | None], jpeg: bytes | None) -> None:
    if not future.done():
        future.set_result(jpeg)
