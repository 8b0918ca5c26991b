"""How well maps agree with labels: what a lesson is judged by, and what the card says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from rtsod.frames import Alpha
from rtsod.imaging.iou import THRESHOLD, iou
from rtsod.learning.labelled import LEAST_SUBJECT, Labelled

LOW_PERCENTILE: Final = 5
"""What nineteen frames in twenty exceed."""


class Score(NamedTuple):
    """IoU with the labels, over the frames in which somebody is."""

    mean: float
    low: float
    """The 5th percentile."""
    median: float
    frames: int
    false_area: float
    """Mean share of the picture that is shown although nobody is there, in the other frames; 0 without such."""


def score(maps: Sequence[Alpha], examples: Sequence[Labelled]) -> Score:
    """Compare maps with the labels of their frames.

    Args:
        maps: ``(S, S)`` float32 in [0, 1] each, at any side; enlarged to the labels' side.
        examples: as many.
    """
    overlaps, shown = [], []
    for found, example in zip(maps, examples, strict=True):
        label = example.alpha
        large = np.asarray(cv2.resize(found, label.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        if float((label > THRESHOLD).mean()) < LEAST_SUBJECT:  # two empty masks agree wholly, which would flatter
            shown.append(float((large > THRESHOLD).mean()))
        else:
            overlaps.append(iou(large, label))
    false_area = float(np.mean(shown)) if shown else 0.0
    if not overlaps:
        return Score(0.0, 0.0, 0.0, 0, false_area)
    return Score(
        float(np.mean(overlaps)), float(np.percentile(overlaps, LOW_PERCENTILE)), float(np.median(overlaps)),
        len(overlaps), false_area,
    )  # fmt: skip
