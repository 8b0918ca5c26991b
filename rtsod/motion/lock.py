"""Keeping to one subject, whoever else comes into the picture."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.motion.flow import HEIGHT, WIDTH, FlowSearch, Small, follow
from rtsod.types import Alpha

_SOLID: Final = 0.5
_PATIENCE: Final = 1.0
"""Seconds after which a subject that is gone is given up and the largest one there is becomes the subject."""
_STRAY: Final = 0.1
"""A share of a region that carries the other name: less is motion misjudged."""


class SubjectLock:
    """Shows the subject that was there first. For one thread.

    Each region of a mask has a name, subject or other, which goes along with it by optical flow. A region that comes
    from nowhere is another. Where two regions melt together, each pixel takes the name of the nearest that had one: so
    who walks past behind is cut off where they were seen apart before. Who was hidden completely comes out as a part of
    the subject, until the two are apart: the subject is always in one piece.
    """

    def __init__(self) -> None:
        self._search = FlowSearch()
        self._picture: Small | None = None
        self._subject = np.zeros((HEIGHT, WIDTH), np.bool_)
        self._others = np.zeros((HEIGHT, WIDTH), np.bool_)
        self._seen_at = -np.inf

    def keep(self, alpha: Alpha, picture: Small, at: float) -> Alpha:
        """The map without the others.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1].
            picture: what it was computed from.
            at: when that was, seconds.

        Returns:
            Like ``alpha``, nowhere more.
        """
        solid = np.asarray(cv2.resize(alpha, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)) > _SOLID
        if self._picture is None or not abs(at - self._seen_at) <= _PATIENCE:
            self._subject = _largest(solid)
            self._others = solid & ~self._subject
        else:
            flow = self._search.back(picture, self._picture)
            was_subject, was_other = (
                follow(region.astype(np.float32), flow) > 0.5 for region in (self._subject, self._others)
            )
            self._subject, self._others = _named(solid, was_subject, was_other)
        self._picture = picture
        if self._subject.any():
            self._seen_at = at
        if not self._others.any():
            return alpha
        mine = (_distance(self._subject) < _distance(self._others)).astype(np.float32)
        weight = cv2.resize(cv2.blur(mine, (3, 3)), alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(alpha * weight, np.float32)


def _named(
    solid: NDArray[np.bool_], subject: NDArray[np.bool_], others: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Each region of ``solid`` by the names that its pixels had."""
    count, labels = cv2.connectedComponents(solid.astype(np.uint8))
    of_subject = np.bincount(labels[solid & subject], minlength=count)
    of_others = np.bincount(labels[solid & others], minlength=count)
    total = np.maximum(of_subject + of_others, 1)
    subject = subject & (of_subject > _STRAY * total)[labels]
    others = others & (of_others > _STRAY * total)[labels]
    of_subject[0] = 0
    theirs = np.arange(count) != int(np.argmax(of_subject))  # the regions without the subject's main part
    nearer = solid & ~theirs[labels] & (_distance(subject & solid) <= _distance(others & solid))
    return nearer, solid & ~nearer


def _largest(solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8))
    if count < 2:
        return solid
    return np.asarray(labels == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA])), np.bool_)


def _distance(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Of each pixel from a region, in pixels; infinitely far where there is none."""
    if not region.any():
        return np.full(region.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 3), np.float32)
