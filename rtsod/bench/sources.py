"""Sources for benchmarks: frames that cost nothing to read, and files delivered at a camera's pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.interfaces import Clock, Source
from rtsod.sources.pace import to_and_fro

DEFAULT_BACKGROUND: Final = "beach.jpg"
"""A bundled picture, which is what most users choose first."""


class LoopedSource:
    """Plays frames from memory forwards and backwards, so that motion never jumps. Reading them costs nothing.

    Args:
        images: ``(H, W, 3)`` uint8 BGR each.
        fps: frame rate that ``info`` reports.
        frames: how many frames to deliver; None never ends.
        name: name that ``info`` reports.
        clock: stamps ``Frame.captured_at``.
    """

    def __init__(
        self,
        images: Sequence[Image],
        fps: Fraction,
        *,
        frames: int | None = None,
        name: str = "frames in memory",
        clock: Clock = time.perf_counter,
    ) -> None:
        self._images = images
        self._clock = clock
        self._next = 0
        self._closed = False
        height, width = images[0].shape[:2]
        self._info = SourceInfo(name, width, height, fps, live=False, frames=frames)

    @property
    def info(self) -> SourceInfo:
        """Describes the source."""
        return self._info

    @property
    def skipped(self) -> int:
        """Always 0."""
        return 0

    def read(self) -> Frame | None:
        """The next frame; None after the last one or after ``close``."""
        index = self._next
        if self._closed or index == self._info.frames:
            return None
        self._next += 1
        assert self._info.fps is not None
        image = self._images[to_and_fro(index, len(self._images))]
        return Frame(image, index, self._clock(), index / self._info.fps)

    def close(self) -> None:
        """Stop. Idempotent, and safe from any thread."""
        self._closed = True


class PacedSource:
    """Makes a file or another source that is not live behave like a camera: each frame arrives when it is due.

    Args:
        source: the source to read; closed together with this one.
        fps: the camera's frame rate.
        clock: seconds; for the pace and for ``captured_at``.
        wait: waits for the given seconds. The default returns early on ``close``. For tests.
    """

    def __init__(
        self,
        source: Source,
        fps: Fraction,
        *,
        clock: Clock = time.perf_counter,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._source = source
        self._fps = fps
        self._clock = clock
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._start: float | None = None
        self._count = 0
        self._info = replace(source.info, live=True, stills=False, fps=fps)

    @property
    def info(self) -> SourceInfo:
        """The wrapped source's description, marked as live."""
        return self._info

    @property
    def skipped(self) -> int:
        """The wrapped source's count."""
        return self._source.skipped

    def read(self) -> Frame | None:
        """Wait until the next frame is due; it carries that time as ``captured_at``."""
        frame = self._source.read()
        if frame is None:
            return None
        if self._start is None:
            self._start = self._clock()
        ahead = self._start + float(self._count / self._fps) - self._clock()
        self._count += 1
        if ahead > 0:
            self._wait(ahead)
        return None if self._closed.is_set() else replace(frame, captured_at=self._clock(), pts=None)

    def close(self) -> None:
        """Stop, and end a pending wait. Idempotent, and safe from any thread."""
        self._closed.set()
        self._source.close()


def scene_images(width: int, height: int, fps: int = 30, count: int = 16) -> list[Image]:
    """The first images of the drawn scene, ``(height, width, 3)`` uint8 BGR each."""
    scene = DrawnScene(width, height, fps)
    return [scene.render(index)[0] for index in range(count)]
