"""Turns an alpha into detections of the library supervision, which is optional."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from rtsod.errors import UsageError
from rtsod.frames import Alpha
from rtsod.segmenter.checks import check_alpha

if TYPE_CHECKING:
    from supervision import Detections

THRESHOLD: Final = 0.5
"""Alpha above which a pixel belongs to a subject."""
MIN_AREA: Final = 0.001
"""The least share of the picture's pixels that a subject has: 30 x 30 pixels of 1280 x 720."""
CLASS_NAME: Final = "salient object"
"""The network finds what stands out, and does not say what it is."""


def detections_from_alpha(alpha: Alpha, *, threshold: float = THRESHOLD, min_area: float = MIN_AREA) -> Detections:
    """Turn an alpha into the detections that annotators, zones and trackers of supervision take.

    Each connected component (8-connected: diagonal neighbours touch) of the pixels whose alpha is above ``threshold``
    is one detection. Components that are smaller than ``min_area`` are left out. Two subjects that touch are one
    detection: a saliency map does not tell them apart.

    Args:
        alpha: ``(H, W)`` float32 in [0, 1].
        threshold: 0 to 1, without 1.
        min_area: share of the picture's pixels, 0 to 1.

    Returns:
        n detections, the largest first; none if nothing stands out. They have

        * ``mask``: ``(n, H, W)`` bool; each pixel is in one of them at most;
        * ``xyxy``: ``(n, 4)`` float32, pixels: left, top, right, bottom, of which the last two are one beyond the mask,
          so that widths and areas are right;
        * ``confidence``: ``(n,)`` float32, the mean of alpha within the mask, above ``threshold``, up to 1. It says how
          sure the map is of its pixels; it is no probability that there is an object;
        * ``class_id``: ``(n,)`` int, all 0, with ``data["class_name"]`` "salient object".

    Raises:
        UsageError: supervision is not installed.
        ValueError: an argument is not as described.
    """
    supervision = load_supervision()
    check_alpha(alpha)
    check_detection_options(threshold, min_area)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(alpha > threshold, np.uint8), connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]  # 0 is the background
    largest_first = 1 + np.argsort(-areas, kind="stable")
    kept = [int(label) for label in largest_first if areas[label - 1] >= min_area * alpha.size]
    masks = np.empty((len(kept), *alpha.shape), np.bool_)
    boxes, confidences = np.empty((len(kept), 4), np.float32), np.empty(len(kept), np.float32)
    for index, label in enumerate(kept):
        left, top, width, height, _ = stats[label]
        masks[index] = labels == label
        boxes[index] = left, top, left + width, top + height
        confidences[index] = alpha[masks[index]].mean(dtype=np.float64)
    found: Detections = supervision.Detections(
        xyxy=boxes,
        mask=masks,
        confidence=confidences,
        class_id=np.zeros(len(kept), np.int64),
        data={"class_name": np.full(len(kept), CLASS_NAME)},
    )
    return found


def check_detection_options(threshold: float, min_area: float) -> None:
    """Refuse options that select nothing.

    Raises:
        ValueError: one of them is out of its range, or no number.
    """
    try:
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold must be from 0 to below 1, not {threshold}")
        if not 0 <= min_area <= 1:
            raise ValueError(f"min_area is a share of the picture, from 0 to 1, not {min_area}")
    except TypeError as error:
        raise ValueError(f"threshold and min_area must be numbers, not {threshold!r} and {min_area!r}") from error


def load_supervision() -> Any:
    """Import the library.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module("supervision")
    except ModuleNotFoundError as error:
        if error.name != "supervision":
            raise
        raise UsageError("detections need the package supervision: pip install supervision") from error
