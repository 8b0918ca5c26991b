"""Masks that keep still where the picture does."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import Pixels, Small

_STILL, _MOVING = 6.0, 12.0
"""Levels of 255 in the worst channel: below the first a pixel stands still, above the second it moves."""
_AROUND: Final = 5
"""Pixels of the small picture: what moves takes its surroundings along."""
_SETTLING: Final = 0.5
"""Seconds in which a mask on a still picture goes most of the way to what the network says now."""
_GONE, _DOUBTED = 0.1, 0.3
"""What the network gives less than the first is not there, what it gives more than the second it doubts."""


class Smoother:
    """Holds a mask against the one before it. For one thread.

    Where the picture stands still, a changed mask is the network's wavering, and is followed slowly; where it moves, at
    once. Still means: like the picture that the mask shown was made for, which is remembered pixel by pixel at the pace
    at which masks are followed. So slow motion adds up until it counts, and nothing is ever left behind. What was shown
    and is plainly not there any more goes at once, however still it stands: a shelf that was a mistake.
    """

    def __init__(self) -> None:
        self._alpha: Alpha | None = None
        self._picture: NDArray[np.float32] | None = None
        self._at = 0.0

    def smooth(self, alpha: Alpha, picture: Small, at: float) -> Alpha:
        """The mask to show.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1], as the network says.
            picture: what it was computed from.
            at: when that was, seconds.

        Returns:
            ``(S, S)`` float32 in [0, 1]; between ``alpha`` and what was returned before.
        """
        colour = picture.colour.astype(np.float32)
        if self._alpha is None or self._picture is None or self._alpha.shape != alpha.shape or at < self._at:
            self._alpha, self._picture, self._at = alpha, colour, at
            return alpha
        kept = stillness(colour, self._picture) * np.float32(math.exp(-(at - self._at) / _SETTLING))
        self._picture = colour + kept[..., None] * (self._picture - colour)
        large = np.asarray(cv2.resize(kept, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        fall = self._alpha - alpha
        gone = np.clip((_DOUBTED - alpha) / (_DOUBTED - _GONE), 0, 1) * np.clip(fall / _DOUBTED, 0, 1)
        smoothed = alpha + large * (1 - gone) * fall
        self._alpha, self._at = np.clip(smoothed, 0.0, 1.0, out=smoothed), at
        return self._alpha


def stillness(picture: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """How still each pixel stands: 1 still, 0 moving.

    Args:
        picture: ``(H, W, 3)`` float32, 0..255.
        before: the same.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    return np.asarray(np.clip((_MOVING - change(picture, before)) / (_MOVING - _STILL), 0.0, 1.0), np.float32)


def change(picture: Pixels, before: Pixels) -> Pixels:
    """How much each pixel and its surroundings differ, in the worst channel, noise averaged.

    Args:
        picture: ``(H, W, 3)`` float32 or uint8, 0..255.
        before: the same.

    Returns:
        ``(H, W)``, of the same type, 0..255.
    """
    channels = cv2.split(cv2.absdiff(picture, before))
    worst = cv2.blur(cv2.max(cv2.max(channels[0], channels[1]), channels[2]), (3, 3))
    return np.asarray(cv2.dilate(worst, np.ones((_AROUND, _AROUND), np.uint8)), picture.dtype)
