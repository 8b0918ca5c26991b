"""Whether one network knows more than another: judged on what was held out, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha
from rtsod.imaging.iou import THRESHOLD
from rtsod.learning.kept_examples import Kind
from rtsod.masking.doubt import SMALLEST_AREA_SHARE

MARGIN: Final = 0.02
"""By which the overlap must be larger on what was wrong: more than two evaluations of equal networks differ."""
TOLERANCE: Final = 0.02
"""By which it may be smaller on what is known. The labels are the network's own maps, so that any other network differs
along the outlines: two that were trained alike overlap by .98."""


def overlap(found: Alpha, label: Alpha) -> float:
    """IoU of a map with a label, also where nobody is: the smallest subject's area is the least union.

    Args:
        found: ``(S, S)`` float32 in [0, 1], scaled to the label's side.
        label: ``(L, L)`` float32 in [0, 1].
    """
    large = cv2.resize(found, label.shape[::-1], interpolation=cv2.INTER_LINEAR)
    a, b = large > THRESHOLD, label > THRESHOLD
    union = max(float(np.count_nonzero(a | b)), SMALLEST_AREA_SHARE * label.size)
    return 1.0 - np.count_nonzero(a ^ b) / union


def is_better(new: Mapping[Kind, float], running: Mapping[Kind, float], first: Mapping[Kind, float]) -> bool:
    """Whether to put a network in the place of the running one.

    What the run began with is the measure of what is known, so that many small losses do not add up.

    Args:
        new: mean overlap of the new network's maps with the labels of each kind that was held out, if there is any.
        running: the same of the running one.
        first: the same of the one that the run began with.
    """
    if new[Kind.WRONG] < running[Kind.WRONG] + MARGIN:
        return False
    bars = {Kind.KNOWN: first, Kind.LEARNT: running}
    return all(new[kind] >= bar[kind] - TOLERANCE for kind, bar in bars.items() if kind in new)
