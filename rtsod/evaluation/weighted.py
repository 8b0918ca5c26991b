"""The weighted F-measure (Margolin, Zelnik-Manor and Tal, "How to evaluate foreground maps?", CVPR 2014).

Errors depend on each other: a miss beside hits weighs less, because the errors are blurred with a Gaussian, for which
each background pixel takes the error of its nearest foreground pixel. And they differ in importance: a false alarm far
from the foreground weighs up to twice as much as one beside it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from rtsod.evaluation.curves import Map, Truth
from rtsod.evaluation.scratch import scratch
from rtsod.evaluation.weighted_kernels import missed, nearest_rows, spread_errors

EPSILON: Final = float(np.spacing(1))
"""Keeps denominators from 0, as in the published code (MATLAB's ``eps``)."""
_BETA_SQUARED: Final = 1.0
"""PySODMetrics' value, and that of the published tables; not the 0.3 of the other F-measures."""
_SIGMA_PX: Final = 5.0
"""Standard deviation of the Gaussian, which is cut off to 7 x 7 pixels."""
_HALF_PX: Final = 5.0
"""Distance from the foreground at which half of the additional weight is reached, in pixels."""
_FAR_PX: Final = 270
"""From here on, the weight is 2 to the last bit: 2 - 2^(-270 / 5)."""

_OFFSETS: Final = np.arange(-3, 4)
_GAUSSIAN: Final = np.exp(-(_OFFSETS**2) / (2 * _SIGMA_PX**2)) / np.exp(-(_OFFSETS**2) / (2 * _SIGMA_PX**2)).sum()
_WEIGHTS: Final = 2 - np.exp(math.log(0.5) / _HALF_PX * np.sqrt(np.arange(_FAR_PX**2 + 1)))
"""Of a false alarm, by the square of its distance from the foreground."""


def weighted_f(prediction: Map, truth: Truth) -> float:
    """The weighted F-measure with beta = 1.

    Of several nearest foreground pixels, the leftmost counts, then the uppermost: SciPy's choice, so PySODMetrics' too.

    Args:
        prediction: ``(H, W)`` float64 in [0, 1], contiguous.
        truth: ``(H, W)`` bool, contiguous.

    Returns:
        0 to 1; 0 where there is no foreground, whatever is predicted.
    """
    foreground = int(np.count_nonzero(truth))
    if foreground == 0:
        return 0.0
    rows, spread = scratch("rows", truth.shape, np.int32), scratch("spread", truth.shape, np.float64)
    nearest_rows(truth, rows)
    alarms = spread_errors(prediction, truth, rows, _WEIGHTS, spread)
    hits = foreground - missed(prediction, truth, spread, _GAUSSIAN)
    recall = hits / foreground
    precision = hits / (hits + alarms + EPSILON)
    return (1 + _BETA_SQUARED) * recall * precision / (recall + _BETA_SQUARED * precision + EPSILON)
