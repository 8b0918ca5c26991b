"""The demo scene as a source: a camera that is always there, or a file whose true masks are known."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from rtsod.demo.scene import DemoScene
from rtsod.frames import Frame, SourceInfo
from rtsod.interfaces import Clock


class DemoSource:
    """Frames of a :class:`~rtsod.demo.scene.DemoScene`.

    Live, it behaves like a camera: a frame comes when its moment has come, and whoever reads too slowly misses frames;
    the indexes tell how many. Otherwise every frame comes, as fast as it is asked for, with its time. Either way
    ``scene.render(frame.index)`` is that very frame with its alpha.

    Args:
        scene: what is shown.
        live: see above.
        frames: how many frames the scene lasts, None for no end.
        clock: for the pace of a live scene, and for ``captured_at``.
        wait: waits so many seconds; a pending wait ends with ``close``. For tests; the default is real.
        notes: for ``info.notes``.
    """

    def __init__(
        self,
        scene: DemoScene,
        *,
        live: bool,
        frames: int | None = None,
        clock: Clock = time.perf_counter,
        wait: Callable[[float], object] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._scene = scene
        self._frames = frames
        self._clock = clock
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._next = 0
        self._start: float | None = None
        self._info = SourceInfo(
            name="demo scene",
            width=scene.width,
            height=scene.height,
            fps=self._scene.fps,
            live=live,
            frames=frames,
            notes=notes,
        )

    @property
    def info(self) -> SourceInfo:
        """What the scene gives."""
        return self._info

    @property
    def skipped(self) -> int:
        """Always 0: nothing can be undecodable."""
        return 0

    def read(self) -> Frame | None:
        """The next frame; None after the last or after ``close``."""
        index = self._await_moment() if self._info.live else self._next
        if self._closed.is_set() or (self._frames is not None and index >= self._frames):
            return None
        self._next = index + 1
        image, _ = self._scene.render(index)
        pts = None if self._info.live else index / self._scene.fps
        return Frame(image=image, index=index, captured_at=self._clock(), pts=pts)

    def close(self) -> None:
        """Stop. Idempotent; from any thread."""
        self._closed.set()

    def _await_moment(self) -> int:
        now = self._clock()
        if self._start is None:
            self._start = now
        index = max(self._next, math.floor((now - self._start) * self._scene.fps))
        ahead = self._start + float(index / self._scene.fps) - now
        if ahead > 0:
            self._wait(ahead)
        return index
