"""The S-measure (Fan et al., "Structure-measure: a new way to evaluate foreground maps", ICCV 2017)."""

from __future__ import annotations

from typing import Final

import numpy as np

from rtsod.evaluation.curves import Map, Truth
from rtsod.evaluation.kernels import covariance_sums, moments, squared_deviations, sums
from rtsod.evaluation.weighted import EPSILON

_OBJECT_SHARE: Final = 0.5
"""Of the object-aware score in the sum; the rest is the region-aware one's."""


def s_measure(prediction: Map, truth: Truth) -> float:
    """How alike the structures of a map and its truth are.

    Where a quarter of the picture has one colour in both, PySODMetrics' score of it is 1 if the variance comes out as
    exactly 0, else 0; and that depends on how the mean is rounded. This is why the mean is taken as it is there.

    Args:
        prediction: ``(H, W)`` float64 in [0, 1], contiguous.
        truth: ``(H, W)`` bool, contiguous.

    Returns:
        0 to 1. Without foreground it is 1 less the map's mean, and where all is foreground the map's mean.
    """
    pixels, rows, columns = moments(truth)
    if pixels == 0:
        return float(1 - prediction.mean())
    if pixels == truth.size:
        return float(prediction.mean())
    # NumPy's and Python's round agree: halves go to the even neighbour. The pixel of the centroid is above and left.
    split = round(rows / pixels) + 1, round(columns / pixels) + 1
    objects, regions = _object_score(prediction, truth, pixels), _region_score(prediction, truth, split)
    return max(0.0, _OBJECT_SHARE * objects + (1 - _OBJECT_SHARE) * regions)


def _object_score(prediction: Map, truth: Truth, pixels: int) -> float:
    """How bright and even the foreground is, and how dark and even the background, by area."""
    total, rest = sums(prediction, truth)
    inside, outside = total / pixels, rest / (truth.size - pixels)
    deviations = squared_deviations(prediction, truth, inside, outside)
    score = 0.0
    for mean, squared, count in ((inside, deviations[0], pixels), (1 - outside, deviations[1], truth.size - pixels)):
        deviation = float(np.sqrt(squared / (count - 1))) if count > 1 else 0.0
        score += 2 * mean / (mean**2 + 1 + deviation + EPSILON) * count / truth.size
    return score


def _region_score(prediction: Map, truth: Truth, split: tuple[int, int]) -> float:
    """The similarity of the four quarters around the foreground's centroid, by area.

    A quarter without pixels counts nothing. PySODMetrics makes the whole measure NaN there, which happens where the
    centroid is in the last row or column.
    """
    height, width = truth.shape
    score = 0.0
    for top, bottom in ((0, split[0]), (split[0], height)):
        for left, right in ((0, split[1]), (split[1], width)):
            area = (bottom - top) * (right - left)
            if area:
                score += _similarity(prediction, truth, top, bottom, left, right) * area / truth.size
    return score


def _similarity(prediction: Map, truth: Truth, top: int, bottom: int, left: int, right: int) -> float:
    """The structural similarity (SSIM) of a part, without its constants."""
    area = (bottom - top) * (right - left)
    mean = float(prediction[top:bottom, left:right].mean())
    pixels = int(np.count_nonzero(truth[top:bottom, left:right]))
    share = pixels / area
    squared, product = covariance_sums(prediction, truth, top, bottom, left, right, mean, share)
    own = pixels * (1 - share) ** 2 + (area - pixels) * share**2
    degrees = area - 1 + EPSILON
    numerator = 4 * mean * share * product / degrees
    denominator = (mean**2 + share**2) * (squared + own) / degrees
    if numerator != 0:
        return float(numerator / (denominator + EPSILON))
    return 1.0 if denominator == 0 else 0.0
