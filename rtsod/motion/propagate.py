"""Propagates a mask to a later frame along optical flow. The only module that makes a :class:`PropagatedFrame`.

The flow is estimated between successive frames and composed, not estimated between the two ends: a hand that moves by
its own width in a tenth of a second moves only by a finger's width from frame to frame, and only such short motion is
found reliably.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rtsod.frames import Frame, MaskedFrame, PropagatedFrame
from rtsod.motion.flow import ComposedFlow, DownscaledFrame, Flow, FlowEstimator, downscale_alpha, downscale_frame, warp
from rtsod.motion.flow_consistency import check_consistency, colour_layers, find_disoccluded
from rtsod.motion.warp_kernel import BLOCK, find_ranges, warp_map

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


@dataclass(slots=True)
class _ObservedFrame:
    index: int
    """``Frame.index``."""
    picture: DownscaledFrame
    step: Flow | None = None
    """The flow to the frame observed before it; None until it is needed."""


class _Key:
    """A mask that is being propagated, and what is computed from it once."""

    def __init__(self, masked: MaskedFrame, picture: DownscaledFrame) -> None:
        self.masked = masked
        self.alpha = np.require(masked.alpha, requirements=("C", "W"))  # compiled loops take nothing else
        self.layers = colour_layers(picture, downscale_alpha(self.alpha))
        height, width = self.alpha.shape
        self.ranges = np.empty((-(-height // BLOCK), -(-width // BLOCK), 2), np.float32)
        find_ranges(self.alpha, self.ranges)


class MaskPropagator:
    """Propagates masks along the frames it observes, one after the other. Not thread-safe.

    Observing a frame only scales it down. The flow between two frames is estimated when a mask is propagated across
    them, so it costs nothing where every frame has a mask of its own.
    """

    def __init__(self) -> None:
        self._estimator = FlowEstimator()
        self._shape: tuple[int, ...] = ()
        self._key: _Key | None = None
        self._history: list[_ObservedFrame] = []
        """The observed frames, from the key frame on."""
        self._composed: ComposedFlow | None = None
        """From frame ``_reached`` of the history to the first; None where these are the same, or nothing connects
        them."""
        self._reached = 0

    def observe(self, frame: Frame) -> None:
        """Observe a frame that has no mask to be propagated to it, because a mask of it may come later.

        Args:
            frame: later than all frames observed before.
        """
        if frame.image.shape != self._shape:
            self._shape, self._key, self._history = frame.image.shape, None, []
        if not self._history or frame.index > self._history[-1].index:
            self._history.append(_ObservedFrame(frame.index, downscale_frame(frame.image)))
        if len(self._history) > _MAX_HISTORY:  # no new mask has come for a long time
            del self._history[0]
            self._key = None

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        """Bring a mask to ``frame``; None where the flow between the two frames is not reliable.

        Args:
            masked: a frame and its mask; not older than the one given in the call before.
            frame: a later frame, also later than all frames observed before.
        """
        if masked.frame.image.shape != frame.image.shape or frame.index <= masked.frame.index:
            return None
        self.observe(frame)
        if frame.time - masked.frame.time > MAX_AGE_SECONDS:
            return None
        if self._key is None or masked.frame is not self._key.masked.frame:
            self._start_from(masked)
        elif masked.mask is not self._key.masked.mask:
            self._key = _Key(masked, self._history[0].picture)
        key, composed = self._key, self._compose()
        if key is None or composed is None:
            return None
        new = self._history[-1].picture
        layers = warp(key.layers, composed.flow)
        consistency, downscaled = check_consistency(new, layers, composed), layers[..., 3]
        if consistency.explained_share(downscaled) < MIN_EXPLAINED_SHARE:
            return None
        removed = find_disoccluded(new, downscaled, consistency)
        alpha = np.empty_like(key.alpha)
        warp_map(key.alpha, key.ranges, composed.layers, removed, bool(removed.any()), alpha)
        return PropagatedFrame(frame, alpha, masked.mask, frame.index, frame.captured_at)

    def _start_from(self, masked: MaskedFrame) -> None:
        """Make this mask the key, and its frame the first of the history."""
        frame = masked.frame
        self._history = [observed for observed in self._history if observed.index >= frame.index]
        if self._history[0].index != frame.index:  # the key frame itself was never observed
            self._history[0].step = None
            self._history.insert(0, _ObservedFrame(frame.index, downscale_frame(frame.image)))
        self._key = _Key(masked, self._history[0].picture)
        self._composed, self._reached = None, 0

    def _compose(self) -> ComposedFlow | None:
        """The flow from the last observed frame to the first; None if too many frames between two were missed."""
        for number in range(self._reached + 1, len(self._history)):
            old, new = self._history[number - 1 : number + 1]
            if new.index - old.index > MAX_FRAME_GAP:
                return None
            if new.step is None:
                new.step = self._estimator.backward(new.picture, old.picture)
            step = new.step
            self._composed = ComposedFlow.from_step(step) if self._composed is None else self._composed.extend(step)
            self._reached = number
        return self._composed
