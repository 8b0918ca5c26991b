"""Decides whether there is a subject at all: an empty room stays background."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.background_model import BackgroundMatch

_SIDE_PX: Final = 160
"""Side of the square map in which subjects are judged, in pixels. The other pixel counts here refer to it."""
_CORE_ALPHA, _DOUBT_ALPHA = 0.8, 0.2
"""Above the first alpha the network is sure and a pixel is core; between the two it doubts."""
_REACH_PX: Final = 8
"""What lies this near to a core is judged and shown with it: hair, fingers, a mug."""
_APPEAR_SHARE, _STAY_SHARE = 0.7, 0.62
"""Share of core pixels among those above ``_DOUBT_ALPHA``, for a candidate to become a subject and to stay one.
Measured: people .81 to .97, bottles from .77, furniture of empty rooms up to .60."""
_COVERING_SHARE: Final = 0.4
"""The same for a candidate that covers known background, so it has certainly come."""
_MAJORITY_SHARE: Final = 0.5
"""Share of a core's pixels that must match the known background, or cover it, for the whole core to count so."""
_MIN_CORE_SHARE: Final = 0.002
"""Share of the map. A smaller core is a speck."""


class PresenceGate:
    """Lets subjects pass, and nothing else. Not thread-safe.

    When a network takes a shelf or a curtain for a subject, it is half sure everywhere. Of a real subject it is sure
    inside and doubtful at the rim. So each candidate, a core with its surroundings, is judged by its share of core
    pixels, again on every mask. Where a subject was shown before, a candidate needs a smaller share, and is rejected
    only when two masks in a row fail, because the network doubts while a camera pans.
    """

    def __init__(self) -> None:
        self._shown = self._forgiven = np.zeros((_SIDE_PX, _SIDE_PX), np.bool_)
        """Cores that passed with the mask before, and those of them that failed but were forgiven."""

    def apply(self, alpha: Alpha, match: BackgroundMatch) -> Alpha:
        """Set everything that is no subject to 0.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1].
            match: the frame compared with the background model.

        Returns:
            ``(S, S)`` float32, nowhere more than ``alpha``.
        """
        downscaled = np.asarray(cv2.resize(alpha, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), np.float32)
        core = downscaled > _CORE_ALPHA
        surroundings = cv2.dilate(core.astype(np.uint8), np.ones((2 * _REACH_PX + 1, 2 * _REACH_PX + 1), np.uint8))
        # From here on one value per candidate. Candidate 0 is what lies near no core.
        count, labels = cv2.connectedComponents(surroundings)
        core_area = np.bincount(labels[core], minlength=count)
        area = np.bincount(labels[downscaled > _DOUBT_ALPHA], minlength=count)
        shown_before, forgiven_before = (
            np.bincount(labels[core & where], minlength=count) > 0 for where in (self._shown, self._forgiven)
        )
        is_background, is_covering = (
            np.bincount(labels[core & _at_map_size(where)], minlength=count) > _MAJORITY_SHARE * core_area
            for where in (match.background, match.covered)
        )
        core_share = core_area / np.maximum(area, 1)
        needed_share = np.where(is_covering, _COVERING_SHARE, np.where(shown_before, _STAY_SHARE, _APPEAR_SHARE))
        eligible = (core_area >= _MIN_CORE_SHARE * _SIDE_PX**2) & ~is_background
        passes = eligible & (core_share >= needed_share)
        forgiven = eligible & shown_before & ~passes & ~forgiven_before
        passes |= forgiven
        passes[0] = forgiven[0] = False
        self._shown, self._forgiven = (which[labels] & core for which in (passes, forgiven))
        weight = cv2.blur(passes[labels].astype(np.float32), (3, 3))
        return np.asarray(alpha * cv2.resize(weight, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _at_map_size(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    size = (_SIDE_PX, _SIDE_PX)
    return np.asarray(cv2.resize(where.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0, np.bool_)
