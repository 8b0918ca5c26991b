"""Where the ways of captured frames part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rtsod.frames import Frame
from rtsod.metrics import Drop, Metrics
from rtsod.pipeline.mask_sync import Decision
from rtsod.pipeline.ring import Ring


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A frame on its way to inference."""

    frame: Frame
    awaited: bool
    """It is shown with its own mask, not before (locked). Else it is on its way to the compositor, too (tracked)."""


class FrameRouter:
    """Sends each frame to inference and, where it is tracked, to the compositor as well. For one thread.

    Args:
        to_infer: of every frame.
        to_show: of the frames that are tracked; fed by the inference thread, too.
        tracks: whether the frame that is captured now is tracked.
        metrics: told of the frames that had to go for newer ones.
    """

    def __init__(
        self,
        to_infer: Ring[InferenceRequest],
        to_show: Ring[Decision | Frame],
        tracks: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self._to_infer, self._to_show = to_infer, to_show
        self._tracks = tracks
        self._metrics = metrics
        self._tracked = False

    def put(self, frame: Frame) -> None:
        """Send a frame on its way; see :meth:`rtsod.pipeline.ring.Ring.put`."""
        self._tracked = self._tracks()
        lost = self._to_infer.put(InferenceRequest(frame, awaited=not self._tracked))
        if lost is not None and lost.awaited:
            self._metrics.dropped(Drop.BEFORE_INFERENCE)
        if self._tracked and self._to_show.put(frame) is not None:
            self._metrics.dropped(Drop.BEFORE_COMPOSITING)

    def close(self, *, discard: bool = False) -> None:
        """No more frames come; see :meth:`rtsod.pipeline.ring.Ring.close`. Whoever still waits for a mask gets it."""
        self._to_infer.close(discard=discard)
        if self._tracked:
            self._to_show.close(discard=discard)
