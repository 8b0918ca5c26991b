"""The light of a frame: brings the exposure, white balance and soft shadows of a frame to a picture of its room."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.float32]
"""``(S, S, 3)`` BGR, in levels of 255."""
Where: TypeAlias = NDArray[np.bool_]
"""``(S, S)``: for which pixels something holds."""

_GAINS: Final = (0.5, 2.0)
"""A channel may become so much darker or brighter; beyond that, other light falls from another place."""
_MOST_NOISIER: Final = 2.5
_MEDIAN_DEVIATION: Final = 0.6745
"""Of a Gaussian's absolute value, in standard deviations."""
_EVERY: Final = 7
"""One pixel in so many tells the light as well as all of them."""
_SATURATED: Final = 4
"""Levels from black and white within which a channel is clipped."""
_LEAST_FITTED: Final = 100
"""Pixels that a gain and an offset are fitted to, of every seventh."""
_LEAST_SPREAD: Final = 6.0
"""Standard deviation, in levels, of what a gain and an offset can be told apart by."""
_FIELD_SHARE: Final = 0.06
"""Standard deviation, as a share of the side, of the smooth changes of light that are followed: a soft shadow on the
wall, a screen's light. Sharper ones are not told from a thing."""
MOST_FIELD: Final = 25.0
"""Levels by which that may darken or brighten."""


class PlateRefused(Exception):
    """The room without its user cannot be used. Its text says why, in words that end a sentence."""


def exposed(plate: Pixels, frame: Pixels, room: Where) -> Pixels:
    """The plate with the frame's exposure and white balance: a gain and an offset for each channel.

    Least squares over the room, repeated without what fits worst: something may have changed there.
    """
    result = np.empty_like(plate)
    for channel in range(3):
        x, y = (each[..., channel][room][::_EVERY].astype(np.float64) for each in (plate, frame))
        kept = (y > _SATURATED) & (y < 255 - _SATURATED)
        if kept.sum() < _LEAST_FITTED:
            raise PlateRefused("the picture is too bright or too dark")
        # What is saturated says nothing of the gain. It is found by the plate: found by the frame, the noise of pixels
        # that are nearly saturated would bend the line.
        expected = x * float(np.median(y[kept] / np.maximum(x[kept], 1)))
        kept = (expected > 2 * _SATURATED) & (expected < 255 - 2 * _SATURATED)
        if kept.sum() < _LEAST_FITTED:
            raise PlateRefused("the picture is too bright or too dark")
        x, y = x[kept], y[kept]
        kept = np.ones(len(x), np.bool_)
        for _ in range(5):
            spread = float(x[kept].std())
            if spread > _LEAST_SPREAD:
                gain = float(np.cov(x[kept], y[kept])[0, 1]) / spread**2
                offset = float(y[kept].mean() - gain * x[kept].mean())
            else:  # a wall of one colour: exposure multiplies
                gain, offset = float(y[kept].mean() / max(1.0, x[kept].mean())), 0.0
            if not _GAINS[0] <= gain <= _GAINS[1]:
                raise PlateRefused("the light is not what it was")
            off = np.abs(y - gain * x - offset)
            kept = off <= max(3.0, 2.5 * float(np.median(off)))
        result[..., channel] = np.clip(gain * plate[..., channel] + offset, 0, 255)
    return result


def noisier(difference: Pixels, noise: Pixels, room: Where) -> np.float32:
    """How much noisier this frame is than those of the empty room: a camera in less light has more gain."""
    typical = float(np.median((np.abs(difference) / noise)[room][::_EVERY]))
    return np.float32(np.clip(typical / _MEDIAN_DEVIATION, 1, _MOST_NOISIER))


def light_field(difference: Pixels, sure: Where) -> Pixels:
    """The smooth part of a difference, from the pixels that are sure: what light and soft shadows change."""
    side = len(difference)
    small = max(16, side // 4)
    sigma = _FIELD_SHARE * small
    weight = cv2.resize(sure.astype(np.float32), (small, small), interpolation=cv2.INTER_AREA)
    sums = cv2.resize(difference * sure[..., None], (small, small), interpolation=cv2.INTER_AREA)
    weight = cv2.GaussianBlur(weight, (0, 0), sigma)
    sums = cv2.GaussianBlur(sums, (0, 0), sigma)
    # Far from everything sure the light is taken to be as it was.
    field = np.clip(sums / (weight[..., None] + 0.02), -MOST_FIELD, MOST_FIELD)
    return np.asarray(cv2.resize(field, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
