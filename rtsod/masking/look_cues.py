"""Cheap signs that a scene is no longer the one that was looked at last."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.masking.roi import AREA_SLACK_RATIO, GRID_CELLS, MAX_AREA_CHANGE, SUBJECT_ALPHA
from rtsod.masking.scene_change import CELL_CHANGE_LEVELS, MIN_CHANGED_CELLS, Thumbnail, thumbnail

BRIGHTNESS_LEVELS: Final = 20.0
"""Grey levels by which the whole picture must become brighter or darker: more than a camera's exposure wavers, and
less than a lamp makes."""


class LookCues:
    """Compares frames and their masks with those of the last look. Not thread-safe."""

    def __init__(self) -> None:
        self._thumbnail: Thumbnail | None = None
        self._subject: NDArray[np.bool_] | None = None
        self._area = 0.0

    def remember(self, image: Image, alpha: Alpha) -> None:
        """Make this frame, ``(H, W, 3)`` uint8 BGR, and its mask, ``(S, S)``, those of the last look."""
        self._thumbnail, self._subject, self._area = thumbnail(image), _cells(alpha), _area_share(alpha)

    def has_changed(self, image: Image, alpha: Alpha) -> bool:
        """Whether the room, its light or the subject's size differs from the last look's; True before the first.

        The room is what no mask covers, then or now: a subject may move as it likes.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            alpha: its mask, ``(S, S)`` float32 in [0, 1].
        """
        if self._thumbnail is None or self._subject is None:
            return True
        area = _area_share(alpha)
        low, high = self._area / MAX_AREA_CHANGE, self._area * MAX_AREA_CHANGE
        if not low - AREA_SLACK_RATIO <= area <= high + AREA_SLACK_RATIO:
            return True
        difference = thumbnail(image) - self._thumbnail
        light = float(np.median(difference))
        changed = (np.abs(difference - light) >= CELL_CHANGE_LEVELS) & ~self._subject & ~_cells(alpha)
        return abs(light) >= BRIGHTNESS_LEVELS or int(np.count_nonzero(changed)) >= MIN_CHANGED_CELLS


def _cells(alpha: Alpha) -> NDArray[np.bool_]:
    """The cells of the thumbnail that hold some of the subject, and their neighbours."""
    small = cv2.resize(alpha, (GRID_CELLS, GRID_CELLS), interpolation=cv2.INTER_AREA)
    subject = (small >= SUBJECT_ALPHA).astype(np.uint8)
    return np.asarray(cv2.dilate(subject, np.ones((3, 3), np.uint8)) > 0)


def _area_share(alpha: Alpha) -> float:
    return np.count_nonzero(alpha >= 0.5) / alpha.size
