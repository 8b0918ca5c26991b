"""The loop over the pixels that an edge passes through, at the size of the frame: compiled, several pixels at a time.

Numba compiles it when this module is imported, so never while frames wait: a few seconds the first time, after that it
is read from a cache (:mod:`rtsod.system.kernel_cache`). It runs without the interpreter's lock.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.system.kernel_cache import compiled

ALPHA_TRIM: Final = np.float32(0.05)
"""Cut off from the fitted alpha at both ends, and the rest stretched to [0, 1]: noise keeps a fit from reaching 0 and
1."""
BOUND_RAMP: Final = np.float32(0.5)
"""Alpha is kept between ``1 - (1 - map) / BOUND_RAMP`` and ``map / BOUND_RAMP``. Where the map is 0 or 1, so is alpha:
bright knuckles in front of a bright wall are not eaten away."""
MAP_NOISE: Final = np.float32(0.01)
"""Distance from 0 and 1 within which the network is sure; subtracted from both ends of the map before it bounds
alpha."""
PLANE_COUNT: Final = 11
"""Planes that the kernel reads: three slopes, the offset, the map, three colours of the subject, three of the
background."""

_SLOTS: Final = 64
"""Values per plane that are worked on at once: few enough for the innermost cache, and a constant, so that the compiler
sees that planes do not overlap."""
_PIXEL: Final = PLANE_COUNT
"""The first of three planes that follow the others in the kernel's memory: the pixels' own colours."""
_ZERO: Final = np.float32(0)
_ONE: Final = np.float32(1)
_HALF: Final = np.float32(0.5)
_WHITE: Final = np.float32(255)


@compiled(
    "void(Array(uint8, 3, 'C', readonly=True), float32[:,:,::1], int64[::1], int64[::1], int64[::1], int64,"
    " float32[::1], uint8[:,::1])"
)
def refine_cells(
    image: Image,
    planes: Alpha,
    origin: NDArray[np.int64],
    first: NDArray[np.int64],
    columns: NDArray[np.int64],
    side: int,
    alpha: Alpha,
    colours: Image,
) -> None:
    """Compute alpha and the subject's colour for every pixel of some cells.

    ``alpha = slopes . colour + offset``, within the bounds that the map sets. Where alpha is between 0 and 1, the
    foreground colour is the subject's mean colour nearby plus alpha times what the mix of the two mean colours leaves
    unexplained (Forte and Pitié, "Approximate fast foreground colour estimation", ICIP 2021).

    Neighbouring cells of a row are worked on together, for one position within the cell after another: so the innermost
    loops run over consecutive values, several at a time. The cells to the left and right of each run of cells are
    there too, because interpolation needs them.

    Args:
        image: ``(H, W, 3)`` uint8 BGR. Cells may reach beyond it; there, its last row and column are repeated.
        planes: ``(PLANE_COUNT, h, w)`` float32, see ``PLANE_COUNT``; interpolated bilinearly between the centres of the
            cells. Colours are in [0, 1].
        origin: ``(2,)`` int64: the row and column of the grid where the planes begin.
        first: ``(R + 1,)`` int64: for each row of the grid, the index of its first cell, and at last their number.
        columns: ``(N,)`` int64: the columns of the cells, row by row of the grid.
        side: of a cell, in pixels.
        alpha: ``(N * side * side,)`` float32, written: the pixels of the cells in raster order.
        colours: ``(N * side * side, 3)`` uint8 BGR, written: the subject's colours where alpha is between 0 and 1, the
            image's elsewhere.
    """
    height, width = image.shape[:2]
    plane_rows, plane_columns = planes.shape[1:]
    unit = np.empty(256, np.float32)
    for level in range(256):
        unit[level] = np.float32(level) / _WHITE
    slot_column = np.empty(_SLOTS, np.int64)
    slot_of = np.empty(_SLOTS, np.int64)
    corner = np.empty((3, PLANE_COUNT, _SLOTS), np.float32)
    near = np.zeros((PLANE_COUNT + 3, _SLOTS), np.float32)
    value_of = np.empty(_SLOTS, np.float32)
    byte = np.empty((3, _SLOTS), np.uint8)
    for row in range(first.size - 1):
        begin, end = first[row], first[row + 1]
        done = begin
        while done < end:
            chunk = done
            slots = 0
            previous = -2
            while done < end and slots < _SLOTS - 3:
                column = columns[done]
                if column != previous + 1:
                    if slots > 0:
                        slot_column[slots] = min(previous + 1 - origin[1], plane_columns - 1)
                        slots += 1
                    slot_column[slots] = max(column - 1 - origin[1], 0)
                    slots += 1
                slot_of[done - chunk] = slots
                slot_column[slots] = column - origin[1]
                slots += 1
                previous = column
                done += 1
            slot_column[slots] = min(previous + 1 - origin[1], plane_columns - 1)
            slots += 1
            for r in range(3):
                y = min(max(row + r - 1 - origin[0], 0), plane_rows - 1)
                for p in range(PLANE_COUNT):
                    for i in range(slots):
                        corner[r, p, i] = planes[p, y, slot_column[i]]
            for dy in range(side):
                v = np.float32((dy + 0.5) / side - 0.5)
                other = 0 if v < 0 else 2
                v = abs(v)
                for p in range(PLANE_COUNT):
                    for i in range(slots):
                        near[p, i] = corner[1, p, i] + v * (corner[other, p, i] - corner[1, p, i])
                line = image[min(row * side + dy, height - 1)]
                start = side * (side * begin + dy * (end - begin) + chunk - begin)
                for dx in range(side):
                    u = np.float32((dx + 0.5) / side - 0.5)
                    step = 0 if u < 0 else 2
                    u = abs(u)
                    for k in range(done - chunk):
                        i = slot_of[k]
                        x = min(columns[chunk + k] * side + dx, width - 1)
                        near[_PIXEL, i] = unit[line[x, 0]]
                        near[_PIXEL + 1, i] = unit[line[x, 1]]
                        near[_PIXEL + 2, i] = unit[line[x, 2]]
                    for i in range(slots - 2):
                        slope0 = near[0, i + 1] + u * (near[0, i + step] - near[0, i + 1])
                        slope1 = near[1, i + 1] + u * (near[1, i + step] - near[1, i + 1])
                        slope2 = near[2, i + 1] + u * (near[2, i + step] - near[2, i + 1])
                        offset = near[3, i + 1] + u * (near[3, i + step] - near[3, i + 1])
                        map_value = near[4, i + 1] + u * (near[4, i + step] - near[4, i + 1])
                        value = (
                            offset
                            + slope0 * near[_PIXEL, i + 1]
                            + slope1 * near[_PIXEL + 1, i + 1]
                            + slope2 * near[_PIXEL + 2, i + 1]
                        )
                        value = (value - ALPHA_TRIM) / (_ONE - ALPHA_TRIM - ALPHA_TRIM)
                        value = min(value, (map_value - MAP_NOISE) / BOUND_RAMP)
                        value = max(value, _ONE - (_ONE - MAP_NOISE - map_value) / BOUND_RAMP)
                        value_of[i + 1] = min(max(value, _ZERO), _ONE)
                    for c in range(3):
                        for i in range(slots - 2):
                            fore = near[5 + c, i + 1] + u * (near[5 + c, i + step] - near[5 + c, i + 1])
                            back = near[8 + c, i + 1] + u * (near[8 + c, i + step] - near[8 + c, i + 1])
                            value, pixel = value_of[i + 1], near[_PIXEL + c, i + 1]
                            colour = fore + value * (pixel - back - value * (fore - back))
                            if value <= _ZERO or value >= _ONE:
                                colour = pixel
                            byte[c, i + 1] = np.uint8(min(max(colour, _ZERO), _ONE) * _WHITE + _HALF)
                    for k in range(done - chunk):
                        i = slot_of[k]
                        at = start + k * side + dx
                        alpha[at] = value_of[i]
                        colours[at, 0] = byte[0, i]
                        colours[at, 1] = byte[1, i]
                        colours[at, 2] = byte[2, i]
