"""Where the subject is, so that the network need not look at the whole frame each time.

The network sees the subject's box, with some margin, at a smaller size than the whole frame; now and then it sees the
whole frame again. What is salient depends on what else is in sight, so the two differ where the network is in doubt:
the ratio of their odds, taken whenever both have seen the same frame, corrects the parts that follow.

Fail closed: outside of the box alpha is 0, and so it is wherever this very frame's inference says 0, since odds are
only multiplied, and by a bounded factor. Nothing is shown because of an older mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

SUBJECT: Final = 0.3
"""Alpha from which a cell belongs to what the box must hold."""
MARGIN: Final = 1 / 32
"""Of the frame's side, around the subject: it moves until the next frame, and the network needs its surroundings."""
GRID: Final = 40
"""Boxes lie on this many columns and rows, whole pixels in the usual frame sizes: so they rarely change, and what was
learned of a box stays true of it."""
ROOM: Final = 1.3
"""A box that has more than so many times the area it needs is drawn closer."""
MOST_GAIN: Final = 20.0
"""The odds of a cell are corrected by no more than this factor, up or down."""
JUMP: Final = 1.4
"""A subject does not grow or shrink by more than this factor from one frame to the next ..."""
SLACK: Final = 0.002
"""... and so much of the frame: the small ones flicker."""
_BLUR: Final = 1 / 160
"""Of the frame's side, standard deviation: the difference is one of areas; its details belong to one frame."""
_SURE: Final = 1e-3
"""Alpha nearer to 0 or 1 than this is as good as 0 or 1 when odds are compared."""


@dataclass(frozen=True, slots=True)
class Box:
    """Cells of a map: columns from ``left`` to before ``right``, rows from ``top`` to before ``bottom``."""

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

    def holds(self, other: Box) -> bool:
        """Whether the other lies in it."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


class Region:
    """The subject's box, and what is known of the difference between seeing it alone and seeing the whole frame.

    Args:
        size: S, of the maps of the whole frame.
        part: P, of the maps of the box; no box is smaller, so that the subject is never magnified.
    """

    def __init__(self, size: int, part: int) -> None:
        self._size = size
        self._part = part
        self._box: Box | None = None
        self._raw = self._gain = np.empty((0, 0), np.float32)
        self._subject = 0.0

    @property
    def box(self) -> Box | None:
        """Where to look; None before the first map, and after :meth:`forget`."""
        return self._box

    def forget(self) -> None:
        """Know nothing any more."""
        self._box = None

    def cut(self, image: Image) -> Image:
        """The part of a frame to look at; shares the frame's memory.

        Args:
            image: ``(H, W, 3)`` uint8.
        """
        box, (height, width) = self._known_box(), image.shape[:2]
        rows = slice(round(box.top * height / self._size), round(box.bottom * height / self._size))
        columns = slice(round(box.left * width / self._size), round(box.right * width / self._size))
        return image[rows, columns]

    def place(self, part: Alpha) -> Alpha:
        """The part's map in its place, corrected by what was learned.

        ``g a / (1 - a + g a)`` is ``a`` at ``g`` times its odds.

        Args:
            part: ``(P, P)`` float32 in [0, 1], of what :meth:`cut` gave.

        Returns:
            ``(S, S)`` float32 in [0, 1], 0 outside of the box.
        """
        box = self._known_box()
        shape = (box.right - box.left, box.bottom - box.top)
        self._raw = np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_LINEAR), np.float32)
        odds = self._raw * self._gain
        placed = np.zeros((self._size, self._size), np.float32)
        placed[box.cells] = np.clip(odds / (1 - self._raw + odds), 0, 1)  # division may step over 1 by a last place
        return placed

    def is_doubtful(self, placed: Alpha) -> bool:
        """Whether the map speaks against its box: the subject is cut off by it, or grew or shrank beyond belief."""
        inside = placed[self._known_box().cells] >= 0.5
        box, size = self._known_box(), self._size
        subject, slack = float(np.count_nonzero(inside)), SLACK * size * size
        if not self._subject / JUMP - slack <= subject <= self._subject * JUMP + slack:
            return True
        return bool(
            (box.left > 0 and inside[:, 0].any())
            or (box.right < size and inside[:, -1].any())
            or (box.top > 0 and inside[0].any())
            or (box.bottom < size and inside[-1].any())
        )

    def learn(self, whole: Alpha) -> None:
        """Compare the last part's map with the whole map of the same frame.

        Args:
            whole: ``(S, S)`` float32 in [0, 1].
        """
        difference = _log_odds(whole[self._known_box().cells]) - _log_odds(self._raw)
        smooth = cv2.GaussianBlur(difference, (0, 0), _BLUR * self._size)
        limit = float(np.log(MOST_GAIN))
        self._gain = np.exp(np.clip(smooth, -limit, limit), dtype=np.float32)

    def follow(self, alpha: Alpha) -> None:
        """Choose the box for the next frame: the last one as long as it fits; without a subject, everywhere.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1], the best map of the last frame.
        """
        self._subject = float(np.count_nonzero(alpha >= 0.5))
        subject, last = extent(alpha), self._box
        if subject is None:
            needed = fitting = Box(0, 0, self._size, self._size)
        else:
            margin = MARGIN * self._size
            needed = around(subject, margin, self._size, least=self._part)
            fitting = around(subject, margin / 2, self._size)
        if last is not None and last.holds(fitting) and last.area <= ROOM * needed.area:
            return
        self._box = needed
        self._move_gain(last, needed)

    def _move_gain(self, last: Box | None, box: Box) -> None:
        """What was learned goes on where the boxes overlap."""
        whole = np.ones((self._size, self._size), np.float32)
        if last is not None:
            whole[last.cells] = self._gain
        self._gain = whole[box.cells].copy()

    def _known_box(self) -> Box:
        assert self._box is not None, "there is no box before the first map"
        return self._box


def extent(alpha: Alpha) -> Box | None:
    """The smallest box around every cell of at least ``SUBJECT``; None if there is none."""
    there = alpha >= SUBJECT
    columns, rows = np.flatnonzero(there.any(axis=0)), np.flatnonzero(there.any(axis=1))
    if len(rows) == 0:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def around(box: Box, margin: float, size: int, *, least: int = 1) -> Box:
    """A box with room on all sides, on the grid, within a map of ``size``, each side at least ``least`` cells."""
    left, right = _widened(box.left, box.right, margin, size, least)
    top, bottom = _widened(box.top, box.bottom, margin, size, least)
    return Box(left, top, right, bottom)


def _widened(low: int, high: int, margin: float, size: int, least: int) -> tuple[int, int]:
    missing = max(0.0, least - (high - low + 2 * margin)) / 2
    start = max(0.0, min(low - margin - missing, size - least))
    end = min(float(size), max(high + margin + missing, least))
    cell = size / GRID
    return round(start // cell * cell), min(size, round(-(-end // cell) * cell))


def _log_odds(alpha: Alpha) -> Alpha:
    sure = np.clip(alpha, _SURE, 1 - _SURE)
    return np.asarray(np.log(sure / (1 - sure)), np.float32)
