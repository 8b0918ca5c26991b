"""The drawn scene as a source: a camera that is always there, or a file with known masks."""

from __future__ import annotations

import time
from collections.abc import Callable

from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Frame, SourceInfo
from rtsod.interfaces import Clock
from rtsod.sources.pace import Pace


class SceneSource:
    """Frames of a :class:`~rtsod.drawing.scene.DrawnScene`.

    A live scene behaves like a camera: each frame arrives when it is due, and a slow reader misses frames, which leaves
    gaps in the indexes. Otherwise it behaves like a file: every frame arrives, as fast as it is read, with a
    presentation time. Either way, ``scene.render(frame.index)`` returns the same picture with its alpha.

    Args:
        scene: the scene to show.
        live: behave like a camera rather than like a file.
        frames: length of the scene in frames; None means endless.
        clock: paces a live scene and stamps ``Frame.captured_at``.
        wait: waits for a number of seconds of ``clock``; by default for real ones, until ``close`` ends the wait.
    """

    def __init__(
        self,
        scene: DrawnScene,
        *,
        live: bool,
        frames: int | None = None,
        clock: Clock = time.perf_counter,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._scene = scene
        self._frames = frames
        self._clock = clock
        self._pace = Pace(scene.fps, clock, wait)
        self._next = 0
        self._info = SourceInfo(
            name="drawn scene",
            width=scene.width,
            height=scene.height,
            fps=self._scene.fps,
            live=live,
            frames=frames,
        )

    @property
    def info(self) -> SourceInfo:
        """What the scene delivers."""
        return self._info

    @property
    def skipped(self) -> int:
        """Always 0: every frame can be drawn."""
        return 0

    def read(self) -> Frame | None:
        """The next frame; None after the last or after ``close``."""
        index = self._pace.next() if self._info.live else self._next
        if self._pace.stopped or (self._frames is not None and index >= self._frames):
            return None
        self._next = index + 1
        image, _ = self._scene.render(index)
        if self._info.live:
            return Frame(image=image, index=index, captured_at=self._clock())
        return Frame(
            image=image,
            index=index,
            captured_at=self._clock(),
            pts=index / self._scene.fps,
            duration=1 / self._scene.fps,
            is_last=self._next == self._frames,
        )

    def close(self) -> None:
        """Stop. Idempotent; from any thread."""
        self._pace.stop()
