"""Masks of the subject's region, with a look at the whole frame now and then."""

from __future__ import annotations

import time
from typing import Final

from rtsod.errors import MaskError
from rtsod.frames import Alpha, Frame, Mask
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Clock, Engine
from rtsod.masking.roi import Region
from rtsod.masking.scene_change import SceneChangeDetector
from rtsod.metrics import Metrics, Stage, Work

LOOK_SECONDS: Final = 0.5
"""Between looks at the whole frame, where they are cheap."""
LOOK_SHARE: Final = 0.2
"""Of the time, at most, that looks take which are scheduled or due to a change: where they cost much they are rarer."""
SOONEST_SECONDS: Final = 0.125
"""Between looks at the whole frame because something changes outside of the region: something always may."""


class RegionMasker:
    """The network sees the subject's region at a small size, and now and then the whole frame at its full size.

    That is
    * for the first mask, and whenever the region's map speaks against the region: in its place, of the same frame;
    * each ``LOOK_SECONDS``, and soon after something has changed outside of the region: once the region's mask has been
      handed on, so that nobody waits for it.

    Args:
        whole: the network at the size of the whole frame, which is also the masks'; the caller's to close.
        part: the network at the region's size; likewise.
        metrics: told how long it took.
        clock: seconds that only grow.
    """

    def __init__(self, whole: Engine, part: Engine, metrics: Metrics, *, clock: Clock = time.perf_counter) -> None:
        self._whole, self._part = whole, part
        self._metrics = metrics
        self._clock = clock
        self._look_seconds = 0.0
        self._region = Region(whole.info.input_size, part.info.input_size)
        self._surroundings = SceneChangeDetector()
        self._looked_at = 0.0
        self._shown: tuple[Frame, Alpha] | None = None

    @property
    def name(self) -> str:
        """The engine's."""
        return self._whole.info.name

    @property
    def mask_interval(self) -> int:
        """Each."""
        return 1

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        self.run_deferred()
        try:
            if self._region.box is None:
                return self._of_the_whole(frame)
            with self._metrics.stage(Stage.PREPROCESS, frame.index):
                small = shrink(self._region.cut(frame.image), self._part.info.input_size)
            with self._metrics.stage(Stage.INFER, frame.index):
                part = Mask(self._part.infer(small), frame.index, frame.captured_at)  # valid before it is worked on
            placed = self._region.place(part.alpha)
            mask = Mask(placed, frame.index, frame.captured_at)
            if self._region.is_doubtful(placed):
                self._metrics.worked(Work.LOOKS)
                return self._of_the_whole(frame)
        except MaskError:
            self._region.forget()
            raise
        self._shown = (frame, placed)
        return mask

    def run_deferred(self) -> None:
        """See :meth:`rtsod.interfaces.Masker.run_deferred`."""
        if self._shown is None:
            return
        (frame, alpha), self._shown = self._shown, None
        box, since = self._region.box, frame.time - self._looked_at
        assert box is not None
        # A file's masks depend on its frames alone, not on how fast they are made.
        least = 0.0 if frame.pts is not None else self._look_seconds / LOOK_SHARE
        if since >= max(LOOK_SECONDS, least) or (
            since >= max(SOONEST_SECONDS, least)
            and self._surroundings.have_changed(frame.image, box, self._whole.info.input_size)
        ):
            self._metrics.worked(Work.LOOKS)
            try:
                self._of_the_whole(frame)
            except MaskError:  # the next mask is the whole frame's, and says so
                self._region.forget()
        else:
            self._region.follow(alpha)

    def _of_the_whole(self, frame: Frame) -> Mask:
        """The whole frame's mask; the region learns from it what it can."""
        started = self._clock()
        with self._metrics.stage(Stage.PREPROCESS, frame.index):
            small = shrink(frame.image, self._whole.info.input_size)
        with self._metrics.stage(Stage.INFER, frame.index):
            alpha = self._whole.infer(small)
        self._look_seconds = self._clock() - started
        mask = Mask(alpha, frame.index, frame.captured_at)
        if self._region.box is not None:
            self._region.learn(alpha)
        self._region.follow(alpha)
        self._surroundings.remember(frame.image)
        self._looked_at = frame.time
        return mask
