"""Makes masks from the subject's ROI, refreshed from the full frame now and then."""

from __future__ import annotations

import time
from typing import Final

from rtsod.errors import MaskError
from rtsod.frames import Alpha, Frame, Mask
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Clock, Engine
from rtsod.masking.roi import RoiTracker
from rtsod.masking.scene_change import SceneChangeDetector
from rtsod.metrics import Metrics, Stage, Work

FULL_FRAME_REFRESH_SECONDS: Final = 0.5
"""Seconds between full-frame refreshes, where they are cheap."""
FULL_FRAME_REFRESH_SHARE: Final = 0.2
"""Largest share of the time spent on refreshes that are scheduled or follow a scene change. Where a refresh is
expensive, refreshes become rarer."""
SCENE_CHANGE_REFRESH_SECONDS: Final = 0.125
"""Shortest time, in seconds, between refreshes caused by changes outside the ROI: there may always be some."""


class RoiMasker:
    """Shows the network the subject's ROI at a small size, and now and then the full frame at its own size.

    The full frame is used

    * for the first mask, and whenever the ROI's map contradicts the ROI: instead of the ROI's map, for the same frame;
    * every ``FULL_FRAME_REFRESH_SECONDS``, and soon after something changed outside the ROI: once the ROI's mask has
      been handed on, so that no frame waits for it.

    See :class:`rtsod.interfaces.Masker`.

    Args:
        whole: the network at the full frame's input size, which is also the size of the masks; the caller closes it.
        part: the network at the ROI's input size; the caller closes it.
        metrics: times the preprocessing and the inferences.
        clock: monotonic time in seconds.
    """

    def __init__(self, whole: Engine, part: Engine, metrics: Metrics, *, clock: Clock = time.perf_counter) -> None:
        self._whole, self._part = whole, part
        self._metrics = metrics
        self._clock = clock
        self._roi = RoiTracker(whole.info.input_size, part.info.input_size)
        self._scene_change = SceneChangeDetector()
        self._refresh_cost = 0.0
        self._refreshed_at = 0.0
        self._deferred: tuple[Frame, Alpha] | None = None

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._whole.info.name

    @property
    def mask_interval(self) -> int:
        """Always 1: a mask for every frame."""
        return 1

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        self.run_deferred()
        try:
            if self._roi.box is None:
                return self._refresh(frame)
            with self._metrics.stage(Stage.PREPROCESS, frame.index):
                small = shrink(self._roi.crop(frame.image), self._part.info.input_size)
            with self._metrics.stage(Stage.INFER, frame.index):
                part = Mask(self._part.infer(small), frame.index, frame.captured_at)  # validated before it is used
            placed = self._roi.paste(part.alpha)
            mask = Mask(placed, frame.index, frame.captured_at)
            if self._roi.is_doubtful(placed):
                self._metrics.worked(Work.FULL_FRAME_REFRESHES)
                return self._refresh(frame)
        except MaskError:
            self._roi.forget()
            raise
        self._deferred = (frame, placed)
        return mask

    def run_deferred(self) -> None:
        """See :meth:`rtsod.interfaces.Masker.run_deferred`."""
        if self._deferred is None:
            return
        (frame, alpha), self._deferred = self._deferred, None
        if not self._is_refresh_due(frame):
            self._roi.update_box(alpha)
            return
        self._metrics.worked(Work.FULL_FRAME_REFRESHES)
        try:
            self._refresh(frame)
        except MaskError:  # the next mask is made from the full frame and reports the error
            self._roi.forget()

    def _is_refresh_due(self, frame: Frame) -> bool:
        box, elapsed = self._roi.box, frame.time - self._refreshed_at
        assert box is not None
        # The masks of a file depend on its frames alone, not on how fast they are made.
        min_interval = 0.0 if frame.pts is not None else self._refresh_cost / FULL_FRAME_REFRESH_SHARE
        if elapsed >= max(FULL_FRAME_REFRESH_SECONDS, min_interval):
            return True
        return elapsed >= max(SCENE_CHANGE_REFRESH_SECONDS, min_interval) and self._scene_change.has_changed(
            frame.image, box, self._whole.info.input_size
        )

    def _refresh(self, frame: Frame) -> Mask:
        """Make the mask of the full frame, and update the ROI from it."""
        started = self._clock()
        with self._metrics.stage(Stage.PREPROCESS, frame.index):
            small = shrink(frame.image, self._whole.info.input_size)
        with self._metrics.stage(Stage.INFER, frame.index):
            alpha = self._whole.infer(small)
        self._refresh_cost = self._clock() - started
        mask = Mask(alpha, frame.index, frame.captured_at)
        if self._roi.box is not None:
            self._roi.update_gain(alpha)
        self._roi.update_box(alpha)
        self._scene_change.remember(frame.image)
        self._refreshed_at = frame.time
        return mask
