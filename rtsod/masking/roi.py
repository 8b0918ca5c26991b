"""Tracks the region of interest (ROI) around the subject, so that the network need not see the whole frame every time.

The network sees the subject's box, with a margin, at a smaller size than the whole frame; now and then it sees the
whole frame again. Saliency depends on what else is in view, so the two maps differ where the network is unsure. The
ratio of their odds, measured whenever both have seen the same frame, corrects the maps of the ROI that follow.

Fail closed: outside the box alpha is 0, and so it is wherever this frame's own inference gives 0, because odds are only
ever multiplied, by a bounded factor. No older mask can make anything visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image
from rtsod.masking.correction import gain_between

SUBJECT_ALPHA: Final = 0.3
"""Cells with at least this alpha must lie inside the box."""
MARGIN_RATIO: Final = 1 / 32
"""Margin around the subject, as a share of the frame's side: room to move until the next frame, and context for the
network."""
GRID_CELLS: Final = 40
"""Boxes snap to this many columns and rows, which are whole pixels in the usual frame sizes. A box that rarely changes
keeps the gain measured for it."""
MAX_EXCESS_AREA: Final = 1.3
"""A box larger than the needed area times this factor is tightened."""
MAX_GAIN: Final = 20.0
"""Largest factor, up or down, by which the odds of a cell are corrected."""
MAX_AREA_CHANGE: Final = 1.4
"""A subject whose area changes by more than this factor between frames makes the ROI doubtful ..."""
AREA_SLACK_RATIO: Final = 0.002
"""... beyond this share of the frame's area, because the area of small subjects flickers."""


@dataclass(frozen=True, slots=True)
class Box:
    """Cells of a map: columns ``left`` to ``right`` and rows ``top`` to ``bottom``, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """In cells."""
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def cells(self) -> tuple[slice, slice]:
        """Rows and columns, to index a map with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def contains(self, other: Box) -> bool:
        """Whether the other box lies inside this one."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


@dataclass(frozen=True, slots=True)
class RoiMap:
    """The network's map of a box, before it is corrected."""

    box: Box
    alpha: Alpha
    """Float32 in [0, 1], one value for each cell of the box."""


class RoiTracker:
    """The subject's box, and the gain that makes a map of the box agree with a map of the whole frame.

    Args:
        size: S, the side of the whole frame's maps.
        roi_size: P, the side of the box's maps. No box is smaller, so the subject is never magnified.
        wide_only: whether the gain leaves narrow differences as they are, because another network sees the whole frame.
    """

    def __init__(self, size: int, roi_size: int, *, wide_only: bool = False) -> None:
        self._size = size
        self._wide_only = wide_only
        self._roi_size = roi_size
        self._box: Box | None = None
        self._gain = np.empty((0, 0), np.float32)
        self._last: RoiMap | None = None
        self._subject_area = 0.0

    @property
    def box(self) -> Box | None:
        """The ROI of the next frame; None before the first map, and after :meth:`forget`."""
        return self._box

    @property
    def last(self) -> RoiMap | None:
        """What :meth:`paste` got last, for :meth:`update_gain`; None before, and after :meth:`forget`."""
        return self._last

    def forget(self) -> None:
        """Discard the box."""
        self._box = self._last = None

    def see_everything(self) -> None:
        """Make the whole frame the ROI of the next frame."""
        self._set_box(Box(0, 0, self._size, self._size))

    def crop(self, image: Image) -> Image:
        """The ROI of a frame, as a view of the frame's memory.

        Args:
            image: ``(H, W, 3)`` uint8.
        """
        box, (height, width) = self._known_box(), image.shape[:2]
        rows = slice(round(box.top * height / self._size), round(box.bottom * height / self._size))
        columns = slice(round(box.left * width / self._size), round(box.right * width / self._size))
        return image[rows, columns]

    def paste(self, part: Alpha) -> Alpha:
        """Place the ROI's map in a map of the whole frame, corrected by the gain.

        ``g a / (1 - a + g a)`` is ``a`` with its odds multiplied by ``g``.

        Args:
            part: ``(P, P)`` float32 in [0, 1], computed from what :meth:`crop` returned.

        Returns:
            ``(S, S)`` float32 in [0, 1], 0 outside the box.
        """
        box = self._known_box()
        shape = (box.right - box.left, box.bottom - box.top)
        raw = np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_LINEAR), np.float32)
        self._last = RoiMap(box, raw)
        odds = raw * self._gain
        placed = np.zeros((self._size, self._size), np.float32)
        placed[box.cells] = np.clip(odds / (1 - raw + odds), 0, 1)  # division may exceed 1 in the last place
        return placed

    def is_doubtful(self, placed: Alpha) -> bool:
        """Whether a map contradicts its box: the subject touches the edge, or its area changed implausibly."""
        inside = placed[self._known_box().cells] >= 0.5
        box, size = self._known_box(), self._size
        area, slack = float(np.count_nonzero(inside)), AREA_SLACK_RATIO * size * size
        if not self._subject_area / MAX_AREA_CHANGE - slack <= area <= self._subject_area * MAX_AREA_CHANGE + slack:
            return True
        return bool(
            (box.left > 0 and inside[:, 0].any())
            or (box.right < size and inside[:, -1].any())
            or (box.top > 0 and inside[0].any())
            or (box.bottom < size and inside[-1].any())
        )

    def update_gain(self, roi: RoiMap, whole: Alpha) -> None:
        """Compare two maps of the same frame: that of its ROI then, and that of the whole frame.

        Args:
            roi: :attr:`last`, as it was for that frame.
            whole: ``(S, S)`` float32 in [0, 1].
        """
        part = whole[roi.box.cells]
        self._place_gain(roi.box, gain_between(roi.alpha, part, self._size, MAX_GAIN, wide_only=self._wide_only))

    def include(self, whole: Alpha) -> None:
        """Expand the box to the subject in a whole map of an earlier frame, where it may still be.

        Args:
            whole: ``(S, S)`` float32 in [0, 1].
        """
        subject, box = extent(whole), self._known_box()
        if subject is None or box.contains(around(subject, MARGIN_RATIO * self._size / 2, self._size)):
            return
        needed = around(subject, MARGIN_RATIO * self._size, self._size, min_side=self._roi_size)
        self._set_box(
            Box(
                min(box.left, needed.left),
                min(box.top, needed.top),
                max(box.right, needed.right),
                max(box.bottom, needed.bottom),
            )
        )

    def update_box(self, alpha: Alpha) -> None:
        """Choose the box for the next frame. The current one stays while it fits; without a subject, it is everything.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1], the best map of the last frame.
        """
        self._subject_area = float(np.count_nonzero(alpha >= 0.5))
        subject, last = extent(alpha), self._box
        if subject is None:
            needed = fitting = Box(0, 0, self._size, self._size)
        else:
            margin = MARGIN_RATIO * self._size
            needed = around(subject, margin, self._size, min_side=self._roi_size)
            fitting = around(subject, margin / 2, self._size)
        if last is not None and last.contains(fitting) and last.area <= MAX_EXCESS_AREA * needed.area:
            return
        self._set_box(needed)

    def _set_box(self, box: Box) -> None:
        """Change the box, and keep the gain where the old and the new one overlap."""
        last, gain = self._box, self._gain
        self._box, self._gain = box, np.ones((box.bottom - box.top, box.right - box.left), np.float32)
        if last is not None:
            self._place_gain(last, gain)

    def _place_gain(self, box: Box, gain: Alpha) -> None:
        """Take over the gain of another box where it overlaps with the current one."""
        whole, current = np.ones((self._size, self._size), np.float32), self._known_box()
        whole[current.cells] = self._gain
        whole[box.cells] = gain
        self._gain = whole[current.cells].copy()

    def _known_box(self) -> Box:
        assert self._box is not None, "there is no box before the first map"
        return self._box


def extent(alpha: Alpha) -> Box | None:
    """The smallest box around all cells of at least ``SUBJECT_ALPHA``; None if there are none."""
    subject = alpha >= SUBJECT_ALPHA
    columns, rows = np.flatnonzero(subject.any(axis=0)), np.flatnonzero(subject.any(axis=1))
    if len(rows) == 0:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def around(box: Box, margin: float, size: int, *, min_side: int = 1) -> Box:
    """Expand a box by a margin, snap it to the grid, and keep it inside a map of side ``size``.

    Args:
        box: in cells.
        margin: cells on each side.
        size: side of the map.
        min_side: the result has at least this many cells on each side.
    """
    left, right = _widen(box.left, box.right, margin, size, min_side)
    top, bottom = _widen(box.top, box.bottom, margin, size, min_side)
    return Box(left, top, right, bottom)


def _widen(low: int, high: int, margin: float, size: int, min_side: int) -> tuple[int, int]:
    missing = max(0.0, min_side - (high - low + 2 * margin)) / 2
    start = max(0.0, min(low - margin - missing, size - min_side))
    end = min(float(size), max(high + margin + missing, min_side))
    cell = size / GRID_CELLS
    return round(start // cell * cell), min(size, round(-(-end // cell) * cell))
