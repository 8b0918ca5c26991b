"""Intersection over union: how well two masks overlap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from rtsod.frames import Alpha

THRESHOLD: Final = 0.5
"""A pixel belongs to the subject where its alpha is larger."""


def iou(one: Alpha, other: Alpha) -> float:
    """Intersection over union of two masks.

    Args:
        one: ``(H, W)`` in [0, 1].
        other: of the same shape.

    Returns:
        0 to 1; 1 where both masks are empty.
    """
    return iou_of_all([(one, other)])


def iou_of_all(pairs: Iterable[tuple[Alpha, Alpha]]) -> float:
    """Intersection over union of many pairs of masks, counted over the pixels of all of them.

    Args:
        pairs: two masks of one shape each, as for :func:`iou`.

    Returns:
        0 to 1; 1 where all masks are empty.
    """
    intersection = union = 0
    for one, other in pairs:
        a, b = one > THRESHOLD, other > THRESHOLD
        intersection += int(np.count_nonzero(a & b))
        union += int(np.count_nonzero(a | b))
    return intersection / union if union else 1.0
