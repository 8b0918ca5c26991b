"""Detects changes in a picture by comparing thumbnails, in which camera noise averages out."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.masking.roi import GRID_CELLS, Box

Thumbnail: TypeAlias = NDArray[np.int16]
"""``(GRID_CELLS, GRID_CELLS)`` grey levels, 0..255."""
CELL_CHANGE_LEVELS: Final = 12.0
"""Grey levels by which a cell outside the ROI must differ to count as changed."""
MIN_CHANGED_CELLS: Final = 4
"""This many changed cells make a scene change."""
STATIC_LEVELS: Final = 3
"""Grey levels: a picture is static when every cell differs by less."""

_SAMPLES: Final = 8 * GRID_CELLS
"""Samples of a frame along each axis: eight per cell."""


class SceneChangeDetector:
    """Notices when something changes outside a box."""

    def __init__(self) -> None:
        self._reference: Thumbnail | None = None

    def remember(self, image: Image) -> None:
        """Make this frame, ``(H, W, 3)`` uint8 BGR, the reference for :meth:`has_changed`."""
        self._reference = thumbnail(image)

    def has_changed(self, image: Image, box: Box, size: int) -> bool:
        """Whether enough cells outside the box differ from the reference, a change of overall brightness aside.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            box: in cells of a map.
            size: S, the side of that map.
        """
        assert self._reference is not None, "remember() comes first"
        difference = thumbnail(image) - self._reference
        changed = np.abs(difference - np.median(difference)) >= CELL_CHANGE_LEVELS
        cell = size / GRID_CELLS
        rows = slice(round(box.top / cell), round(box.bottom / cell))
        columns = slice(round(box.left / cell), round(box.right / cell))
        changed[rows, columns] = False
        return int(np.count_nonzero(changed)) >= MIN_CHANGED_CELLS


def thumbnail(image: Image) -> Thumbnail:
    """Reduce a frame to ``GRID_CELLS`` x ``GRID_CELLS`` mean grey levels.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
    """
    # In two steps, so that a large frame costs no more than a small one: 64 samples are enough against noise.
    sampled = cv2.resize(image, (_SAMPLES, _SAMPLES), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(sampled, (GRID_CELLS, GRID_CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.int16)


def is_static(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether two pictures differ by no more than noise."""
    return bool(np.abs(one - other).max() < STATIC_LEVELS)
