"""The loops over all pixels that the metrics make, compiled.

Numba compiles them when this module is imported: a few seconds the first time, after that they are read from a cache
(:mod:`rtsod.system.kernel_cache`). They run without the interpreter's lock, so that threads measure at the same time.
Sums are added up in another order than that of the pixels, several at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.system.kernel_cache import compiled

LEVELS: Final = "Array(uint8, 2, 'C', readonly=True)"
TRUTH: Final = "Array(boolean, 2, 'C', readonly=True)"
MAP: Final = "Array(float64, 2, 'C', readonly=True)"
TABLE: Final = "Array(float64, 1, 'C', readonly=True)"
"""Arguments of the loops in Numba's notation: memory of this shape and type, whether it may be written or not."""
IN_ANY_ORDER: Final = {"reassoc", "contract"}
"""What the compiler may do with sums. Differences stay what they are: that of two equal numbers is 0."""


@compiled(f"void({LEVELS}, {TRUTH}, int64[:,::1])")
def count_levels(levels: NDArray[np.uint8], truth: NDArray[np.bool_], histograms: NDArray[np.int64]) -> None:
    """Count the pixels of each level.

    Args:
        levels: ``(H, W)`` uint8.
        truth: ``(H, W)`` bool.
        histograms: ``(2, 256)`` int64; filled: of the background, of the foreground.
    """
    height, width = levels.shape
    # Neighbours often share a level, and each would wait for the other's count: so they count in different places.
    counts = np.zeros((4, 512), np.int64)
    for y in range(height):
        for x in range(width):
            counts[np.uint32(x % 4), np.uint32(levels[y, x]) + np.uint32(truth[y, x]) * np.uint32(256)] += 1
    for k in range(512):
        histograms[k // 256, k % 256] = counts[0, k] + counts[1, k] + counts[2, k] + counts[3, k]


@compiled(f"void({LEVELS}, {TABLE}, float64[:,::1])")
def look_up(levels: NDArray[np.uint8], values: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    """Give each pixel the value of its level.

    Args:
        levels: ``(H, W)`` uint8.
        values: ``(256,)`` float64.
        found: ``(H, W)`` float64; filled.
    """
    height, width = levels.shape
    for y in range(height):
        for x in range(width):
            found[y, x] = values[levels[y, x]]


@compiled(f"UniTuple(int64, 2)({MAP}, {TRUTH}, float64)")
def count_above(prediction: NDArray[np.float64], truth: NDArray[np.bool_], threshold: float) -> tuple[int, int]:
    """The numbers of foreground pixels and of all pixels that are at least a threshold."""
    height, width = truth.shape
    hits = predicted = 0
    for y in range(height):
        for x in range(width):
            above = prediction[y, x] >= threshold
            predicted += above
            hits += above & truth[y, x]
    return hits, predicted


@compiled(f"UniTuple(float64, 2)({MAP}, {TRUTH})", fastmath=IN_ANY_ORDER)
def sums(prediction: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """The sums of a map over the foreground and over the background."""
    height, width = truth.shape
    inside = outside = 0.0
    for y in range(height):
        for x in range(width):
            inside += prediction[y, x] if truth[y, x] else 0.0
            outside += 0.0 if truth[y, x] else prediction[y, x]
    return inside, outside


@compiled(f"UniTuple(int64, 3)({TRUTH})")
def moments(truth: NDArray[np.bool_]) -> tuple[int, int, int]:
    """The foreground's pixels, and the sums of their rows and of their columns."""
    height, width = truth.shape
    pixels = rows = columns = 0
    for y in range(height):
        here = along = 0
        for x in range(width):
            here += truth[y, x]
            along += truth[y, x] * x
        pixels += here
        rows += here * y
        columns += along
    return pixels, rows, columns


@compiled(f"UniTuple(float64, 2)({MAP}, {TRUTH}, float64, float64)", fastmath=IN_ANY_ORDER)
def squared_deviations(
    prediction: NDArray[np.float64], truth: NDArray[np.bool_], inside: float, outside: float
) -> tuple[float, float]:
    """The sums of the squared deviations from two means: over the foreground, and over the background."""
    height, width = truth.shape
    foreground = background = 0.0
    for y in range(height):
        for x in range(width):
            deviation = prediction[y, x] - (inside if truth[y, x] else outside)
            foreground += deviation * deviation if truth[y, x] else 0.0
            background += 0.0 if truth[y, x] else deviation * deviation
    return foreground, background


@compiled(f"UniTuple(float64, 2)({MAP}, {TRUTH}, int64, int64, int64, int64, float64, float64)", fastmath=IN_ANY_ORDER)
def covariance_sums(
    prediction: NDArray[np.float64],
    truth: NDArray[np.bool_],
    top: int,
    bottom: int,
    left: int,
    right: int,
    mean: float,
    share: float,
) -> tuple[float, float]:
    """The sums of the squared deviations of a part of the prediction, and of the products with the truth's.

    Args:
        prediction: ``(H, W)`` float64.
        truth: ``(H, W)`` bool.
        top: first row.
        bottom: row after the last.
        left: first column.
        right: column after the last.
        mean: of the prediction in this part.
        share: of this part that is foreground.
    """
    squared = product = 0.0
    for y in range(top, bottom):
        part, true_part = prediction[y][left:right], truth[y][left:right]
        for x in range(part.size):
            deviation = part[x] - mean
            squared += deviation * deviation
            product += deviation * ((1.0 if true_part[x] else 0.0) - share)
    return squared, product
