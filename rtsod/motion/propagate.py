"""A mask brought from the frame it was computed from to a later one: the only place that makes ``Carried``.

Motion is followed from picture to picture and joined, rather than looked for between the two ends: what moves a hand's
width in a tenth of a second moves a finger's width from frame to frame, and only that is found reliably.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Frame, MaskedFrame, PropagatedFrame
from rtsod.motion.flow import ComposedFlow, Flow, FlowSearch, Small, coarse, follow, small
from rtsod.motion.flow_consistency import compare, uncovered

LEAST_EXPLAINED: Final = 0.5
"""The share of the picture, and of the subject in it, that motion must explain; with less, the scene was cut, the
camera jerked, the subject jumped or is gone. Measured: .55 at least, of a gesticulating person."""
LONGEST_SECONDS: Final = 0.5
"""Over which a mask is carried. What an outline has passed by then sticks to it, and would be shown."""
_REMEMBERED: Final = 64
"""Frames, of 230 kB each: two seconds at 30 per second. A mask that takes longer is carried nowhere."""
LONGEST_STEP: Final = 4
"""Frames that may lie between two that are looked at: over more, too much moves too far to be found, or to be told."""


@dataclass(frozen=True, slots=True)
class _Seen:
    index: int
    picture: Small
    back: Flow | None
    """To the one seen before it; None for the first, and after too long a step."""


class MaskPropagator:
    """Carries masks along the frames it is shown, one by one. For one thread."""

    def __init__(self) -> None:
        self._search = FlowSearch()
        self._shape: tuple[int, ...] = ()
        self._key: Frame | None = None
        self._seen: list[_Seen] = []
        """From the newest mask's frame on."""
        self._way: ComposedFlow | None = None
        """From the last one seen to the first; None where that is the same, or no way leads there."""

    def observe(self, frame: Frame) -> None:
        """See a frame to which there is nothing to carry: a mask of it may come later.

        Args:
            frame: later than those before.
        """
        if frame.image.shape != self._shape:
            self._shape, self._key, self._seen = frame.image.shape, None, []
        if not self._seen or frame.index > self._seen[-1].index:
            self._append(self._after_the_last(frame.index, small(frame.image)))
        if len(self._seen) > _REMEMBERED:  # no mask has come for long
            del self._seen[0]
            self._key = self._way = None

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        """The mask as ``frame`` needs it; None where the motion between the two cannot be believed.

        Args:
            masked: a frame and its mask; not older than the one given before.
            frame: a later frame, later also than those before.
        """
        if masked.frame.image.shape != frame.image.shape or frame.index <= masked.frame.index:
            return None
        self.observe(frame)
        if masked.frame is not self._key:
            self._start_from(masked.frame)
        if self._way is None or frame.time - masked.frame.time > LONGEST_SECONDS:
            return None
        new, old = self._seen[-1].picture, self._seen[0].picture
        evidence = compare(new, old, self._way)
        mask = masked.mask.alpha
        alpha = follow(mask, self._way.flow)
        at_small = coarse(alpha)
        if evidence.explained(at_small) < LEAST_EXPLAINED:
            return None
        away = uncovered(new, at_small, evidence)
        if away.any():
            alpha *= 1.0 - np.asarray(cv2.resize(away, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        np.clip(alpha, 0.0, 1.0, out=alpha)
        return PropagatedFrame(frame, alpha, masked.mask, frame.index, frame.captured_at)

    def _start_from(self, key: Frame) -> None:
        """Keep what was seen from this frame on, and join the ways anew."""
        self._key = key
        later = [seen for seen in self._seen if seen.index > key.index]
        self._seen = [seen for seen in self._seen if seen.index == key.index]
        if not self._seen:
            self._append(_Seen(key.index, small(key.image), None))
            later[0] = self._after_the_last(later[0].index, later[0].picture)
        self._way = None
        for one in later:
            self._append(one)

    def _after_the_last(self, index: int, picture: Small) -> _Seen:
        last = self._seen[-1] if self._seen else None
        near = last is not None and index - last.index <= LONGEST_STEP
        return _Seen(index, picture, self._search.back(picture, last.picture) if last is not None and near else None)

    def _append(self, seen: _Seen) -> None:
        if seen.back is None or (self._way is None and len(self._seen) > 1):
            self._way = None
        else:
            self._way = ComposedFlow.step(seen.back) if self._way is None else self._way.after(seen.back)
        self._seen.append(seen)
