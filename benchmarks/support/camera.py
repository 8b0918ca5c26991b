"""A source that behaves like a camera: it waits for nobody, and a frame that is not read in time is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from rtsod.frames import Frame, Image, SourceInfo
from rtsod.interfaces import Clock

BUFFERS: Final = 1
"""Frames that wait in the driver, as many as the program asks a camera for (``CAP_PROP_BUFFERSIZE``)."""


class PacedCamera:
    """A camera whose pictures come from memory. See :class:`rtsod.interfaces.Source`.

    It starts with the first read. From then on a frame is due every ``1 / fps`` seconds, read or not, and
    ``Frame.captured_at`` is the time at which it was due: what a late reader wastes counts as latency. The driver keeps
    the newest ``buffers`` frames. Those before them are lost at capture, which leaves a gap in ``Frame.index``.

    Args:
        picture: the picture of the frame with this index; called in ``read``, so what it takes delays the reader.
        size: of the pictures: width, height.
        fps: frames per second.
        pixel_format: that the camera claims, such as ``"MJPG"``.
        buffers: how many frames wait in the driver.
        clock: seconds.
        wait: waits for the given seconds. The default returns early on ``close``.
    """

    def __init__(
        self,
        picture: Callable[[int], Image],
        size: tuple[int, int],
        fps: int,
        *,
        pixel_format: str | None = None,
        buffers: int = BUFFERS,
        clock: Clock = time.perf_counter,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._picture = picture
        self._fps = fps
        self._buffers = buffers
        self._clock = clock
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._next = 0
        self._info = SourceInfo(
            "frames paced like a camera", *size, Fraction(fps), live=True, pixel_format=pixel_format
        )
        self.started_at: float | None = None
        """When frame 0 was due, in seconds of the clock; None before the first read."""

    @property
    def info(self) -> SourceInfo:
        """Describes the camera."""
        return self._info

    @property
    def skipped(self) -> int:
        """Always 0: no frame is broken."""
        return 0

    def read(self) -> Frame | None:
        """The oldest frame that waits in the driver, or else the next one; None after ``close``."""
        now = self._clock()
        if self.started_at is None:
            self.started_at = now
        newest = int((now - self.started_at) * self._fps)
        index = max(self._next, newest - self._buffers + 1)
        due_at = self.started_at + index / self._fps
        if due_at > now:
            self._wait(due_at - now)
        if self._closed.is_set():
            return None
        self._next = index + 1
        return Frame(self._picture(index), index, due_at)

    def close(self) -> None:
        """Stop, and end a pending wait. Idempotent, and safe from any thread."""
        self._closed.set()


def there_and_back(index: int, count: int) -> int:
    """Which of ``count`` pictures frame ``index`` shows, if they play forwards and backwards without a jump."""
    position = index % max(1, 2 * count - 2)
    return position if position < count else 2 * count - 2 - position
