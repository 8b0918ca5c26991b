"""The loops over all pixels that the metrics make, compiled.

Numba compiles them when this module is imported: a few seconds the first time, after that they are read from a cache
(:mod:`rtsod.system.kernel_cache`). They run without the interpreter's lock, so that threads measure at the same time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.system.kernel_cache import compiled

_TRUTH: Final = "Array(boolean, 2, 'C', readonly=True)"
_MAP: Final = "Array(float64, 2, 'C', readonly=True)"
_REACH: Final = 3
"""Half the side of the 7 x 7 Gaussian, a constant so that the compiler unrolls its loops."""


@compiled(f"void(Array(uint8, 2, 'C', readonly=True), {_TRUTH}, int64[:,::1])")
def count_levels(levels: NDArray[np.uint8], truth: NDArray[np.bool_], histograms: NDArray[np.int64]) -> None:
    """Count the pixels of each level.

    Args:
        levels: ``(H, W)`` uint8.
        truth: ``(H, W)`` bool.
        histograms: ``(2, 256)`` int64, zeros; filled: of the background, of the foreground.
    """
    height, width = levels.shape
    # Neighbours often share a level, and each would wait for the other's count: so they count in different places.
    odd = np.zeros((2, 256), np.int64)
    for y in range(height):
        for x in range(0, width - 1, 2):
            histograms[int(truth[y, x]), levels[y, x]] += 1
            odd[int(truth[y, x + 1]), levels[y, x + 1]] += 1
        if width % 2:
            histograms[int(truth[y, width - 1]), levels[y, width - 1]] += 1
    histograms += odd


@compiled(f"void({_TRUTH}, int32[:,::1])")
def nearest_rows(truth: NDArray[np.bool_], rows: NDArray[np.int32]) -> None:
    """For each pixel, find the nearest row in which its column has foreground; the upper one of two.

    Args:
        truth: ``(H, W)`` bool.
        rows: ``(H, W)`` int32; filled; -1 in columns without foreground.
    """
    height, width = truth.shape
    for x in range(width):
        rows[0, x] = 0 if truth[0, x] else -1
    for y in range(1, height):
        for x in range(width):
            rows[y, x] = y if truth[y, x] else rows[y - 1, x]
    for y in range(height - 2, -1, -1):
        for x in range(width):
            above, below = rows[y, x], rows[y + 1, x]  # below is y's own row or above it where nothing is below
            if below > y and (above < 0 or below - y < y - above):
                rows[y, x] = below


@compiled(f"void({_MAP}, int32[:,::1], float64[:,::1], int32[:,::1])")
def spread_errors(
    errors: NDArray[np.float64],
    rows: NDArray[np.int32],
    spread: NDArray[np.float64],
    squared_distances: NDArray[np.int32],
) -> None:
    """Give each pixel the error of its nearest foreground pixel: the leftmost one of several, then the upper one.

    The second pass of an exact Euclidean distance transform: the lower envelope of one parabola per column, in integers
    (Meijster, Roerdink and Hesselink, "A general algorithm for computing distance transforms in linear time", 2000).

    Args:
        errors: ``(H, W)`` float64.
        rows: from :func:`nearest_rows`; there is foreground.
        spread: ``(H, W)`` float64; filled.
        squared_distances: ``(H, W)`` int32; filled: to the nearest foreground pixel, in pixels squared.
    """
    height, width = errors.shape
    column = np.empty(width, np.int32)  # of each parabola that is part of the envelope, from left to right
    start = np.empty(width, np.int32)  # the first pixel where it is below all former ones
    lift = np.empty(width, np.int32)  # of each column's parabola
    for y in range(height):
        last = -1
        for x in range(width):
            if rows[y, x] < 0:
                continue
            up = rows[y, x] - y
            lift[x] = up * up
            begins = 0
            while last >= 0:
                left, first = column[last], start[last]
                if lift[left] + (first - left) * (first - left) > lift[x] + (first - x) * (first - x):
                    last -= 1
                    continue
                begins = 1 + int((x * x - left * left + lift[x] - lift[left]) / (2.0 * (x - left)))
                break
            if begins < width:
                last += 1
                column[last] = x
                start[last] = begins
        for x in range(width - 1, -1, -1):
            left = column[last]
            squared_distances[y, x] = lift[left] + (x - left) * (x - left)
            spread[y, x] = errors[rows[y, left], left]
            if x == start[last]:
                last -= 1


@compiled(
    f"UniTuple(float64, 2)({_MAP}, {_TRUTH}, float64[:,::1], int32[:,::1],"
    " Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True))"
)
def weighted_errors(
    errors: NDArray[np.float64],
    truth: NDArray[np.bool_],
    spread: NDArray[np.float64],
    squared_distances: NDArray[np.int32],
    weights: NDArray[np.float64],
    gaussian: NDArray[np.float64],
) -> tuple[float, float]:
    """Sum up the errors, each as far as it counts.

    Args:
        errors: ``(H, W)`` float64.
        truth: ``(H, W)`` bool.
        spread: from :func:`spread_errors`.
        squared_distances: from :func:`spread_errors`.
        weights: ``(N,)`` float64: of a background pixel, by its squared distance; the last one beyond.
        gaussian: ``(7,)`` float64: the separable kernel. Beyond the picture there is no error.

    Returns:
        The foreground's sum of the smaller of error and blurred error, and the background's weighted sum.
    """
    height, width = errors.shape
    reach = _REACH
    blurred = np.zeros(width + 2 * reach)  # of one row, down the columns, with nothing to the left and right
    foreground = background = 0.0
    most = weights.size - 1
    for y in range(height):
        some = False
        for x in range(width):
            if truth[y, x]:
                some = True
            else:
                background += errors[y, x] * weights[min(squared_distances[y, x], most)]
        if not some:
            continue
        blurred[:] = 0.0
        for k in range(max(0, y - reach), min(height, y + reach + 1)):
            tap = gaussian[k - y + reach]
            for x in range(width):
                blurred[x + reach] += tap * spread[k, x]
        for x in range(width):
            if truth[y, x]:
                total = 0.0
                for k in range(2 * _REACH + 1):
                    total += gaussian[k] * blurred[x + k]
                foreground += min(errors[y, x], total)
    return foreground, background


@compiled(f"void({_MAP}, {_TRUTH}, float64[::1])")
def object_sums(prediction: NDArray[np.float64], truth: NDArray[np.bool_], sums: NDArray[np.float64]) -> None:
    """Sums over the foreground and the background.

    Args:
        prediction: ``(H, W)`` float64.
        truth: ``(H, W)`` bool.
        sums: ``(5,)`` float64; filled: foreground pixels, the sums of their rows and columns, the sums of the
            prediction over the foreground and over the background.
    """
    height, width = truth.shape
    pixels = rows = columns = 0
    inside = outside = 0.0
    for y in range(height):
        for x in range(width):
            if truth[y, x]:
                pixels += 1
                rows += y
                columns += x
                inside += prediction[y, x]
            else:
                outside += prediction[y, x]
    sums[0], sums[1], sums[2], sums[3], sums[4] = pixels, rows, columns, inside, outside


@compiled(f"UniTuple(float64, 2)({_MAP}, {_TRUTH}, float64, float64)")
def squared_deviations(
    prediction: NDArray[np.float64], truth: NDArray[np.bool_], inside: float, outside: float
) -> tuple[float, float]:
    """The sums of the squared deviations from two means: of the foreground, and of the background."""
    height, width = truth.shape
    foreground = background = 0.0
    for y in range(height):
        for x in range(width):
            p = prediction[y, x]
            foreground += (p - inside) * (p - inside) if truth[y, x] else 0.0
            background += 0.0 if truth[y, x] else (p - outside) * (p - outside)
    return foreground, background


@compiled(f"UniTuple(float64, 2)({_MAP}, {_TRUTH}, int64[::1], float64, float64)")
def covariance_sums(
    prediction: NDArray[np.float64],
    truth: NDArray[np.bool_],
    box: NDArray[np.int64],
    mean: float,
    share: float,
) -> tuple[float, float]:
    """The sums of the squared deviations of a part of the prediction, and of the products with the truth's.

    Args:
        prediction: ``(H, W)`` float64.
        truth: ``(H, W)`` bool.
        box: ``(4,)`` int64: first row, row after the last, first column, column after the last.
        mean: of the prediction in the box.
        share: of the box that is foreground.
    """
    squared = product = 0.0
    for y in range(box[0], box[1]):
        for x in range(box[2], box[3]):
            deviation = prediction[y, x] - mean
            squared += deviation * deviation
            product += deviation * ((1.0 if truth[y, x] else 0.0) - share)
    return squared, product
