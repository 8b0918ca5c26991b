"""Propagates a mask to a later frame along optical flow. The only module that makes a :class:`PropagatedFrame`.

The flow is estimated between successive frames and composed, not estimated between the two ends: a hand that moves by
its own width in a tenth of a second moves only by a finger's width from frame to frame, and only such short motion is
found reliably.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Frame, MaskedFrame, PropagatedFrame
from rtsod.motion.flow import ComposedFlow, DownscaledFrame, Flow, FlowEstimator, downscale_alpha, downscale_frame, warp
from rtsod.motion.flow_consistency import check_consistency, find_disoccluded

MIN_EXPLAINED_SHARE: Final = 0.5
"""The share of the frame, and of the subject in it, that the flow must explain. With less, the scene was cut, the
camera jerked, or the subject jumped or left. Measured: at least .55 of a gesticulating person."""
MAX_AGE_SECONDS: Final = 0.5
"""How long a mask is propagated. By then, background that the outline has passed sticks to it and would be shown."""
_MAX_HISTORY: Final = 64
"""Observed frames to keep, of 230 kB each: two seconds at 30 frames per second. A mask that takes longer to compute is
not propagated."""
MAX_FRAME_GAP: Final = 4
"""Largest difference between the indices of two successive observed frames. Over more frames too much moves too far for
the flow to be found, or to be checked."""


@dataclass(frozen=True, slots=True)
class _ObservedFrame:
    index: int
    """``Frame.index``."""
    picture: DownscaledFrame
    step: Flow | None
    """The flow to the frame observed before it; None for the first, and after a gap."""


class MaskPropagator:
    """Propagates masks along the frames it observes, one after the other. Not thread-safe."""

    def __init__(self) -> None:
        self._estimator = FlowEstimator()
        self._shape: tuple[int, ...] = ()
        self._key: Frame | None = None
        """The frame of the mask that is being propagated."""
        self._history: list[_ObservedFrame] = []
        """The observed frames, from the key frame on."""
        self._composed: ComposedFlow | None = None
        """From the last observed frame to the first; None where these are the same or no flow connects them."""

    def observe(self, frame: Frame) -> None:
        """Observe a frame that has no mask to be propagated to it, because a mask of it may come later.

        Args:
            frame: later than all frames observed before.
        """
        if frame.image.shape != self._shape:
            self._shape, self._key, self._history = frame.image.shape, None, []
        if not self._history or frame.index > self._history[-1].index:
            self._append(self._after_last(frame.index, downscale_frame(frame.image)))
        if len(self._history) > _MAX_HISTORY:  # no new mask has come for a long time
            del self._history[0]
            self._key = self._composed = None

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        """Bring a mask to ``frame``; None where the flow between the two frames is not reliable.

        Args:
            masked: a frame and its mask; not older than the one given in the call before.
            frame: a later frame, also later than all frames observed before.
        """
        if masked.frame.image.shape != frame.image.shape or frame.index <= masked.frame.index:
            return None
        self.observe(frame)
        if masked.frame is not self._key:
            self._start_from(masked.frame)
        if self._composed is None or frame.time - masked.frame.time > MAX_AGE_SECONDS:
            return None
        new, old = self._history[-1].picture, self._history[0].picture
        consistency = check_consistency(new, old, self._composed)
        mask = masked.mask.alpha
        alpha = warp(mask, self._composed.flow)
        downscaled = downscale_alpha(alpha)
        if consistency.explained_share(downscaled) < MIN_EXPLAINED_SHARE:
            return None
        removed = find_disoccluded(new, downscaled, consistency)
        if removed.any():
            alpha *= 1.0 - np.asarray(cv2.resize(removed, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        np.clip(alpha, 0.0, 1.0, out=alpha)
        return PropagatedFrame(frame, alpha, masked.mask, frame.index, frame.captured_at)

    def _start_from(self, key: Frame) -> None:
        """Make ``key`` the first frame of the history, and compose the flow from it on again."""
        self._key = key
        later = [observed for observed in self._history if observed.index > key.index]
        self._history = [observed for observed in self._history if observed.index == key.index]
        if not self._history:  # the key frame itself was never observed
            self._append(_ObservedFrame(key.index, downscale_frame(key.image), None))
            later[0] = self._after_last(later[0].index, later[0].picture)
        self._composed = None
        for observed in later:
            self._append(observed)

    def _after_last(self, index: int, picture: DownscaledFrame) -> _ObservedFrame:
        """A frame with the flow to the last one in the history, unless too many frames lie between the two."""
        last = self._history[-1] if self._history else None
        if last is None or index - last.index > MAX_FRAME_GAP:
            return _ObservedFrame(index, picture, None)
        return _ObservedFrame(index, picture, self._estimator.backward(picture, last.picture))

    def _append(self, observed: _ObservedFrame) -> None:
        """Add a frame to the history and its step to the composed flow. Nothing leads back across a missing step."""
        if observed.step is None or (self._composed is None and len(self._history) > 1):
            self._composed = None
        elif self._composed is None:
            self._composed = ComposedFlow.from_step(observed.step)
        else:
            self._composed = self._composed.extend(observed.step)
        self._history.append(observed)
