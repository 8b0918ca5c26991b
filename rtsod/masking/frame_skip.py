"""Which frames can do without a mask of their own, where masks are carried from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rtsod.frames import Frame, MaskedFrame
from rtsod.masking.scene_change import Thumbnail, stands_still, thumbnail
from rtsod.metrics import Metrics, Work

STILL_SECONDS: Final = 0.5
"""At least so often a mask is computed, however still the picture stands."""


class FrameSkipPolicy:
    """Spares inference while the picture stands still, and where the masker asks for fewer frames. One thread.

    Args:
        metrics: told of what was spared because of stillness: that is no mask.
        max_mask_age: seconds; half of it is never exceeded.
        mask_interval: at most each so many-th captured frame needs a mask, at this moment.
    """

    def __init__(self, metrics: Metrics, max_mask_age: float, mask_interval: Callable[[], int] = lambda: 1) -> None:
        self._metrics = metrics
        self._longest = min(STILL_SECONDS, max_mask_age / 2)
        self._mask_interval = mask_interval
        self._known: tuple[int, Thumbnail] | None = None

    def __call__(self, newest: MaskedFrame, frame: Frame) -> bool:
        """Whether the newest mask is enough.

        Args:
            newest: a frame with the mask that would be carried.
            frame: a later one.
        """
        if frame.index - newest.frame.index < self._mask_interval():
            return True
        if frame.captured_at - newest.frame.captured_at >= self._longest:
            return False
        if self._known is None or self._known[0] != newest.frame.index:
            self._known = (newest.frame.index, thumbnail(newest.frame.image))
        still = newest.frame.image.shape == frame.image.shape and stands_still(self._known[1], thumbnail(frame.image))
        if still:
            self._metrics.worked(Work.STILL)
        return still
