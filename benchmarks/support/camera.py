"""A source that behaves like a camera: it waits for nobody, and a frame that is not read in time is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from rtsod.frames import Frame, Image, SourceInfo
from rtsod.interfaces import Clock
from rtsod.sources.pace import Pace

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
        self._pace = Pace(Fraction(fps), clock, wait, buffers=buffers)
        self._info = SourceInfo(
            "frames paced like a camera", *size, Fraction(fps), live=True, pixel_format=pixel_format
        )

    @property
    def info(self) -> SourceInfo:
        """Describes the camera."""
        return self._info

    @property
    def started_at(self) -> float | None:
        """When frame 0 was due, in seconds of the clock; None before the first read."""
        return self._pace.started_at

    @property
    def skipped(self) -> int:
        """Always 0: no frame is broken."""
        return 0

    def read(self) -> Frame | None:
        """The oldest frame that waits in the driver, or else the next one; None after ``close``."""
        index = self._pace.next()
        return None if self._pace.stopped else Frame(self._picture(index), index, self._pace.due_at(index))

    def close(self) -> None:
        """Stop, and end a pending wait. Idempotent, and safe from any thread."""
        self._pace.stop()
