"""The one loop over pixels: compiled, so that only those at an edge are touched, each once.

Compiled when this module is imported (some seconds the first time, then read from Numba's cache), never while frames
wait. It runs without the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image

Kernel: TypeAlias = Callable[[Image, Alpha, NDArray[np.int64], NDArray[np.int64], int, Alpha], None]
TRIM: Final = np.float32(0.05)
"""Of the fitted alpha, at either end: what noise leaves of 0 and 1."""
SURE: Final = np.float32(0.5)
"""Alpha stays within ``map / SURE`` and ``1 - (1 - map) / SURE``: where the map is 0 or 1 alpha is exactly that, and
bright knuckles before a bright wall are not eaten."""
NOISE: Final = np.float32(0.01)
"""What a network that is sure still says beside 0 and 1."""
PLANES: Final = 11
"""Three slopes, the offset, the map, three colours of the subject, three of the background."""

_ONE: Final = np.float32(1)
_HALF: Final = np.float32(0.5)
_WHITE: Final = np.float32(255)


def compiled(function: Kernel) -> Kernel:
    """The function as machine code, made now; kept for the next start wherever there is a folder to keep it in."""
    signature = "void(uint8[:,:,::1], float32[:,:,::1], int64[::1], int64[::1], int64, float32[:,::1])"
    try:
        kernel: Kernel = njit(signature, nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # Numba found no folder that it may write to
        kernel = njit(signature, nogil=True, error_model="numpy")(function)
    return kernel


@compiled
def finish(
    image: Image, planes: Alpha, rows: NDArray[np.int64], columns: NDArray[np.int64], scale: int, alpha: Alpha
) -> None:
    """Alpha and the subject's colour at each pixel of some cells.

    ``alpha = slopes . colour + offset`` within what the map is sure of; the colour of a mixed pixel is the subject's
    about it, and a share of what the mix leaves unexplained (Forte and Pitié, "Approximate fast foreground colour
    estimation", ICIP 2021).

    Args:
        image: ``(h * scale, w * scale, 3)``; where alpha is between 0 and 1, the subject's colour is written into it.
        planes: ``(PLANES, h, w)``, read bilinearly between the centres of the cells; colours in [0, 1].
        rows: ``(N,)`` of the cells.
        columns: ``(N,)``.
        scale: pixels to a cell's side.
        alpha: ``(h * scale, w * scale)``, written.
    """
    height, width = planes.shape[1:]
    at = np.empty((3, PLANES), np.float32)
    here = np.empty(5, np.float32)
    for n in range(rows.size):
        row, column = rows[n], columns[n]
        left, right = max(column - 1, 0), min(column + 1, width - 1)
        for dy in range(scale):
            along = np.float32((dy + 0.5) / scale - 0.5)
            other = max(row - 1, 0) if along < 0 else min(row + 1, height - 1)
            along = abs(along)
            for p in range(PLANES):
                at[0, p] = planes[p, row, left] + along * (planes[p, other, left] - planes[p, row, left])
                at[1, p] = planes[p, row, column] + along * (planes[p, other, column] - planes[p, row, column])
                at[2, p] = planes[p, row, right] + along * (planes[p, other, right] - planes[p, row, right])
            y = row * scale + dy
            for dx in range(scale):
                across = np.float32((dx + 0.5) / scale - 0.5)
                side = 0 if across < 0 else 2
                across = abs(across)
                for p in range(5):
                    here[p] = at[1, p] + across * (at[side, p] - at[1, p])
                x = column * scale + dx
                blue = np.float32(image[y, x, 0]) / _WHITE
                green = np.float32(image[y, x, 1]) / _WHITE
                red = np.float32(image[y, x, 2]) / _WHITE
                value = here[3] + here[0] * blue + here[1] * green + here[2] * red
                value = (value - TRIM) / (_ONE - TRIM - TRIM)
                value = min(value, (here[4] - NOISE) / SURE)
                value = max(value, _ONE - (_ONE - NOISE - here[4]) / SURE)
                value = min(max(value, np.float32(0)), _ONE)
                alpha[y, x] = value
                if np.float32(0) < value < _ONE:
                    for c in range(3):
                        fore = at[1, 5 + c] + across * (at[side, 5 + c] - at[1, 5 + c])
                        back = at[1, 8 + c] + across * (at[side, 8 + c] - at[1, 8 + c])
                        pixel = np.float32(image[y, x, c]) / _WHITE
                        colour = fore + value * (pixel - back - value * (fore - back))
                        image[y, x, c] = np.uint8(min(max(colour, np.float32(0)), _ONE) * _WHITE + _HALF)
