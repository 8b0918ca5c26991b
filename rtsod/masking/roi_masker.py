"""Makes masks from the subject's ROI, refreshed from the full frame now and then."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from rtsod.errors import MaskError
from rtsod.frames import Alpha, Frame, Mask
from rtsod.imaging.network_input import blank_unseen, lay_over, shrink
from rtsod.interfaces import Engine
from rtsod.masking.refresh import InPlaceRefresher, Refresh, Refresher
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
MAX_SMALL_LOOK_SECONDS: Final = 0.05
"""A look of the ROI's network at the full frame delays the next mask. Where it takes longer than this, masks are old as
it is, and the next refresh has to do: with full on two cores held to AVX2, such looks made 2 % of the masks too old to
show."""


class RoiMasker:
    """Shows the network the subject's ROI at a small size, and now and then the full frame at its own size.

    The full frame is looked at every ``FULL_FRAME_REFRESH_SECONDS``, and soon after something changed outside the ROI,
    once the ROI's mask has been handed on, so that no frame waits for it. When there is no ROI yet, and whenever the
    ROI's map contradicts the ROI, the same frame is seen whole: at the full frame's size where the refresher works in
    place, else at the ROI's, which takes no longer than any other mask. Where a refresh is not possible yet after a
    change outside the ROI, the ROI's network looks at the full frame. It sees that too coarsely to be shown, but well
    enough to widen the ROI.

    See :class:`rtsod.interfaces.Masker`.

    Args:
        size: S, side of the masks: the full frame's input size.
        part: the network at the ROI's input size; the caller closes it.
        refresher: looks at full frames; the caller closes it.
        metrics: times the preprocessing and the inferences.
        assisted: whether ``part`` is another network than the refresher's: then only wide differences are corrected.
    """

    def __init__(
        self, size: int, part: Engine, refresher: Refresher, metrics: Metrics, *, assisted: bool = False
    ) -> None:
        self._size = size
        self._part = part
        self._refresher = refresher
        self._small_look = InPlaceRefresher(lambda: part, metrics)
        self._metrics = metrics
        # A crop of the ROI would cut the subject off: bars keep its shape just as well.
        fitting = part.info.fitting
        self._fitting = replace(fitting, fit="pad") if fitting.fit == "crop" else fitting
        self._roi = RoiTracker(size, part.info.input_size, wide_only=assisted)
        self._scene_change = SceneChangeDetector()
        self._refresh_seconds = self._small_look_seconds = 0.0
        self._refreshed_at = self._looked_at = 0.0
        self._refresh_at_once = False
        self._deferred: tuple[Frame, Alpha] | None = None

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._part.info.name

    @property
    def mask_interval(self) -> int:
        """Always 1: a mask for every frame."""
        return 1

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        self.run_deferred()
        try:
            self._apply_refresh()
            if self._roi.box is None:
                return self._whole(frame)
            mask = self._ask(frame)
            if self._roi.is_doubtful(mask.alpha):
                self._metrics.worked(Work.FULL_FRAME_REFRESHES)
                return self._whole(frame)
        except MaskError:
            self._roi.forget()
            raise
        self._deferred = (frame, mask.alpha)
        return mask

    def run_deferred(self) -> None:
        """See :meth:`rtsod.interfaces.Masker.run_deferred`."""
        if self._deferred is None:
            return
        (frame, alpha), self._deferred = self._deferred, None
        try:
            if self._is_refresh_due(frame) and self._refresher.begin(frame, self._roi.last):
                self._metrics.worked(Work.FULL_FRAME_REFRESHES)
                self._on_look(frame)
                self._refreshed_at, self._refresh_at_once = frame.time, False
                if self._apply_refresh() is not None:
                    return
            self._roi.update_box(alpha)
            if self._is_small_look_due(frame):
                self._look_small(frame)
        except MaskError:  # the next mask is made from the full frame and reports the error
            self._roi.forget()

    def learn(self, frame: Frame, mask: Mask, *, is_better: bool = True) -> None:
        """Take over from another masker: see the frame that it made a mask of, and learn what is different.

        Args:
            frame: a frame.
            mask: its mask.
            is_better: whether that is at least as good as this masker's own. Otherwise it tells where the subject is,
                and corrects nothing.

        Raises:
            MaskError: the network's output is not a valid map.
        """
        self._roi.update_box(mask.alpha)
        self._ask(frame)
        if is_better and self._roi.last is not None:
            self._roi.update_gain(self._roi.last, mask.alpha)
        self._on_look(frame)
        self._refreshed_at = frame.time

    def _ask(self, frame: Frame) -> Mask:
        """The mask of the ROI."""
        engine, region = self._part.info, self._roi.crop(frame.image)
        with self._metrics.stage(Stage.PREPROCESS, frame.index):
            small = shrink(region, engine.input_size, self._fitting)
        with self._metrics.stage(Stage.INFER, frame.index):
            saliency = lay_over(self._part.infer(small), region, self._fitting)
        part = Mask(saliency, frame.index, frame.captured_at)  # validated before it is used
        placed = blank_unseen(self._roi.paste(part.alpha), frame.image, engine.fitting)
        return Mask(placed, frame.index, frame.captured_at)

    def _whole(self, frame: Frame) -> Mask:
        """The mask of the full frame, without waiting longer than for any other mask."""
        self._on_look(frame)
        if self._refresher.in_place:
            self._refresher.begin(frame, self._roi.last)
            self._refreshed_at = frame.time
            refresh = self._apply_refresh()
            assert refresh is not None
            return refresh.whole
        self._roi.see_everything()
        mask = self._ask(frame)
        self._refresh_at_once = True
        self._deferred = (frame, mask.alpha)
        return mask

    def _is_refresh_due(self, frame: Frame) -> bool:
        # The masks of a file depend on its frames alone, not on how fast they are made.
        min_interval = 0.0 if frame.pts is not None else self._refresh_seconds / FULL_FRAME_REFRESH_SHARE
        elapsed = frame.time - self._refreshed_at
        if self._refresh_at_once or elapsed >= max(FULL_FRAME_REFRESH_SECONDS, min_interval):
            return True
        return elapsed >= max(SCENE_CHANGE_REFRESH_SECONDS, min_interval) and self._has_changed(frame)

    def _is_small_look_due(self, frame: Frame) -> bool:
        """Whether to look at the full frame at the ROI's size, because a refresh is not possible now."""
        elapsed = frame.time - self._looked_at
        min_interval = max(SCENE_CHANGE_REFRESH_SECONDS, self._small_look_seconds / FULL_FRAME_REFRESH_SHARE)
        if self._refresher.in_place or elapsed < min_interval:
            return False
        never_refreshed = self._refresh_seconds == 0.0
        if never_refreshed and elapsed >= FULL_FRAME_REFRESH_SECONDS:
            return True
        return self._small_look_seconds <= MAX_SMALL_LOOK_SECONDS and self._has_changed(frame)

    def _look_small(self, frame: Frame) -> None:
        """Expand the box to what the ROI's network sees in the full frame."""
        self._on_look(frame)
        self._small_look.begin(frame, None)
        look = self._small_look.finished()
        assert look is not None
        self._small_look_seconds = look.seconds
        side = (self._size, self._size)
        self._roi.include(np.asarray(cv2.resize(look.whole.alpha, side, interpolation=cv2.INTER_LINEAR), np.float32))

    def _has_changed(self, frame: Frame) -> bool:
        box = self._roi.box
        assert box is not None
        return self._scene_change.has_changed(frame.image, box, self._size)

    def _on_look(self, frame: Frame) -> None:
        self._scene_change.remember(frame.image)
        self._looked_at = frame.time

    def _apply_refresh(self) -> Refresh | None:
        """Correct gain and box by what the refresher found, if it found something."""
        refresh = self._refresher.finished()
        if refresh is None:
            return None
        self._refresh_seconds = refresh.seconds
        knows_where = self._roi.box is not None  # else begun for another masker, or before the ROI was forgotten
        if knows_where and refresh.roi is not None:
            self._roi.update_gain(refresh.roi, refresh.whole.alpha)
        if self._refresher.in_place or not knows_where:
            self._roi.update_box(refresh.whole.alpha)
        else:
            self._roi.include(refresh.whole.alpha)
        return refresh
