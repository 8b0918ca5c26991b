"""What of a room is known to be background, from what stood still there and was no subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.motion.flow import HEIGHT, WIDTH, Small, coarse
from rtsod.motion.smooth import change

_PLAINLY_NOT: Final = 0.1
"""What the network gives less is no subject."""
_LEARNT_AFTER: Final = 2.0
"""Seconds in which a place stands still and is plainly no subject."""
_MINDED_AFTER: Final = 5.0
"""The same, where it was one: the network changed its mind, and may be wrong now about somebody who sits still."""
_MISTAKEN_FOR: Final = 1.0
"""Seconds for which a place that is thought to be background is shown with a subject that has come, until it is not
thought so any more."""
_SHOWN: Final = 0.5
_ANOTHER: Final = 9
"""Levels of 255 by which a place looks different."""
_ALL: Final = 0.6
"""Of what is known: when more of it looks different, nobody has come; the light or the camera has changed."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about the places of one picture."""

    ground: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: it is background."""
    covered: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: something else than the background is there."""


class Ground:
    """Learns what the places of a room look like with nobody before them. For one thread.

    What a network takes for the subject depends on what else there is: with nobody there it is the shelf. But a place
    that looks as it did when it was background still is background; nothing has come.
    """

    def __init__(self) -> None:
        self._known = np.zeros((HEIGHT, WIDTH), np.bool_)
        self._looks = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self._seen: Image | None = None
        """What has stood still at each place since ``_since``: to be learnt."""
        self._since = np.zeros((HEIGHT, WIDTH))
        self._shown_for = np.zeros((HEIGHT, WIDTH), np.float32)
        self._at = -np.inf

    def among(self, picture: Small) -> Known:
        """What of a picture is background, and what has come before it."""
        like = change(picture.colour, self._looks) < _ANOTHER
        ground, covered = self._known & like, self._known & ~like
        if np.count_nonzero(covered) > _ALL * np.count_nonzero(self._known):
            covered[:] = False
        return Known(ground, covered)

    def learn(self, known: Known, alpha: Alpha, shown: Alpha, picture: Small, at: float) -> None:
        """Learn from a mask.

        Args:
            known: of the picture, before this.
            alpha: ``(S, S)`` float32 in [0, 1], as the network says.
            shown: the same, what is made of it.
            picture: what it was computed from.
            at: when that was, seconds.
        """
        colour = picture.colour
        if self._seen is None or at < self._at:
            self._seen, self._since[:] = colour.copy(), at
            self._known[:], self._shown_for[:], self._at = False, 0, at
        still = change(colour, self._seen) < _ANOTHER
        subject = coarse(alpha) >= _PLAINLY_NOT
        self._since[subject] = at + _MINDED_AFTER - _LEARNT_AFTER
        self._since[~still] = at
        self._seen[~still] = colour[~still]
        learnt = ~subject & still & (at - self._since >= _LEARNT_AFTER)
        self._looks[learnt] = self._seen[learnt]
        self._known |= learnt
        mistaken = (coarse(shown) > _SHOWN) & known.ground
        self._shown_for = np.where(mistaken, self._shown_for + np.float32(at - self._at), np.float32(0))
        self._known &= self._shown_for < _MISTAKEN_FOR
        self._at = at
