"""Furniture that the map only half believes in is left out."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha

_TRACE: Final = 0.05
"""From here on, a place may belong to something."""
_PEAK: Final = (0.5, 0.8)
"""What nowhere reaches the first is left out, what somewhere reaches the second is left alone; in between it fades, so
that nothing pops in and out when a peak hovers."""


def suppress_weak_components(mask: Alpha) -> Alpha:
    """The map without islands that are faint all over: hysteresis as in Canny's edge detector (TPAMI 1986), but soft.

    Args:
        mask: ``(S, S)`` float32 in [0, 1].

    Returns:
        ``(S, S)`` float32 in [0, 1]; ``mask`` itself where nothing was left out.
    """
    count, labels = cv2.connectedComponents((mask > _TRACE).astype(np.uint8), connectivity=8)
    if count == 1:
        return mask
    low, high = _PEAK
    kept = np.zeros(count, np.float32)
    kept[0] = 1.0  # what is below the trace is no island
    kept[labels[mask >= high]] = 1.0
    doubtful = np.flatnonzero(kept == 0.0)
    if doubtful.size == 0:
        return mask
    for label in doubtful:
        kept[label] = max(0.0, (float(mask[labels == label].max()) - low) / (high - low))
    return np.asarray(mask * kept[labels], np.float32)
