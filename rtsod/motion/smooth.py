"""Temporal smoothing: masks stay as they are where the picture is static."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import DownscaledFrame, Pixels

_STATIC_LEVELS, _MOVING_LEVELS = 6.0, 12.0
"""Colour change (levels of 255, worst channel). Below the first a pixel is static, above the second it moves."""
_NEIGHBOURHOOD_PX: Final = 5
"""Side, in pixels of the downscaled frame, of the square around a moving pixel that counts as moving, too."""
_TIME_CONSTANT_SECONDS: Final = 0.5
"""Time constant of the smoothing where the picture is static: what is left of an old mask falls to 1/e in this time."""
_ABSENT_ALPHA, _DOUBTED_ALPHA = 0.1, 0.3
"""Below the first alpha the network says that nothing is there, between the two it doubts."""


class Smoother:
    """Smooths the masks of one stream. Not thread-safe.

    Where the picture is static, a mask that changes is the network wavering, and is followed slowly. Where the picture
    moves, the mask is followed at once. Static means: like the picture for which the shown mask was made. That picture
    is remembered per pixel and updated at the same pace as the mask, so slow motion adds up until it counts, and the
    mask never trails behind. What was shown and is plainly absent from the new mask goes at once, even on a static
    picture: it was a mistake, a shelf taken for a subject.
    """

    def __init__(self) -> None:
        self._alpha: Alpha | None = None
        """The mask returned last."""
        self._colour: NDArray[np.float32] | None = None
        """``(HEIGHT, WIDTH, 3)``: the picture for which each pixel of ``_alpha`` was made."""
        self._time = 0.0

    def smooth(self, alpha: Alpha, picture: DownscaledFrame, time: float) -> Alpha:
        """Smooth the next mask of the stream.

        The first mask, one of another size, and one from before the last are returned as they are.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1], the network's map.
            picture: the frame from which it was computed.
            time: ``Frame.time`` of that frame, in seconds.

        Returns:
            ``(S, S)`` float32 in [0, 1]; per pixel between ``alpha`` and what was returned before.
        """
        colour = picture.colour.astype(np.float32)
        if self._alpha is None or self._colour is None or self._alpha.shape != alpha.shape or time < self._time:
            self._alpha, self._colour, self._time = alpha, colour, time
            return alpha
        decay = np.float32(math.exp(-(time - self._time) / _TIME_CONSTANT_SECONDS))
        kept = static_weight(colour, self._colour) * decay
        self._colour = colour + kept[..., None] * (self._colour - colour)
        kept_by_map = np.asarray(cv2.resize(kept, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        fall = self._alpha - alpha
        absent = np.clip((_DOUBTED_ALPHA - alpha) / (_DOUBTED_ALPHA - _ABSENT_ALPHA), 0, 1)
        gone = absent * np.clip(fall / _DOUBTED_ALPHA, 0, 1)
        smoothed = alpha + kept_by_map * (1 - gone) * fall
        self._alpha, self._time = np.clip(smoothed, 0.0, 1.0, out=smoothed), time
        return self._alpha


def static_weight(colour: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """How static each pixel is: 1 static, 0 moving, linear in between.

    Args:
        colour: ``(H, W, 3)`` float32, 0..255.
        before: the same of an earlier frame.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    change = colour_change(colour, before)
    return np.asarray(np.clip((_MOVING_LEVELS - change) / (_MOVING_LEVELS - _STATIC_LEVELS), 0.0, 1.0), np.float32)


def colour_change(colour: Pixels, before: Pixels) -> Pixels:
    """How much the colour in the neighbourhood of each pixel has changed.

    The difference in the worst channel, averaged over 3 x 3 pixels against noise, and of that the maximum over the
    neighbourhood.

    Args:
        colour: ``(H, W, 3)`` float32 or uint8, 0..255.
        before: the same of an earlier frame.

    Returns:
        ``(H, W)`` of the same dtype, 0..255.
    """
    channels = cv2.split(cv2.absdiff(colour, before))
    worst = cv2.blur(cv2.max(cv2.max(channels[0], channels[1]), channels[2]), (3, 3))
    neighbourhood = np.ones((_NEIGHBOURHOOD_PX, _NEIGHBOURHOOD_PX), np.uint8)
    return np.asarray(cv2.dilate(worst, neighbourhood), colour.dtype)
