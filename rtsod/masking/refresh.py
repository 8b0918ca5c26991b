"""Looks at whole frames for a masker that otherwise sees the region of interest (ROI) alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from rtsod.frames import Frame, Mask
from rtsod.imaging.network_input import lay_over, shrink
from rtsod.interfaces import Clock, Engine
from rtsod.masking.roi import RoiMap
from rtsod.metrics import Metrics, Stage


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a look at a whole frame found."""

    frame: Frame
    whole: Mask
    """Of the whole frame."""
    roi: RoiMap | None
    """The ROI's map of the same frame, to compare with; None if there was no ROI."""
    seconds: float
    """How long it took."""


class Refresher(Protocol):
    """Makes masks of whole frames, one at a time. Called from one thread."""

    @property
    def in_place(self) -> bool:
        """True: :meth:`begin` makes the mask before it returns, so the frame itself can be shown with it."""
        ...

    def begin(self, frame: Frame, roi: RoiMap | None) -> bool:
        """Begin with a frame, and the ROI's map of it if there is one. False if this is not possible now.

        Raises:
            MaskError: the network's output is not a valid map.
            EngineError: inference failed.
        """
        ...

    def finished(self) -> Refresh | None:
        """What :meth:`begin` led to, once; None while there is nothing new.

        Raises:
            MaskError: as above.
            EngineError: as above.
        """
        ...

    def close(self) -> None:
        """End. Idempotent. Close the engine afterwards."""
        ...


class InPlaceRefresher:
    """Makes the mask in the calling thread: for files, whose masks must not depend on the machine's speed.

    Args:
        engine: returns the network at the whole frame's input size.
        metrics: times the preprocessing and the inference.
        clock: monotonic time in seconds.
    """

    def __init__(self, engine: Callable[[], Engine], metrics: Metrics, *, clock: Clock = time.perf_counter) -> None:
        self._engine, self._metrics, self._clock = engine, metrics, clock
        self._refresh: Refresh | None = None

    @property
    def in_place(self) -> bool:
        """See :class:`Refresher`."""
        return True

    def begin(self, frame: Frame, roi: RoiMap | None) -> bool:
        """See :class:`Refresher`."""
        self._refresh = _refresh(self._engine(), frame, roi, self._metrics, self._clock)
        return True

    def finished(self) -> Refresh | None:
        """See :class:`Refresher`."""
        refresh, self._refresh = self._refresh, None
        return refresh

    def close(self) -> None:
        """Do nothing: there is nothing to end."""


class BackgroundRefresher:
    """Makes the mask in a thread of its own: for live input, where no frame should wait for it.

    Args:
        engine: returns the network at the whole frame's input size, or None while it is being opened.
        metrics: times the preprocessing and the inference.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, engine: Callable[[], Engine | None], metrics: Metrics, *, clock: Clock = time.perf_counter
    ) -> None:
        self._engine, self._metrics, self._clock = engine, metrics, clock
        self._thread = ThreadPoolExecutor(1, "rtsod-refresh")
        self._pending: Future[Refresh] | None = None

    @property
    def in_place(self) -> bool:
        """See :class:`Refresher`."""
        return False

    def begin(self, frame: Frame, roi: RoiMap | None) -> bool:
        """See :class:`Refresher`."""
        engine = self._engine()
        if engine is None or self._pending is not None:
            return False
        self._pending = self._thread.submit(_refresh, engine, frame, roi, self._metrics, self._clock)
        return True

    def finished(self) -> Refresh | None:
        """See :class:`Refresher`."""
        pending = self._pending
        if pending is None or not pending.done():
            return None
        self._pending = None
        return pending.result()

    def close(self) -> None:
        """End the thread, once a pending inference has ended."""
        self._thread.shutdown(wait=False, cancel_futures=True)  # closing the engine ends a pending inference


def _refresh(engine: Engine, frame: Frame, roi: RoiMap | None, metrics: Metrics, clock: Clock) -> Refresh:
    started = clock()
    with metrics.stage(Stage.PREPROCESS, frame.index):
        small = shrink(frame.image, engine.info.input_size, engine.info.fitting)
    with metrics.stage(Stage.INFER, frame.index):
        alpha = lay_over(engine.infer(small), frame.image, engine.info.fitting)
    return Refresh(frame, Mask(alpha, frame.index, frame.captured_at), roi, clock() - started)
