"""Shows decisions: composites frames, writes the pictures to the sinks, and shows slates where there is no picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rtsod.frames import Compositable, Composited, Frame, SourceInfo
from rtsod.interfaces import Clock, Sink
from rtsod.metrics import Drop, Metrics, Stage
from rtsod.pipeline.ledger import FrameLedger
from rtsod.pipeline.mask_sync import Decision, HoldLast, Rejected


class Composing(Protocol):
    """What the pipeline needs of a compositor; see :class:`rtsod.composite.compositor.Compositor`."""

    def compose(self, shown: Compositable, at: float, *, stands_for: Frame | None = None) -> Composited:
        """The picture of a frame and its mask, ``at`` seconds after the first frame, possibly in another's place."""
        ...

    def slate(self, width: int, height: int, at: float, *, frame: Frame | None = None, now: float) -> Composited:
        """A picture without any camera pixel, which stands for ``frame`` if there is one."""
        ...


class Presenter:
    """Used by the compositor thread only.

    Args:
        info: the source's.
        compositor: makes the pictures.
        sinks: take the pictures, in order.
        ledger: told what became of each frame.
        metrics: counts the slates, and times composing and writing.
        withhold: why a mask of a frame captured at a given time must not be shown now, or None if it may be.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        info: SourceInfo,
        compositor: Composing,
        sinks: Sequence[Sink],
        ledger: FrameLedger,
        metrics: Metrics,
        *,
        withhold: Callable[[float], Drop | None],
        clock: Clock,
    ) -> None:
        self._live = info.live
        self._compositor = compositor
        self._sinks = sinks
        self._ledger = ledger
        self._metrics = metrics
        self._withhold = withhold
        self._clock = clock
        self._last_shown: Frame | None = None
        self._start_of_input: float | None = None
        self._frame_size = (info.width, info.height)

    def match_size(self, frame: Frame) -> None:
        """Give later slates the size of this frame."""
        self._frame_size = (frame.image.shape[1], frame.image.shape[0])

    def show(self, decision: Decision) -> None:
        """Show what was decided for a frame, or a slate in its place, and settle the frame.

        Raises:
            SourceError: the background can no longer be read.
            OutputError: a sink failed.
        """
        frame = decision.frame
        self.match_size(frame)
        if isinstance(decision, Rejected):
            self._reject(frame, decision.reason)
            return
        shown = decision.instead if isinstance(decision, HoldLast) else decision
        composed_at = self._clock()
        if (reason := self._withhold(shown.origin.captured_at)) is not None:
            self._reject(frame, reason)
        elif self._last_shown is not None and shown.frame.index <= self._last_shown.index:
            self._ledger.dropped(frame, Drop.UNTRACKED)  # a later picture is already visible: it stays
        else:
            with self._metrics.stage(Stage.COMPOSE, frame.index):
                picture = self._compositor.compose(shown, self._seconds_into_input(frame), stands_for=frame)
            self._write(picture, self._sinks)
            self._last_shown = shown.frame
            self._ledger.composited(frame, shown, composed_at)

    def show_slate(self, *, to_all: bool = False) -> None:
        """Show a slate that stands for no frame to the live sinks, or to recordings as well.

        Raises:
            OutputError: a sink failed.
        """
        sinks = [sink for sink in self._sinks if sink.live or to_all]
        width, height = self._frame_size
        if not sinks or width is None or height is None:
            return
        now = self._clock()
        at = now - self._start_of_input if self._live and self._start_of_input is not None else 0.0
        self._write(self._compositor.slate(width, height, at, now=now), sinks)

    def _reject(self, frame: Frame, reason: Drop) -> None:
        """Show a slate in a frame's place."""
        self._ledger.dropped(frame, reason)
        height, width = frame.image.shape[:2]
        at = self._seconds_into_input(frame)
        self._write(self._compositor.slate(width, height, at, frame=frame, now=self._clock()), self._sinks)

    def _seconds_into_input(self, frame: Frame) -> float:
        """Seconds since the first frame, on the input's own time line."""
        now = frame.time
        if self._start_of_input is None:
            self._start_of_input = now
        return now - self._start_of_input

    def _write(self, picture: Composited, sinks: Sequence[Sink]) -> None:
        if picture.is_slate:
            self._metrics.slate()
        with self._metrics.stage(Stage.WRITE, picture.index):
            for sink in sinks:
                sink.write(picture)
