"""Square tiles of a picture, stacked into one tall picture: so a band along an outline costs what it covers.

A tile is ``CELLS`` x ``CELLS`` cells of a coarse grid, a cell ``scale`` x ``scale`` pixels of the frame. OpenCV and
NumPy then work on all tiles in one call, where a call for each of a hundred tiles would cost more than its work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.types import Alpha, Image

CELLS: Final = 10
"""Divides the 320 x 180 grid of 16:9 pictures."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """Some tiles of a frame.

    The frame is padded at its right and lower side to whole tiles.
    """

    scale: int
    """Pixels of the frame for each cell of the grid."""
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    """Which tiles: ``(N,)`` each, in tiles from the upper left corner."""

    @property
    def side(self) -> int:
        """Of a tile, pixels of the frame."""
        return CELLS * self.scale

    def cut(self, padded: Image) -> Image:
        """The tiles' pixels, of a padded frame ``(H, W, 3)``: ``(N * side, side, 3)``."""
        return np.ascontiguousarray(self._view(padded)[self.rows, self.columns]).reshape(-1, self.side, 3)

    def paste(self, tiles: NDArray[np.generic], padded: NDArray[np.generic]) -> None:
        """Put ``(N * side, side[, 3])`` into a padded frame of the same kind."""
        view = self._view(padded)
        view[self.rows, self.columns] = tiles.reshape(-1, *view.shape[2:])

    def enlarge(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """A plane of the grid at the frame's resolution, bilinear, in the tiles alone.

        Args:
            plane: ``(h, w)`` float32, h and w multiples of ``CELLS``.

        Returns:
            ``(N * side, side)`` float32.
        """
        # With a cell of its neighbours around it, each tile comes out as it would of the whole plane.
        rim = CELLS + 2
        edged = cv2.copyMakeBorder(plane, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        strided = np.lib.stride_tricks.sliding_window_view(edged, (rim, rim))[::CELLS, ::CELLS]
        stack = np.ascontiguousarray(strided[self.rows, self.columns]).reshape(-1, rim)
        large = cv2.resize(stack, (rim * self.scale, stack.shape[0] * self.scale), interpolation=cv2.INTER_LINEAR)
        inner = slice(self.scale, self.scale + self.side)
        cut = large.reshape(-1, rim * self.scale, rim * self.scale)[:, inner, inner]
        return np.ascontiguousarray(cut, np.float32).reshape(-1, self.side)

    def _view(self, padded: NDArray[np.generic]) -> NDArray[np.generic]:
        height, width = padded.shape[:2]
        tiled = padded.reshape(height // self.side, self.side, width // self.side, self.side, *padded.shape[2:])
        return tiled.swapaxes(1, 2)


def fill(states: Alpha, side: int) -> Alpha:
    """Each tile filled with its one value: ``(rows, columns)`` to ``(rows * side, columns * side)``."""
    height, width = states.shape
    filled = cv2.resize(states, (width * side, height * side), interpolation=cv2.INTER_NEAREST)
    return np.asarray(filled, np.float32)
