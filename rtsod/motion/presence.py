"""Whether there is a subject at all: an empty room stays background."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.background_model import Known

_SIDE: Final = 160
"""Pixels of the map that is judged."""
_CORE, _DOUBT = 0.8, 0.2
"""Above the first the network is sure; between the two it doubts."""
_REACH: Final = 8
"""Pixels: what lies this near to a core belongs to it, and is shown with it: hair, fingers, a mug."""
_APPEARS, _STAYS = 0.7, 0.62
"""The share of core in what is not plainly background, to be taken for a subject, and to stay one. Measured: people .81
to .97, bottles from .77, furniture of empty rooms up to .60."""
_CAME: Final = 0.4
"""The same, for what plainly has come before a background that is known."""
_MOST: Final = 0.5
"""The share of a core that lies on known background, or covers it, so that all of it does."""
_LEAST: Final = 0.002
"""Of the picture: a smaller core is a speck."""


class Presence:
    """Lets subjects pass, and nothing else. For one thread.

    What the network finds where there is nothing to find is half sure of itself all over: a shelf, a curtain. A subject
    is sure within and doubtful at its rim. So each core is judged with its surroundings, on every mask anew; one that
    lies where a subject was is judged more mildly, and forgiven one mask: a camera that pans makes the network doubt.
    """

    def __init__(self) -> None:
        self._shown = self._forgiven = np.zeros((_SIDE, _SIDE), np.bool_)

    def gate(self, alpha: Alpha, known: Known) -> Alpha:
        """The map without what is no subject.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1].
            known: of the picture.

        Returns:
            Like ``alpha``, nowhere more; ``alpha`` itself where nothing is taken away.
        """
        small = np.asarray(cv2.resize(alpha, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)
        core = small > _CORE
        near = cv2.dilate(core.astype(np.uint8), np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8))
        count, labels = cv2.connectedComponents(near)
        cores = np.bincount(labels[core], minlength=count)
        doubts = np.bincount(labels[small > _DOUBT], minlength=count)
        before, again = (
            np.bincount(labels[core & seen], minlength=count) > 0 for seen in (self._shown, self._forgiven)
        )
        share = cores / np.maximum(doubts, 1)
        ground, covering = (
            np.bincount(labels[core & _sized(where)], minlength=count) > _MOST * cores
            for where in (known.ground, known.covered)
        )
        large = cores >= _LEAST * _SIDE**2
        passes = large & ~ground & (share >= np.where(covering, _CAME, np.where(before, _STAYS, _APPEARS)))
        forgiven = large & ~ground & before & ~passes & ~again
        passes |= forgiven
        passes[0] = forgiven[0] = False  # what is near no core
        self._shown, self._forgiven = (which[labels] & core for which in (passes, forgiven))
        weight = cv2.blur(passes[labels].astype(np.float32), (3, 3))
        return np.asarray(alpha * cv2.resize(weight, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _sized(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(cv2.resize(where.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST) > 0, np.bool_)
