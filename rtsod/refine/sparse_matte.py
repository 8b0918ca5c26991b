"""A matte that stores only the pixels along the edge.

A trimap on a coarse grid says which cells are background, subject, or mixed. Alpha and colours exist for the pixels of
mixed cells alone, in raster order: row by row of the frame, from left to right. Where a frame's last cells reach beyond
its border, the pixels there are stored too, and never shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image, to_levels
from rtsod.system.kernel_cache import compiled

BACKGROUND: Final = np.uint8(0)
"""A cell whose alpha is 0 everywhere."""
SUBJECT: Final = np.uint8(1)
"""A cell whose alpha is 1 everywhere."""
MIXED: Final = np.uint8(2)
"""A cell whose pixels are stored one by one."""

_HALF: Final = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class SparseAlpha:
    """Alpha without the frame it belongs to."""

    width: int
    """Of the frame, in pixels."""
    height: int
    side: int
    """Side of a cell, in pixels."""
    cells: Image
    """``(h, w)`` uint8: ``BACKGROUND``, ``SUBJECT`` or ``MIXED``. The cells cover the frame."""
    mixed: Alpha
    """``(N,)`` float32 in [0, 1]: the pixels of mixed cells, in raster order."""

    def dense(self) -> Alpha:
        """``(height, width)`` float32 in [0, 1], owned by the caller."""
        alpha = self._flat((self.cells == SUBJECT).astype(np.float32))
        put_mixed(self.mixed.view(np.uint8), self.cells, self.side, 4, alpha.view(np.uint8))
        return np.asarray(alpha, np.float32)

    def levels(self) -> Image:
        """The same as ``(height, width)`` uint8, 0..255, rounded."""
        levels = np.asarray(self._flat((self.cells == SUBJECT).astype(np.uint8) * np.uint8(255)), np.uint8)
        put_mixed(to_levels(self.mixed), self.cells, self.side, 1, levels)
        return levels

    def _flat(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """One value per cell, at the size of the frame."""
        size = self.cells.shape[1] * self.side, self.cells.shape[0] * self.side
        scaled = cv2.resize(np.asarray(values), size, interpolation=cv2.INTER_NEAREST)
        return np.ascontiguousarray(scaled[: self.height, : self.width])


@dataclass(frozen=True)
class SparseMatte:
    """A :class:`~rtsod.refine.matte.Matte` that stores the pixels along the edge."""

    image: Image
    """``(H, W, 3)`` uint8 BGR, contiguous: the frame's own array."""
    opacity: SparseAlpha
    colours: Image
    """``(N, 3)`` uint8 BGR: the foreground in the mixed cells, in raster order."""

    @cached_property
    def alpha(self) -> Alpha:
        """See :class:`~rtsod.refine.matte.Matte`; computed on first use."""
        return self.opacity.dense()

    @cached_property
    def foreground(self) -> Image:
        """See :class:`~rtsod.refine.matte.Matte`; computed on first use, and not the frame's own array."""
        picture = self.image.copy()
        put_mixed(self.colours.reshape(-1), self.opacity.cells, self.opacity.side, 3, _rows_of(picture))
        return picture

    @property
    def levels(self) -> Callable[[], Image]:
        """See :class:`~rtsod.refine.matte.Matte`."""
        return self.opacity.levels

    def suppress(self, limit: float) -> None:
        """See :class:`~rtsod.refine.matte.Matte`. Call it before anything reads ``alpha``."""
        if self.opacity.mixed.size:
            plane = self.opacity.mixed.reshape(1, -1)
            cv2.threshold(plane, limit, 0.0, cv2.THRESH_TOZERO, dst=plane)

    def over(self, background: Image) -> Image:
        """See :class:`~rtsod.refine.matte.Matte`."""
        opacity, result = self.opacity, np.empty_like(self.image)
        planes = _rows_of(self.image), _rows_of(np.ascontiguousarray(background))
        lay_over(*planes, opacity.cells, opacity.side, opacity.mixed, self.colours, _rows_of(result))
        return result


def _rows_of(picture: Image) -> Image:
    """A picture ``(H, W, 3)`` as ``(H, 3 W)``; the same memory."""
    return picture.reshape(picture.shape[0], -1)


@compiled(
    "void(Array(uint8, 2, 'C', readonly=True), Array(uint8, 2, 'C', readonly=True), uint8[:,::1], int64,"
    " float32[::1], uint8[:,::1], uint8[:,::1])"
)
def lay_over(
    foreground: Image, background: Image, cells: Image, side: int, alpha: Alpha, colours: Image, result: Image
) -> None:
    """Write every pixel of ``result`` once: copied from the foreground or the background, or mixed of both.

    Args:
        foreground: ``(H, 3 W)`` uint8.
        background: ``(H, 3 W)`` uint8.
        cells: ``(h, w)`` uint8: ``BACKGROUND``, ``SUBJECT`` or ``MIXED``.
        side: side of a cell, in pixels.
        alpha: ``(N,)`` float32 in [0, 1]: of the mixed cells, in raster order.
        colours: ``(N, 3)`` uint8: their foreground.
        result: ``(H, 3 W)`` uint8, written.
    """
    width = result.shape[1] // 3
    done = 0
    for y in range(result.shape[0]):
        kinds = cells[y // side]
        front, back, line = foreground[y], background[y], result[y]
        column = 0
        while column < kinds.size:
            kind, left = kinds[column], column
            while column < kinds.size and kinds[column] == kind:
                column += 1
            begin, end = min(left * side, width), min(column * side, width)
            if kind == MIXED:
                shares, fore = alpha[done:], colours[done:]
                behind, target = back[3 * begin :], line[3 * begin :]
                for x in range(end - begin):
                    for c in range(3):
                        b = np.float32(behind[3 * x + c])
                        target[3 * x + c] = np.uint8(b + shares[x] * (np.float32(fore[x, c]) - b) + _HALF)
                done += (column - left) * side
            else:
                source = front[3 * begin : 3 * end] if kind == SUBJECT else back[3 * begin : 3 * end]
                target = line[3 * begin : 3 * end]
                for i in range(target.size):
                    target[i] = source[i]


@compiled("void(uint8[::1], uint8[:,::1], int64, int64, uint8[:,::1])")
def put_mixed(values: Image, cells: Image, side: int, depth: int, plane: Image) -> None:
    """Write the pixels of mixed cells into a plane, and nothing else.

    Args:
        values: ``(N,)`` uint8: the bytes of the pixels of mixed cells, in raster order.
        cells: ``(h, w)`` uint8: ``BACKGROUND``, ``SUBJECT`` or ``MIXED``.
        side: side of a cell, in pixels.
        depth: bytes of a pixel.
        plane: ``(H, depth * W)`` uint8: the bytes of the plane's pixels; written.
    """
    done, length = 0, side * depth
    for y in range(plane.shape[0]):
        kinds, line = cells[y // side], plane[y]
        for column in range(kinds.size):
            if kinds[column] == MIXED:
                begin = column * length
                for i in range(min(length, line.size - begin)):
                    line[begin + i] = values[done + i]
                done += length
