"""Keeping to one subject, whoever else comes into the picture."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import HEIGHT, WIDTH, ComposedFlow, FlowSearch, Small, coarse, follow
from rtsod.motion.flow_consistency import compare

Region = NDArray[np.bool_]
"""``(HEIGHT, WIDTH)``: some pixels of the small picture."""

_SOLID: Final = 0.5
_PATIENCE: Final = 1.0
"""Seconds after which a subject that is gone is given up and the largest one there is becomes the subject."""
_COMING: Final = 1.0
"""Seconds in which a subject may come into the picture: whatever joins it then is part of it."""
_ABOUT: Final = 3.0
"""Seconds for which somebody who was at the subject is expected to show again beside it."""
_PART: Final = 0.06
"""Of the subject: what joins it at once, is larger and reaches farther than ``_REACH`` is no hand that the network had
missed."""
_ON_TRIAL: Final = 1.0
"""Seconds for which what has joined the subject is judged anew with what joins it next: somebody comes bit by bit."""
_REACH: Final = 10
"""Pixels of the small picture."""
_AT: Final = 7
"""Pixels, the side of a square: what lies nearer than its half to a region is at it."""
_SPECK: Final = 12
"""Pixels: smaller pieces are motion misjudged."""
_SOMEBODY: Final = 0.04
"""Of the subject: smaller regions are nobody, but pieces of somebody."""
_PIECE: Final = 0.05
_PIECE_STAYS: Final = 0.6
"""Of the subject, and seconds: a piece at the subject that stays so small for so long is the subject's. Somebody who
comes out from behind has grown by then, or gone."""
_TOUCHING: Final = np.ones((3, 3), np.uint8)


class SubjectLock:
    """Shows the subject that was there first. For one thread.

    Each pixel of a mask has a name, subject or other, which goes along with what it shows, by optical flow, also while
    the network does not see it. So who walks past behind is cut off where he was seen apart before. What has no name is
    given one in pieces. It is the subject's where the subject was already: others are behind it. Beyond, it is the
    subject's unless it is too much, at once or bit by bit, or somebody was at the subject just now, who may be coming
    out.
    """

    def __init__(self) -> None:
        self._search = FlowSearch()
        self._picture: Small | None = None
        self._subject = self._others = np.zeros((HEIGHT, WIDTH), np.bool_)
        self._names = np.zeros((HEIGHT, WIDTH, 2), np.float32)
        """1 in the first for the subject, in the second for others."""
        self._small_for = np.zeros((HEIGHT, WIDTH), np.float32)
        """Seconds for which others have been small pieces at the subject."""
        self._on_trial = np.zeros((HEIGHT, WIDTH), np.float32)
        """Seconds for which what has joined the subject may still turn out to be somebody."""
        self._at = self._seen_at = self._somebody_at = -np.inf
        self._since = 0.0

    def keep(self, alpha: Alpha, picture: Small, at: float) -> Alpha:
        """The map without the others.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1].
            picture: what it was computed from.
            at: when that was, seconds.

        Returns:
            Like ``alpha``, nowhere more.
        """
        solid = coarse(alpha) > _SOLID
        if self._picture is None or not abs(at - self._seen_at) <= _PATIENCE:
            self._subject = _largest(solid)
            self._others = solid & ~self._subject
            self._names[:], self._small_for[:], self._on_trial[:] = 0, 0, 0
            self._since, self._somebody_at = at, -np.inf
        else:
            self._follow(picture, self._picture)
            self._name(solid, at)
        self._names[solid] = 0
        self._names[self._subject, 0] = self._names[self._others, 1] = 1
        self._picture, self._at = picture, at
        if self._subject.any():
            self._seen_at = at
        if not self._others.any():
            return alpha
        mine = (_distance(self._subject) < _distance(self._others)).astype(np.float32)
        weight = cv2.resize(cv2.blur(mine, (3, 3)), alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(alpha * weight, np.float32)

    def _follow(self, new: Small, old: Small) -> None:
        flow = self._search.back(new, old)
        known = ~compare(new, old, ComposedFlow.step(flow)).mismatch
        self._names = follow(self._names, flow) * known[..., None]
        self._small_for, self._on_trial = (
            follow(seconds, flow) * known for seconds in (self._small_for, self._on_trial)
        )

    def _name(self, solid: Region, at: float) -> None:
        """Divide ``solid`` into the subject and the others."""
        of_subject, of_others = (self._names[..., index] for index in (0, 1))
        was = self._subject
        others = solid & (of_others > _SOLID) & (of_others > of_subject)
        subject = solid & ~others & (was | (of_subject > _SOLID))
        unnamed = solid & ~subject & ~others
        self._on_trial -= np.float32(max(at - self._at, 0))
        judged = unnamed if at - self._somebody_at < _ABOUT else unnamed | (subject & (self._on_trial > 0))
        self._others = others | self._of_others(judged, subject & ~judged, others, at)
        self._subject = solid & ~self._others
        if at - self._since >= _COMING:
            self._on_trial[unnamed] = _ON_TRIAL
        self._on_trial[~self._subject] = 0
        self._tidy()
        self._give_back(at)
        size, piece = _pieces(self._others)
        if (size[np.unique(piece[self._others & _near(self._subject, _AT)])] > _SOMEBODY * self._subject.sum()).any():
            self._somebody_at = at

    def _of_others(self, unnamed: Region, subject: Region, others: Region, at: float) -> Region:
        """Which pieces of what has no name are not the subject's."""
        size, piece = _pieces(unnamed)
        at_subject, at_others = (_touched(piece, size.size, _near(region, _AT)) for region in (subject, others))
        far = _distance(subject)
        reaches = _touched(piece, size.size, far > _REACH)
        if at - self._since < _COMING:
            too_much = np.zeros(size.size, np.bool_)
        elif at - self._somebody_at < _ABOUT:
            too_much = at_others | (size >= _SPECK)
        else:
            too_much = (size > _PART * subject.sum()) & reaches
        nearer = at_others[piece] & (_distance(others) < far)
        return unnamed & ((~at_subject | too_much)[piece] | nearer)

    def _tidy(self) -> None:
        """Who is behind the subject has no pieces within it, and it has none within them."""
        size, piece = _pieces(self._others)
        outside = ~(self._subject | self._others)
        outside[[0, -1]] = outside[:, [0, -1]] = True
        opened = cv2.morphologyEx(self._others.astype(np.uint8), cv2.MORPH_OPEN, _TOUCHING)
        thin = np.bincount(piece[opened > 0], minlength=size.size) < _SPECK
        enclosed = ~_touched(piece, size.size, _near(outside, 3))
        self._move_to_subject((thin | enclosed) & _touched(piece, size.size, _near(self._subject, 3)), piece)
        size, piece = _pieces(self._subject)
        away = _touched(piece, size.size, _near(self._others, 3))
        away[0] = away[np.argmax(size)] = False
        self._subject, self._others = self._subject & ~away[piece], self._others | away[piece]

    def _give_back(self, at: float) -> None:
        """What was taken from the subject by mistake."""
        size, piece = _pieces(self._others)
        small = (size < _PIECE * self._subject.sum()) & _touched(piece, size.size, _near(self._subject, 3))
        small[0] = False
        self._small_for = np.where(small[piece], self._small_for + np.float32(max(at - self._at, 0)), np.float32(0))
        age = np.bincount(piece.ravel(), self._small_for.ravel(), minlength=size.size) / np.maximum(size, 1)
        self._move_to_subject(small & (age > _PIECE_STAYS), piece)

    def _move_to_subject(self, which: NDArray[np.bool_], piece: NDArray[np.int32]) -> None:
        moved = self._others & which[piece]
        self._subject, self._others = self._subject | moved, self._others & ~moved


def _pieces(region: Region) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The sizes of the pieces of a region, the first of them none, and the number of each pixel's."""
    count, piece = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    size = np.bincount(piece.ravel(), minlength=count)
    size[0] = 0
    return size, np.asarray(piece, np.int32)


def _touched(piece: NDArray[np.int32], count: int, region: Region) -> NDArray[np.bool_]:
    """Which pieces have pixels in a region."""
    return np.bincount(piece[region], minlength=count) > 0


def _near(region: Region, side: int) -> Region:
    return np.asarray(cv2.dilate(region.astype(np.uint8), np.ones((side, side), np.uint8)) > 0, np.bool_)


def _largest(solid: Region) -> Region:
    size, piece = _pieces(solid)
    return np.asarray(solid & (piece == np.argmax(size)), np.bool_)


def _distance(region: Region) -> NDArray[np.float32]:
    """Of each pixel from a region, in pixels; infinitely far where there is none."""
    if not region.any():
        return np.full(region.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 3), np.float32)
