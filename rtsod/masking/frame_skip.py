"""Decides whether a mask is due for a frame, where masks are propagated from frame to frame."""

from __future__ import annotations

from typing import Final

from rtsod.frames import Frame, MaskedFrame
from rtsod.interfaces import Masker
from rtsod.mask_plan import MaskPlan
from rtsod.masking.scene_change import Thumbnail, is_static, thumbnail
from rtsod.metrics import Metrics, Work

MAX_STATIC_SECONDS: Final = 0.5
"""A mask is computed at least this often, in seconds, however static the picture is."""


class FrameSkipPolicy:
    """Skips frames by the mask intervals of plan and masker and, live, while the picture is static. Not thread-safe.

    Args:
        plan: of the run; half of its ``max_mask_age`` is the longest time without a new mask.
        masker: its ``mask_interval`` changes with the rung of the ladder.
        metrics: counts the frames skipped because the picture is static.
        live: False for files, whose masks depend on the frame numbers alone.
    """

    def __init__(self, plan: MaskPlan, masker: Masker, metrics: Metrics, *, live: bool) -> None:
        self._plan = plan
        self._masker = masker
        self._metrics = metrics
        self._live = live
        self._max_static_seconds = min(MAX_STATIC_SECONDS, plan.max_mask_age / 2)
        self._reference: tuple[int, Thumbnail] | None = None

    def is_due(self, newest: MaskedFrame, frame: Frame) -> bool:
        """Whether a frame needs a mask of its own.

        Args:
            newest: the newest frame with its own mask, which would be propagated instead.
            frame: a later frame.
        """
        interval = max(self._plan.mask_interval, self._masker.mask_interval)
        if frame.index - newest.frame.index < interval:
            return False
        return not (self._live and self._is_static(newest.frame, frame))

    def _is_static(self, before: Frame, frame: Frame) -> bool:
        """Compare with the frame that has the mask, not with the previous frame: slow motion adds up."""
        if frame.captured_at - before.captured_at >= self._max_static_seconds:
            return False
        if self._reference is None or self._reference[0] != before.index:
            self._reference = (before.index, thumbnail(before.image))
        if before.image.shape != frame.image.shape or not is_static(self._reference[1], thumbnail(frame.image)):
            return False
        self._metrics.worked(Work.STATIC)
        return True
