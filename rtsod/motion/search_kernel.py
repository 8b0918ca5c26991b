"""The loops over patches and pixels of :class:`rtsod.motion.flow.FlowEstimator`, compiled when this is imported."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rtsod.system.kernel_cache import compiled

Level: TypeAlias = NDArray[np.float32]
"""``(h + 2 * PAD, w + 2 * PAD)`` float32, 0..255: a grey picture whose edge is repeated on all sides."""

PAD: Final = 8
"""Width of that margin in pixels: a patch may start anywhere from one side of the picture to the other."""
_SIDE: Final = np.uint64(8)
"""Side of a patch in pixels."""
_STRIDE: Final = np.uint64(5)
"""Distance between the patches that are matched, in pixels."""
_DESCENT_STEPS: Final = 6
"""Most Gauss-Newton steps per descent. Hardly any descent takes more than three."""
_CONVERGED_PX: Final = np.float32(0.02)
"""A descent whose step is shorter has arrived."""
_MAX_DESCENT_PX: Final = np.float32(8)
"""A descent that leads farther than this from where it started has lost its patch, and is not followed."""
_DAMPING: Final = np.float32(16)
"""Added to the squared gradients of a patch, in squared levels per pixel. Without any texture nothing moves a patch."""

# Unsigned, because Numba lets a signed index count from the end, and checks each for that.
_U1: Final = np.uint64(1)
_U2: Final = np.uint64(2)
_MARGIN: Final = np.uint64(PAD)
_ONE: Final = np.float32(1)
_PAD: Final = np.float32(PAD)
_PER_PIXEL: Final = np.float32(1 / 64)


@compiled("UniTuple(float32, 4)(float32, float32)", fastmath=True)
def _corner_weights(x: np.float32, y: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Bilinear weights of the pixels at the upper left, upper right, lower left and lower right of a position."""
    right, lower = x - np.floor(x), y - np.floor(y)
    return (_ONE - lower) * (_ONE - right), (_ONE - lower) * right, lower * (_ONE - right), lower * right


@compiled("float32(uint64, float32, uint64)", fastmath=True)
def _source(at: np.uint64, offset: np.float32, size: np.uint64) -> np.float32:
    """Where a patch at ``at`` comes from along one axis of a padded level; it overlaps the picture by a pixel."""
    return np.float32(min(max(np.float32(at) + offset + _PAD, _ONE), np.float32(size) + _PAD - _ONE))


@compiled(
    "UniTuple(float32, 4)(float32[:,::1], float32[:,:,::1], float32[:,::1], uint64, uint64, float32, float32)",
    fastmath=True,
)
def _compare(
    new: Level,
    slopes: NDArray[np.float32],
    old: Level,
    y: np.uint64,
    x: np.uint64,
    u: np.float32,
    v: np.float32,
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Compare a patch of ``new`` with the place in ``old`` that is displaced by ``(u, v)``.

    Returns:
        The sum of the squared differences about their mean, and the sums of the differences times the slope along x,
        times the slope along y, and alone.
    """
    left, top = _source(x, u, np.uint64(slopes.shape[2])), _source(y, v, np.uint64(slopes.shape[1]))
    a, b, c, d = _corner_weights(left, top)
    column, row = np.uint64(left), np.uint64(top)
    along_x, along_y, total, squares = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    # Columns outside, rows inside: then the rows are unrolled and each works on a vector of columns. The other way
    # around takes seven times as long.
    for k in range(_SIDE):
        for r in range(_SIDE):
            difference = (
                a * old[row + r, column + k]
                + b * old[row + r, column + k + _U1]
                + c * old[row + r + _U1, column + k]
                + d * old[row + r + _U1, column + k + _U1]
                - new[y + r + _MARGIN, x + k + _MARGIN]
            )
            total += difference
            squares += difference * difference
            along_x += difference * slopes[0, y + r, x + k]
            along_y += difference * slopes[1, y + r, x + k]
    return squares - total * total * _PER_PIXEL, along_x, along_y, total


@compiled("void(float32[:,::1], float32[:,:,::1])", fastmath=True)
def _differentiate(level: Level, slopes: NDArray[np.float32]) -> None:
    """The slopes of a level along x and y, ``(2, h, w)``, in levels per pixel (Sobel)."""
    eighth, two = np.float32(1 / 8), np.float32(2)
    for y in range(np.uint64(slopes.shape[1])):
        above, here, below = y + _MARGIN - _U1, y + _MARGIN, y + _MARGIN + _U1
        for x in range(np.uint64(slopes.shape[2])):
            left, middle, right = x + _MARGIN - _U1, x + _MARGIN, x + _MARGIN + _U1
            upper_left, upper_right = level[above, left], level[above, right]
            lower_left, lower_right = level[below, left], level[below, right]
            slopes[0, y, x] = eighth * (
                upper_right - upper_left + lower_right - lower_left + two * (level[here, right] - level[here, left])
            )
            slopes[1, y, x] = eighth * (
                lower_left
                - upper_left
                + lower_right
                - upper_right
                + two * (level[below, middle] - level[above, middle])
            )


@compiled(
    "UniTuple(float32, 3)(float32[:,::1], float32[:,:,::1], float32[:,::1], uint64, uint64, float32, float32)",
    fastmath=True,
)
def _descend(
    new: Level,
    slopes: NDArray[np.float32],
    old: Level,
    y: np.uint64,
    x: np.uint64,
    u: np.float32,
    v: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:
    """Move a patch's displacement downhill.

    Returns:
        The displacement along x and y, and the difference that is left, as :func:`_compare` returns it.
    """
    xx, xy, yy, sum_x, sum_y = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for k in range(_SIDE):
        for r in range(_SIDE):
            slope_x, slope_y = slopes[0, y + r, x + k], slopes[1, y + r, x + k]
            xx += slope_x * slope_x
            xy += slope_x * slope_y
            yy += slope_y * slope_y
            sum_x += slope_x
            sum_y += slope_y
    mean_x, mean_y = sum_x * _PER_PIXEL, sum_y * _PER_PIXEL
    xx += _DAMPING - sum_x * mean_x
    yy += _DAMPING - sum_y * mean_y
    xy -= sum_x * mean_y
    scale = _ONE / (xx * yy - xy * xy)
    best_u, best_v, least = u, v, np.float32(np.inf)
    now_u, now_v = u, v
    for _ in range(_DESCENT_STEPS):
        left, along_x, along_y, total = _compare(new, slopes, old, y, x, now_u, now_v)
        if left >= least:
            break
        best_u, best_v, least = now_u, now_v, left
        along_x -= total * mean_x
        along_y -= total * mean_y
        step_u, step_v = scale * (yy * along_x - xy * along_y), scale * (xx * along_y - xy * along_x)
        now_u -= step_u
        now_v -= step_v
        if step_u * step_u + step_v * step_v < _CONVERGED_PX * _CONVERGED_PX:
            best_u, best_v = now_u, now_v
            break
    if (best_u - u) * (best_u - u) + (best_v - v) * (best_v - v) > _MAX_DESCENT_PX * _MAX_DESCENT_PX:
        best_u, best_v = u, v
    return best_u, best_v, least


@compiled("void(float32[:,::1], float32[:,:,::1], float32[:,::1], float32[:,:,::1], float32[:,:,::1])", fastmath=True)
def _match(
    new: Level, slopes: NDArray[np.float32], old: Level, coarse: NDArray[np.float32], patches: NDArray[np.float32]
) -> None:
    """Find the displacement of every patch, once from the upper left and once from the lower right.

    A patch starts where the coarser level says, or where a neighbour has arrived if that fits better.

    Args:
        new: the level whose patches are searched for.
        slopes: of ``new``.
        old: the level in which they are searched for.
        coarse: ``(h / 2, w / 2, 2)``: the flow at the coarser level.
        patches: ``(3, rows, columns)``, written: the displacements along x and y, and what :func:`_compare` says.
    """
    height, width = np.uint64(slopes.shape[1]), np.uint64(slopes.shape[2])
    rows, columns = np.uint64(patches.shape[1]), np.uint64(patches.shape[2])
    half = _SIDE // _U2
    for turn in range(2):
        for n in range(rows):
            row = rows - _U1 - n if turn else n
            y = min(row * _STRIDE, height - _SIDE)
            for m in range(columns):
                column = columns - _U1 - m if turn else m
                x = min(column * _STRIDE, width - _SIDE)
                if turn:
                    u, v, least = patches[0, row, column], patches[1, row, column], patches[2, row, column]
                else:
                    u = np.float32(2) * coarse[(y + half) // _U2, (x + half) // _U2, 0]
                    v = np.float32(2) * coarse[(y + half) // _U2, (x + half) // _U2, 1]
                    least = _compare(new, slopes, old, y, x, u, v)[0]
                starts = turn == 0
                for neighbour in range(2):
                    if (n if neighbour else m) > 0:
                        beside, near = row, column
                        if neighbour:
                            beside = row + _U1 if turn else row - _U1
                        else:
                            near = column + _U1 if turn else column - _U1
                        other_u, other_v = patches[0, beside, near], patches[1, beside, near]
                        left = _compare(new, slopes, old, y, x, other_u, other_v)[0]
                        if left < least:
                            u, v, least, starts = other_u, other_v, left, True
                if starts:
                    u, v, least = _descend(new, slopes, old, y, x, u, v)
                    patches[0, row, column], patches[1, row, column], patches[2, row, column] = u, v, least


@compiled("void(float32[:,::1], float32[:,::1], float32[:,:,::1], float32[:,:,::1])", fastmath=True)
def _spread(new: Level, old: Level, patches: NDArray[np.float32], flow: NDArray[np.float32]) -> None:
    """The flow of every pixel: the mean of the patches that it lies in, each weighted by how well it fits there."""
    height, width = np.uint64(flow.shape[0]), np.uint64(flow.shape[1])
    sums = np.zeros((3, height, width), np.float32)
    weights = np.empty((_SIDE, _SIDE), np.float32)
    for row in range(np.uint64(patches.shape[1])):
        y = min(row * _STRIDE, height - _SIDE)
        for column in range(np.uint64(patches.shape[2])):
            x = min(column * _STRIDE, width - _SIDE)
            u, v = patches[0, row, column], patches[1, row, column]
            left, top = _source(x, u, width), _source(y, v, height)
            a, b, c, d = _corner_weights(left, top)
            i, j = np.uint64(top), np.uint64(left)
            for r in range(_SIDE):
                for k in range(_SIDE):
                    difference = (
                        a * old[i + r, j + k]
                        + b * old[i + r, j + k + _U1]
                        + c * old[i + r + _U1, j + k]
                        + d * old[i + r + _U1, j + k + _U1]
                        - new[y + r + _MARGIN, x + k + _MARGIN]
                    )
                    weights[r, k] = _ONE / max(abs(difference), _ONE)
            for r in range(_SIDE):
                for k in range(_SIDE):
                    sums[0, y + r, x + k] += weights[r, k]
                    sums[1, y + r, x + k] += weights[r, k] * u
                    sums[2, y + r, x + k] += weights[r, k] * v
    for line in range(height):
        for place in range(width):
            scale = _ONE / sums[0, line, place]
            flow[line, place, 0] = scale * sums[1, line, place]
            flow[line, place, 1] = scale * sums[2, line, place]


@compiled("void(float32[:,::1], float32[:,::1], float32[:,:,::1], float32[:,:,::1])", fastmath=True)
def search_level(new: Level, old: Level, coarse: NDArray[np.float32], flow: NDArray[np.float32]) -> None:
    """Find the flow from one level to another.

    Args:
        new: at least 8 x 8 pixels without the margin.
        old: of the same size.
        coarse: ``(h / 2, w / 2, 2)`` float32: the flow (x, y) at the coarser level, in its pixels.
        flow: ``(h, w, 2)`` float32, written: the displacement (x, y) from ``new`` to ``old``, in pixels.
    """
    height, width = np.uint64(flow.shape[0]), np.uint64(flow.shape[1])
    slopes = np.empty((np.uint64(2), height, width), np.float32)
    _differentiate(new, slopes)
    rows, columns = (height - _SIDE + _STRIDE - _U1) // _STRIDE + _U1, (width - _SIDE + _STRIDE - _U1) // _STRIDE + _U1
    patches = np.empty((np.uint64(3), rows, columns), np.float32)
    _match(new, slopes, old, coarse, patches)
    _spread(new, old, patches, flow)
