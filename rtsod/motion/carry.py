"""A mask brought from the frame it was computed from to a later one: the only place that makes ``Carried``.

Motion is followed from picture to picture and joined, rather than looked for between the two ends: what moves a hand's
width in a tenth of a second moves a finger's width from frame to frame, and only that is found reliably.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.motion.evidence import compare, uncovered
from rtsod.motion.flow import HEIGHT, WIDTH, Flow, FlowSearch, Small, follow, joined, small
from rtsod.types import Carried, Frame, Masked

LEAST_EXPLAINED: Final = 0.5
"""The share of the picture, and of the subject in it, that motion must explain; with less, the scene was cut, the
camera jerked or the subject is gone. Measured: .55 at least, of a gesticulating person."""


@dataclass(frozen=True, slots=True)
class _Seen:
    index: int
    picture: Small
    back: Flow | None
    """To the one seen before it; None for the first."""


class Carrier:
    """Carries masks along the frames it is shown, one by one. For one thread."""

    def __init__(self) -> None:
        self._search = FlowSearch()
        self._key: Frame | None = None
        self._seen: list[_Seen] = []
        """From the newest mask's frame on."""
        self._path: Flow | None = None
        """From the last one seen to the first."""

    def carry(self, masked: Masked, frame: Frame) -> Carried | None:
        """The mask as ``frame`` needs it; None where the motion between the two cannot be believed.

        Args:
            masked: a frame and its mask; not older than the one given before.
            frame: a later frame, later also than the one given before.
        """
        if masked.frame.image.shape != frame.image.shape or frame.index <= masked.frame.index:
            return None
        if masked.frame is not self._key:
            self._start_from(masked.frame)
        self._go_on_to(frame)
        assert self._path is not None
        new, old = self._seen[-1].picture, self._seen[0].picture
        evidence = compare(new, old, self._path)
        mask = masked.mask.alpha
        alpha = follow(mask, self._path)
        coarse = np.asarray(cv2.resize(alpha, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)
        if evidence.explained(coarse) < LEAST_EXPLAINED:
            return None
        away = uncovered(new, coarse, evidence)
        if away.any():
            alpha *= 1.0 - np.asarray(cv2.resize(away, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        return Carried(frame, np.clip(alpha, 0.0, 1.0, out=alpha), masked.mask)

    def _start_from(self, key: Frame) -> None:
        """Keep what was seen from this frame on, and join the ways anew."""
        self._key = key
        later = [seen for seen in self._seen if seen.index > key.index]
        first = next((seen for seen in self._seen if seen.index == key.index), None)
        if first is None:
            first = _Seen(key.index, small(key.image), None)
            if later:
                later[0] = _Seen(later[0].index, later[0].picture, self._search.back(later[0].picture, first.picture))
        self._seen = [first]
        self._path = None
        for seen in later:
            self._append(seen)

    def _go_on_to(self, frame: Frame) -> None:
        if frame.index > self._seen[-1].index:
            picture = small(frame.image)
            self._append(_Seen(frame.index, picture, self._search.back(picture, self._seen[-1].picture)))

    def _append(self, seen: _Seen) -> None:
        assert seen.back is not None
        self._path = seen.back if self._path is None else joined(seen.back, self._path)
        self._seen.append(seen)
