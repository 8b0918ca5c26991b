"""The E-measure (Fan et al., "Enhanced-alignment measure for binary foreground map evaluation", IJCAI 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtsod.evaluation.curves import Curve, Curves
from rtsod.evaluation.weighted import EPSILON


def e_curve(curves: Curves) -> Curve:
    """The E-measure at each threshold.

    Both binary maps are taken relative to their means, and where they agree in sign and size, they are aligned. Without
    foreground it is the share of the background that is not predicted; where all is foreground, the share predicted.

    Returns:
        ``(256,)`` float64, 0 to n / (n - 1) for n pixels: the published code divides by n - 1. A picture of a single
        pixel would divide by 0, but for ``EPSILON``: there the value is 0 or 1 / ``EPSILON``.
    """
    return np.asarray(e_measure(curves.hits, curves.predicted, curves.foreground, curves.area))


def e_measure(hits: Any, predicted: Any, foreground: int, area: int) -> Any:
    """The E-measure of a binary map with so many hits and predicted pixels; or of several, for two arrays."""
    if foreground == 0:
        return (area - predicted) / (area - 1 + EPSILON)
    if foreground == area:
        return predicted / (area - 1 + EPSILON)
    return _aligned(hits, predicted, foreground, area)


def mean_of_e(curves: Sequence[Curves]) -> Curve:
    """The mean of the pictures' curves.

    Raises:
        ValueError: there are none.
    """
    if not curves:
        raise ValueError("a mean needs at least one picture")
    some = [one for one in curves if 0 < one.foreground < one.area]  # most; all at once, which is faster
    rest = [e_curve(one) for one in curves if not 0 < one.foreground < one.area]
    if some:
        hits, predicted = np.array([one.hits for one in some]), np.array([one.predicted for one in some])
        sizes = np.array([(one.foreground, one.area) for one in some])
        rest.append(_aligned(hits, predicted, sizes[:, :1], sizes[:, 1:]).sum(axis=0))
    return np.asarray(np.sum(rest, axis=0) / len(curves))


def _aligned(hits: Any, predicted: Any, foreground: Any, area: Any) -> Any:
    """The E-measure where there is foreground and background; of numbers, or of arrays."""
    mean, true_mean = predicted / area, foreground / area
    total = 0.0
    for count, value, true_value in (
        (hits, 1 - mean, 1 - true_mean),
        (predicted - hits, 1 - mean, -true_mean),
        (foreground - hits, -mean, 1 - true_mean),
        (area - predicted - foreground + hits, -mean, -true_mean),
    ):
        alignment = 2 * value * true_value / (value**2 + true_value**2 + EPSILON)
        total = total + (alignment + 1) ** 2 / 4 * count
    return total / (area - 1 + EPSILON)
