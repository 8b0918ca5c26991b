"""The loops of the weighted F-measure: an exact Euclidean distance transform, and the errors that it spreads.

They are compiled, as those of :mod:`rtsod.evaluation.kernels`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.evaluation.kernels import IN_ANY_ORDER, MAP, TABLE, TRUTH
from rtsod.system.kernel_cache import compiled

_TWO: Final = np.int32(2)


@compiled(f"void({TRUTH}, int32[:,::1])")
def nearest_rows(truth: NDArray[np.bool_], rows: NDArray[np.int32]) -> None:
    """For each pixel, find the nearest row in which its column has foreground; the upper one of two.

    The first pass of an exact Euclidean distance transform.

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
            above, below = rows[y, x], rows[y + 1, x]  # below is above as well where nothing is nearer to that row
            if below > y and (above < 0 or below - y < y - above):
                rows[y, x] = below


@compiled(f"float64({MAP}, {TRUTH}, int32[:,::1], {TABLE}, float64[:,::1])", fastmath=IN_ANY_ORDER)
def spread_errors(
    prediction: NDArray[np.float64],
    truth: NDArray[np.bool_],
    rows: NDArray[np.int32],
    weights: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> float:
    """Give each pixel the error of its nearest foreground pixel: the leftmost one of several, then the upper one.

    The second pass: in each row, the lower envelope of one parabola per column, in integers (Meijster, Roerdink and
    Hesselink, "A general algorithm for computing distance transforms in linear time", 2000).

    Args:
        prediction: ``(H, W)`` float64.
        truth: ``(H, W)`` bool; there is foreground.
        rows: from :func:`nearest_rows`.
        weights: ``(N,)`` float64: of a background pixel, by its squared distance in pixels; the last one beyond.
        spread: ``(H, W)`` float64; filled, but for the rows that :func:`missed` does not read.

    Returns:
        The sum of the background's errors, weighted.
    """
    height, width = truth.shape
    reach = 3  # of the Gaussian
    with_foreground = np.zeros(height + 2 * reach, np.bool_)  # rows; there is none above the picture and below it
    for y in range(height):
        for x in range(width):
            with_foreground[y + reach] |= truth[y, x]
    # Of each parabola that is part of the envelope, from left to right:
    column = np.empty(width, np.int32)
    lift = np.empty(width, np.int32)
    start = np.empty(width + 1, np.int32)  # the first pixel where it is below all former ones
    squared_distance = np.empty(width, np.int32)
    most = np.int32(weights.size - 1)
    alarms = 0.0
    for y in range(height):
        matters = with_foreground[y : y + 2 * reach + 1].any()
        for x in range(width):
            matters |= prediction[y, x] > 0.0
        if not matters:
            continue
        nearest, spread_row = rows[y], spread[y]
        count = 0
        for x in range(width):
            row = nearest[x]
            if row < 0:
                continue
            up = (row - y) * (row - y)
            begins = 0
            while count > 0:
                left, first, left_up = column[count - 1], start[count - 1], lift[count - 1]
                if left_up + (first - left) * (first - left) > up + (first - x) * (first - x):
                    count -= 1
                    continue
                crossing = x * x - left * left + up - left_up  # over 2 (x - left); not negative
                begins = 1 + (crossing >> 1 if left == x - 1 else int(crossing / (2.0 * (x - left))))
                break
            if begins < width:
                column[count], lift[count], start[count] = x, up, begins
                count += 1
        start[count] = width
        for k in range(count):
            left, first = column[k], start[k]
            error = 1.0 - prediction[nearest[left], left]
            squared, step = np.int32(lift[k] + (first - left) * (first - left)), np.int32(2 * (first - left) + 1)
            for x in range(np.uint32(first), np.uint32(start[k + 1])):  # mostly a few pixels
                spread_row[x] = error
                squared_distance[x] = squared
                squared += step
                step += _TWO
        for x in range(width):
            alarms += (0.0 if truth[y, x] else prediction[y, x]) * weights[np.uint32(min(squared_distance[x], most))]
    return alarms


@compiled(f"float64({MAP}, {TRUTH}, float64[:,::1], {TABLE})", fastmath=IN_ANY_ORDER)
def missed(
    prediction: NDArray[np.float64],
    truth: NDArray[np.bool_],
    spread: NDArray[np.float64],
    gaussian: NDArray[np.float64],
) -> float:
    """The foreground's sum of the error, or of the blurred error where that is smaller.

    Args:
        prediction: ``(H, W)`` float64.
        truth: ``(H, W)`` bool.
        spread: from :func:`spread_errors`.
        gaussian: ``(7,)`` float64: the separable kernel. Beyond the picture there is no error.
    """
    height, width = truth.shape
    g0, g1, g2, g3 = gaussian[0], gaussian[1], gaussian[2], gaussian[3]
    down = np.empty(width + 6)  # blurred down the columns: a part of a row, and 3 columns to its left and right
    total = 0.0
    for y in range(height):
        first, after = 0, width  # the columns with foreground
        while first < width and not truth[y, first]:
            first += 1
        while after > first and not truth[y, after - 1]:
            after -= 1
        if first == after:
            continue
        begin, end = max(0, first - 3), min(width, after + 3)
        down[:] = 0.0
        part = down[begin - first + 3 :][: end - begin]
        for k in range(max(0, y - 3), min(height, y + 4)):
            tap, row = gaussian[k - y + 3], spread[k][begin:end]
            for x in range(part.size):
                part[x] += tap * row[x]
        errors, subject = prediction[y][first:after], truth[y][first:after]
        for x in range(subject.size):
            blurred = (
                g0 * (down[x] + down[x + 6])
                + g1 * (down[x + 1] + down[x + 5])
                + g2 * (down[x + 2] + down[x + 4])
                + g3 * down[x + 3]
            )
            total += min(1.0 - errors[x], blurred) if subject[x] else 0.0
    return total
