"""Removes islands of the map that are weak throughout: furniture that the network half believes in."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha

_LOW_THRESHOLD: Final = 0.05
"""Lower hysteresis threshold. Pixels above it, 8-connected, form the components."""
_HIGH_THRESHOLD: Final = (0.5, 0.8)
"""Upper hysteresis threshold, as a ramp. A component whose peak is below the first value is removed, one whose peak
reaches the second is kept as it is. In between it fades, so nothing pops in and out when a peak hovers."""


def suppress_weak_components(mask: Alpha) -> Alpha:
    """Suppress connected components that are nowhere strong.

    This is the hysteresis thresholding of Canny's edge detector (TPAMI 1986) with a soft upper threshold.

    Args:
        mask: ``(S, S)`` float32 in [0, 1].

    Returns:
        ``(S, S)`` float32 in [0, 1]; ``mask`` itself when all components are strong.
    """
    count, labels = cv2.connectedComponents((mask > _LOW_THRESHOLD).astype(np.uint8), connectivity=8)
    if count == 1:
        return mask
    low, high = _HIGH_THRESHOLD
    weight = np.zeros(count, np.float32)
    weight[0] = 1.0  # everything below the lower threshold, which is no component
    weight[labels[mask >= high]] = 1.0
    weak = np.flatnonzero(weight == 0.0)
    if weak.size == 0:
        return mask
    for label in weak:
        weight[label] = max(0.0, (float(mask[labels == label].max()) - low) / (high - low))
    return np.asarray(mask * weight[labels], np.float32)
