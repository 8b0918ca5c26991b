"""The only loop over pixels at the size of the frame: compiled, and limited to the cells that an edge passes through.

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

_ONE: Final = np.float32(1)
_HALF: Final = np.float32(0.5)
_WHITE: Final = np.float32(255)


@compiled("void(uint8[:,:,::1], float32[:,:,::1], int64[::1], int64[::1], int64, float32[:,::1])")
def refine_cells(
    image: Image, planes: Alpha, rows: NDArray[np.int64], columns: NDArray[np.int64], scale: int, alpha: Alpha
) -> None:
    """Compute alpha and the subject's colour for every pixel of some cells.

    ``alpha = slopes . colour + offset``, within the bounds that the map sets. Where alpha is between 0 and 1, the
    foreground colour is the subject's mean colour nearby plus alpha times what the mix of the two mean colours leaves
    unexplained (Forte and Pitié, "Approximate fast foreground colour estimation", ICIP 2021).

    Args:
        image: ``(h * scale, w * scale, 3)`` uint8 BGR; where alpha is between 0 and 1 it is overwritten with the
            subject's colour.
        planes: ``(PLANE_COUNT, h, w)`` float32, see ``PLANE_COUNT``; interpolated bilinearly between the centres of the
            cells. Colours are in [0, 1].
        rows: ``(N,)`` int64, the rows of the cells.
        columns: ``(N,)`` int64, their columns.
        scale: side of a cell in pixels.
        alpha: ``(h * scale, w * scale)`` float32, written.
    """
    height, width = planes.shape[1:]
    # Interpolated vertically first, for the cell's column and its neighbours, once per row of pixels.
    near = np.empty((3, PLANE_COUNT), np.float32)
    fit = np.empty(5, np.float32)
    for n in range(rows.size):
        row, column = rows[n], columns[n]
        left, right = max(column - 1, 0), min(column + 1, width - 1)
        for dy in range(scale):
            v = np.float32((dy + 0.5) / scale - 0.5)
            other = max(row - 1, 0) if v < 0 else min(row + 1, height - 1)
            v = abs(v)
            for p in range(PLANE_COUNT):
                near[0, p] = planes[p, row, left] + v * (planes[p, other, left] - planes[p, row, left])
                near[1, p] = planes[p, row, column] + v * (planes[p, other, column] - planes[p, row, column])
                near[2, p] = planes[p, row, right] + v * (planes[p, other, right] - planes[p, row, right])
            y = row * scale + dy
            for dx in range(scale):
                u = np.float32((dx + 0.5) / scale - 0.5)
                side = 0 if u < 0 else 2
                u = abs(u)
                for p in range(5):
                    fit[p] = near[1, p] + u * (near[side, p] - near[1, p])
                x = column * scale + dx
                blue = np.float32(image[y, x, 0]) / _WHITE
                green = np.float32(image[y, x, 1]) / _WHITE
                red = np.float32(image[y, x, 2]) / _WHITE
                value = fit[3] + fit[0] * blue + fit[1] * green + fit[2] * red
                value = (value - ALPHA_TRIM) / (_ONE - ALPHA_TRIM - ALPHA_TRIM)
                value = min(value, (fit[4] - MAP_NOISE) / BOUND_RAMP)
                value = max(value, _ONE - (_ONE - MAP_NOISE - fit[4]) / BOUND_RAMP)
                value = min(max(value, np.float32(0)), _ONE)
                alpha[y, x] = value
                if np.float32(0) < value < _ONE:
                    for c in range(3):
                        fore = near[1, 5 + c] + u * (near[side, 5 + c] - near[1, 5 + c])
                        back = near[1, 8 + c] + u * (near[side, 8 + c] - near[1, 8 + c])
                        pixel = np.float32(image[y, x, c]) / _WHITE
                        colour = fore + value * (pixel - back - value * (fore - back))
                        image[y, x, c] = np.uint8(min(max(colour, np.float32(0)), _ONE) * _WHITE + _HALF)
