"""Whether something changes in a picture, by thumbnails: noise averages out in them."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.masking.roi import GRID, Box

Thumbnail: TypeAlias = NDArray[np.int16]
"""``(GRID, GRID)`` grey levels."""
CHANGE: Final = 12.0
"""Grey levels by which a part of the surroundings must differ to count as changed."""
CHANGED_PARTS: Final = 4
"""So many parts make a change of the surroundings."""
STILL: Final = 3
"""Grey levels; a picture of which no part differs by so much stands still."""


class SceneChangeDetector:
    """Notices when something changes outside of a box, by a thumbnail of the frame."""

    def __init__(self) -> None:
        self._known: Thumbnail | None = None

    def remember(self, image: Image) -> None:
        """Take this for what is known."""
        self._known = thumbnail(image)

    def have_changed(self, image: Image, box: Box, size: int) -> bool:
        """Whether enough outside of the box differs from what is known, by more than the light of the whole picture.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            box: in cells of a map.
            size: S, of the map.
        """
        assert self._known is not None, "nothing was remembered"
        difference = thumbnail(image) - self._known
        changed = np.abs(difference - np.median(difference)) >= CHANGE
        cell = size / GRID
        changed[round(box.top / cell) : round(box.bottom / cell), round(box.left / cell) : round(box.right / cell)] = (
            False
        )
        return int(np.count_nonzero(changed)) >= CHANGED_PARTS


def thumbnail(image: Image) -> Thumbnail:
    """A frame in ``GRID`` by ``GRID`` means of grey.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
    """
    small = cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.int16)


def stands_still(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether nothing differs between two pictures but noise."""
    return bool(np.abs(one - other).max() < STILL)
