"""The loops over pixels of :mod:`rtsod.motion` besides the search for motion, compiled when this is imported."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.system.kernel_cache import compiled

BLOCK: Final = 8
"""Side of the blocks of a map that are warped, or left alone, as a whole."""
_LEVEL: Final = np.float32(1 / 512)
"""A map that varies by less than this, half a level, is uniform."""

# Unsigned, because Numba lets a signed index count from the end, and checks each for that.
_U1: Final = np.uint64(1)
_ZERO: Final = np.float32(0)
_HALF: Final = np.float32(0.5)
_ONE: Final = np.float32(1)


@compiled("void(float32[:,:,::1], float32[:,:,::1])", fastmath=True)
def add_step(layers: NDArray[np.float32], step: NDArray[np.float32]) -> None:
    """Add a step to a composed flow that has been warped along it.

    Args:
        layers: ``(h, w, 4)``, changed: the displacement (x, y), the longest step, nothing.
        step: ``(h, w, 2)``: a displacement (x, y).
    """
    for y in range(np.uint64(step.shape[0])):
        for x in range(np.uint64(step.shape[1])):
            u, v = step[y, x, 0], step[y, x, 1]
            layers[y, x, 0] += u
            layers[y, x, 1] += v
            layers[y, x, 2] = max(layers[y, x, 2], np.sqrt(u * u + v * v))


@compiled("void(uint8[:,:,::1], float32[:,:,::1], float32[:,:,::1], uint8[:,::1], boolean[:,::1])", fastmath=True)
def compare_colours(
    new: Image, warped: NDArray[np.float32], flow: NDArray[np.float32], worst: Image, entered: NDArray[np.bool_]
) -> None:
    """Compare a frame with an earlier one that was warped to it.

    Args:
        new: ``(h, w, 3)`` uint8.
        warped: ``(h, w, 4)`` float32, 0..255; the fourth channel is not looked at.
        flow: ``(h, w, 4)``; its first two channels are the displacement (x, y).
        worst: ``(h, w)`` uint8, written: the difference in the worst channel.
        entered: ``(h, w)`` bool, written: the flow points beyond the edge.
    """
    right, bottom = np.float32(new.shape[1]) - _HALF, np.float32(new.shape[0]) - _HALF
    for y in range(np.uint64(new.shape[0])):
        for x in range(np.uint64(new.shape[1])):
            blue = abs(np.float32(new[y, x, 0]) - warped[y, x, 0])
            green = abs(np.float32(new[y, x, 1]) - warped[y, x, 1])
            red = abs(np.float32(new[y, x, 2]) - warped[y, x, 2])
            worst[y, x] = np.uint8(max(blue, green, red) + _HALF)
            left, top = np.float32(x) + flow[y, x, 0], np.float32(y) + flow[y, x, 1]
            entered[y, x] = (left < -_HALF) | (left > right) | (top < -_HALF) | (top > bottom)


@compiled("void(uint8[:,:,::1], boolean[:,::1], int32[:,:,::1])")
def _sum_up(colour: Image, reference: NDArray[np.bool_], sums: NDArray[np.int32]) -> None:
    """Make a summed-area table (Crow, SIGGRAPH 1984) of the reference pixels.

    Args:
        colour: ``(h, w, 3)`` uint8.
        reference: ``(h, w)`` bool.
        sums: ``(h + 1, w + 1, 4)``, written: the three channels and the number, above and left of each corner.
    """
    sums[0] = 0
    for y in range(np.uint64(reference.shape[0])):
        blue, green, red, count = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
        for channel in range(np.uint64(4)):
            sums[y + _U1, 0, channel] = 0
        for x in range(np.uint64(reference.shape[1])):
            if reference[y, x]:
                blue += np.int32(colour[y, x, 0])
                green += np.int32(colour[y, x, 1])
                red += np.int32(colour[y, x, 2])
                count += np.int32(1)
            sums[y + _U1, x + _U1, 0] = sums[y, x + _U1, 0] + blue
            sums[y + _U1, x + _U1, 1] = sums[y, x + _U1, 1] + green
            sums[y + _U1, x + _U1, 2] = sums[y, x + _U1, 2] + red
            sums[y + _U1, x + _U1, 3] = sums[y, x + _U1, 3] + count


@compiled("float32(uint8[:,:,::1], int32[:,:,::1], int64, int64, int64)", fastmath=True)
def _distance_to_mean(colour: Image, sums: NDArray[np.int32], y: int, x: int, side: int) -> np.float32:
    """The distance of a pixel's colour from the mean of the reference pixels in a square window around it.

    Returns:
        The sum of the absolute differences of the channels; infinite where less than a hundredth of the window is
        reference.
    """
    top, bottom = np.uint64(max(y - side // 2, 0)), np.uint64(min(y + side // 2 + 1, colour.shape[0]))
    left, right = np.uint64(max(x - side // 2, 0)), np.uint64(min(x + side // 2 + 1, colour.shape[1]))
    n = np.uint64(3)
    count = sums[bottom, right, n] - sums[top, right, n] - sums[bottom, left, n] + sums[top, left, n]
    if count * 100 <= side * side:
        return np.float32(np.inf)
    distance, scale = _ZERO, _ONE / np.float32(count)
    for c in range(n):
        total = sums[bottom, right, c] - sums[top, right, c] - sums[bottom, left, c] + sums[top, left, c]
        distance += abs(np.float32(colour[np.uint64(y), np.uint64(x), c]) - scale * np.float32(total))
    return distance


@compiled(
    "int64(uint8[:,:,::1], boolean[:,::1], boolean[:,::1], boolean[:,::1], boolean[:,::1], boolean[:,::1],"
    "float32, UniTuple(int64, 2), boolean[:,::1])"
)
def find_background(
    colour: Image,
    doubtful: NDArray[np.bool_],
    entered: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    background: NDArray[np.bool_],
    subject: NDArray[np.bool_],
    preference: np.float32,
    sides: tuple[int, int],
    found: NDArray[np.bool_],
) -> int:
    """Find doubtful pixels that have the colour of the background around them, and are connected to the outside.

    Args:
        colour: ``(h, w, 3)`` uint8; all other arrays are ``(h, w)`` bool.
        doubtful: the pixels in question; none of them is outside.
        entered: the pixels for which the nearer colour decides; elsewhere see ``preference``.
        outside: what is background anyway.
        background: the pixels whose colours are known to be the background's.
        subject: the pixels whose colours are known to be the subject's.
        preference: how many times nearer to the background's colour than to the subject's a pixel must be.
        sides: of the windows in which colours are averaged; the nearest mean counts.
        found: written.

    Returns:
        How many were found.
    """
    height, width = colour.shape[0], colour.shape[1]
    behind = np.empty((height + 1, width + 1, 4), np.int32)
    before = np.empty((height + 1, width + 1, 4), np.int32)
    _sum_up(colour, background, behind)
    _sum_up(colour, subject, before)
    alike = np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int64)  # each pixel is pushed once, when it is found
    waiting = count = 0
    found[:] = False
    for y in range(height):
        for x in range(width):
            if doubtful[y, x]:
                to_background = min(
                    _distance_to_mean(colour, behind, y, x, sides[0]), _distance_to_mean(colour, behind, y, x, sides[1])
                )
                to_subject = min(
                    _distance_to_mean(colour, before, y, x, sides[0]), _distance_to_mean(colour, before, y, x, sides[1])
                )
                factor = np.float32(1) if entered[y, x] else preference
                if factor * to_background < to_subject:
                    alike[y, x] = True
                    if (
                        (y > 0 and outside[y - 1, x])
                        or (y + 1 < height and outside[y + 1, x])
                        or (x > 0 and outside[y, x - 1])
                        or (x + 1 < width and outside[y, x + 1])
                    ):
                        found[y, x] = True
                        stack[waiting] = y * width + x
                        waiting += 1
    while waiting > 0:
        waiting -= 1
        count += 1
        y, x = stack[waiting] // width, stack[waiting] % width
        for side in range(4):
            row = y + (side == 0) - (side == 1)
            column = x + (side == 2) - (side == 3)
            if 0 <= row < height and 0 <= column < width and alike[row, column] and not found[row, column]:
                found[row, column] = True
                stack[waiting] = row * width + column
                waiting += 1
    return count


@compiled("void(float32[:,::1], float32[:,:,::1])", fastmath=True)
def find_ranges(alpha: Alpha, ranges: NDArray[np.float32]) -> None:
    """The least and the greatest value in each block of ``BLOCK`` x ``BLOCK`` pixels of a map.

    Args:
        alpha: ``(h, w)`` float32.
        ranges: ``(ceil(h / BLOCK), ceil(w / BLOCK), 2)`` float32, written.
    """
    height, width, side = np.uint64(alpha.shape[0]), np.uint64(alpha.shape[1]), np.uint64(BLOCK)
    for row in range(np.uint64(ranges.shape[0])):
        for column in range(np.uint64(ranges.shape[1])):
            least = greatest = alpha[row * side, column * side]
            for y in range(row * side, min(row * side + side, height)):
                for x in range(column * side, min(column * side + side, width)):
                    least, greatest = min(least, alpha[y, x]), max(greatest, alpha[y, x])
            ranges[row, column, 0], ranges[row, column, 1] = least, greatest


@compiled("int64(float32, int64)", fastmath=True)
def _cell(at: np.float32, size: int) -> int:
    """The pixel at or before a position, kept within ``size``."""
    return int(min(max(int(np.floor(at)), 0), size - 1))


@compiled(
    "void(float32[:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,::1], boolean, float32[:,::1])", fastmath=True
)
def warp_map(
    alpha: Alpha,
    ranges: NDArray[np.float32],
    flow: NDArray[np.float32],
    removed: Alpha,
    removes: bool,
    warped: Alpha,
) -> None:
    """Warp a map along a flow of another size, and set some of it to 0.

    Blocks whose sources are uniform are filled. In the others the flow and then the map are interpolated bilinearly;
    beyond the edge the edge is repeated.

    Args:
        alpha: ``(H, W)`` float32 in [0, 1].
        ranges: what :func:`find_ranges` makes of it.
        flow: ``(h, w, 4)`` float32; its first two channels are the displacement (x, y) in pixels of the flow.
        removed: ``(h, w)`` float32 in [0, 1]: 1 where the map must become 0.
        removes: False: ``removed`` is 0 everywhere.
        warped: ``(H, W)`` float32, written: in [0, 1], nowhere more than the greatest value of ``alpha``.
    """
    height, width = alpha.shape[0], alpha.shape[1]
    rows, columns = flow.shape[0], flow.shape[1]
    scale_x, scale_y = np.float32(width / columns), np.float32(height / rows)
    last_x, last_y = np.float32(width - 1), np.float32(height - 1)
    line = np.empty((columns, 3), np.float32)
    nodes, shares = np.empty(width, np.uint64), np.empty(width, np.float32)
    for x in range(width):
        at = max((np.float32(x) + _HALF) / scale_x - _HALF, _ZERO)
        nodes[x] = np.uint64(at)
        shares[x] = at - np.float32(nodes[x])
    for block_row in range(ranges.shape[0]):
        y0, y1 = block_row * BLOCK, min(block_row * BLOCK + BLOCK, height)
        top, bottom = (
            _cell((np.float32(y0) + _HALF) / scale_y - _HALF, rows),
            _cell((np.float32(y1) - _HALF) / scale_y + _HALF, rows),
        )
        for block_column in range(ranges.shape[1]):
            x0, x1 = block_column * BLOCK, min(block_column * BLOCK + BLOCK, width)
            left, right = (
                _cell((np.float32(x0) + _HALF) / scale_x - _HALF, columns),
                _cell((np.float32(x1) - _HALF) / scale_x + _HALF, columns),
            )
            least_u = greatest_u = flow[top, left, 0]
            least_v = greatest_v = flow[top, left, 1]
            loses = False
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    u, v = flow[row, column, 0], flow[row, column, 1]
                    least_u, greatest_u = min(least_u, u), max(greatest_u, u)
                    least_v, greatest_v = min(least_v, v), max(greatest_v, v)
                    loses |= removes and removed[row, column] > _ZERO
            first_column = _cell(np.float32(x0) + scale_x * least_u, width) // BLOCK
            last_column = min(_cell(np.float32(x1) + scale_x * greatest_u, width) // BLOCK, ranges.shape[1] - 1)
            first_row = _cell(np.float32(y0) + scale_y * least_v, height) // BLOCK
            last_row = min(_cell(np.float32(y1) + scale_y * greatest_v, height) // BLOCK, ranges.shape[0] - 1)
            least, greatest = ranges[first_row, first_column, 0], ranges[first_row, first_column, 1]
            for row in range(first_row, last_row + 1):
                for column in range(first_column, last_column + 1):
                    least = min(least, ranges[row, column, 0])
                    greatest = max(greatest, ranges[row, column, 1])
            if greatest - least < _LEVEL and not loses:
                for y in range(y0, y1):
                    for x in range(x0, x1):
                        warped[y, x] = least
                continue
            for y in range(np.uint64(y0), np.uint64(y1)):
                at = max((np.float32(y) + _HALF) / scale_y - _HALF, _ZERO)
                above = np.uint64(at)
                below, lower = min(above + _U1, np.uint64(rows - 1)), at - np.float32(above)
                for node in range(np.uint64(left), np.uint64(right + 1)):
                    for c in range(np.uint64(2)):
                        value = flow[above, node, c]
                        line[node, c] = value + lower * (flow[below, node, c] - value)
                    if loses:
                        value = removed[above, node]
                        line[node, np.uint64(2)] = value + lower * (removed[below, node] - value)
                for x in range(np.uint64(x0), np.uint64(x1)):
                    node, share = nodes[x], shares[x]
                    beside = min(node + _U1, np.uint64(right))
                    u = line[node, 0] + share * (line[beside, 0] - line[node, 0])
                    v = line[node, 1] + share * (line[beside, 1] - line[node, 1])
                    from_x = min(max(np.float32(x) + scale_x * u, _ZERO), last_x)
                    from_y = min(max(np.float32(y) + scale_y * v, _ZERO), last_y)
                    i, j = np.uint64(from_y), np.uint64(from_x)
                    under, after = min(i + _U1, np.uint64(height - 1)), min(j + _U1, np.uint64(width - 1))
                    across = from_x - np.float32(j)
                    upper = alpha[i, j] + across * (alpha[i, after] - alpha[i, j])
                    value = alpha[under, j] + across * (alpha[under, after] - alpha[under, j])
                    value = upper + (from_y - np.float32(i)) * (value - upper)
                    if loses:
                        n = np.uint64(2)
                        value *= _ONE - (line[node, n] + share * (line[beside, n] - line[node, n]))
                    warped[y, x] = min(max(value, _ZERO), _ONE)
