"""Whether a network is out of its depth: judged by how far its masks agree with those of another one, its teacher."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.imaging.iou import THRESHOLD

DEFAULT_THRESHOLD: Final = 0.95
"""Agreement below which a network is suspected, where its card gives no threshold of its own. Measured with a network
that was trained for five minutes on one person in one room, and lite as its teacher: .963 is the lowest of 144 frames
that it knows, .90 to .94 those of a person whom it gets wrong, .35 to .91 most other rooms, .52 half of the light."""
LOWEST_THRESHOLD: Final = 0.8
"""No card's threshold is made lower: in most other rooms a small network agrees less than this."""
CONFIRMING_LOOKS: Final = 2
"""So many looks in a row must disagree: one alone may be a frame that is blurred by motion."""
RETURN_SHARE: Final = 1 / 3
"""How far above the threshold masks must agree before the network is trusted again, as a share of the way to full
agreement: the hysteresis."""
RETURN_LOOKS: Final = 3
"""So many looks in a row must agree before the network is trusted again ..."""
MAX_RETURN_LOOKS: Final = 48
"""... and twice as many after each relapse, up to this number: a scene between the thresholds would make the picture
change to and fro."""
PROBATION_LOOKS: Final = 30
"""A network that is doubted again within so many looks has relapsed."""
FORGIVEN_SHARE: Final = 1 / 40
"""Differences narrower than this share of the map's side are forgiven within this distance of the other map's subject:
outlines differ by a cell or two between any two networks, while a thing that one of them overlooks is wide, or stands
out."""
SMALLEST_AREA_SHARE: Final = 0.005
"""Of the frame. A smaller subject counts as this large, so that a speck that only one network sees is no disagreement
about everything."""


class Trust(Enum):
    """What is known of a network."""

    TRUSTED = "trusted"
    SUSPECTED = "suspected"
    """It disagreed, which is not confirmed yet."""
    DOUBTED = "doubted"
    """It is known to be out of its depth."""


def agreement(one: Alpha, other: Alpha) -> float:
    """How far two networks agree about a frame: their maps' IoU, apart from differences along the outlines.

    What differs is opened morphologically, which leaves what is wide. What is thin counts where it is far from the
    other subject. Their area is taken as a share of the union.

    Args:
        one: ``(S, S)`` float32 in [0, 1].
        other: the same, of any size; the larger map is scaled down.

    Returns:
        0 to 1; 1 where nothing differs but along the outlines.
    """
    size = min(len(one), len(other))
    a, b = (_scaled(alpha, size) > THRESHOLD for alpha in (one, other))
    width = max(1, round(FORGIVEN_SHARE * size))
    wide = cv2.morphologyEx((a ^ b).astype(np.uint8), cv2.MORPH_OPEN, np.ones((width, width), np.uint8)) > 0
    thin = ((a & ~_near(b, width)) | (b & ~_near(a, width))) & ~_near(wide, 1)  # an even opening moves by a cell
    different = wide | thin
    union = max(float(np.count_nonzero(a | b)), SMALLEST_AREA_SHARE * size * size)
    return max(0.0, 1.0 - np.count_nonzero(different) / union)


def threshold_for(agreements: Sequence[float]) -> float:
    """The threshold of a network that was taught to differ from its teacher: lower by as much as it should differ.

    Args:
        agreements: between what it was taught and its teacher's maps, frame by frame.
    """
    usual = float(np.percentile(agreements, 5)) if len(agreements) else 1.0
    return max(LOWEST_THRESHOLD, DEFAULT_THRESHOLD - (1 - usual))


class Doubt:
    """Decides whether a network is trusted, look by look. Not thread-safe.

    Args:
        threshold: agreement below which the network is suspected, more than 0 and less than 1.
    """

    def __init__(self, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._suspect_below = threshold
        self._trust_from = threshold + RETURN_SHARE * (1 - threshold)
        self._trust = Trust.TRUSTED
        self._in_a_row = 0
        """Looks in a row that speak for a change."""
        self._return_looks = RETURN_LOOKS
        self._looks_since_return: int | None = None

    @property
    def trust(self) -> Trust:
        """What is known of the network now."""
        return self._trust

    def agrees(self, agreed: float) -> bool:
        """Whether a look speaks for the network: it agreed as far as is needed to keep trust, or to regain it."""
        return agreed >= (self._trust_from if self._trust is Trust.DOUBTED else self._suspect_below)

    def record(self, agreed: float) -> Trust:
        """Take one look into account: how far the network agreed with its teacher, 0 to 1. Returns :attr:`trust`."""
        if self._looks_since_return is not None:
            self._looks_since_return += 1
            if self._looks_since_return > PROBATION_LOOKS:
                self._looks_since_return, self._return_looks = None, RETURN_LOOKS
        if self._trust is Trust.DOUBTED:
            self._in_a_row = self._in_a_row + 1 if agreed >= self._trust_from else 0
            if self._in_a_row >= self._return_looks:
                self._trust, self._in_a_row, self._looks_since_return = Trust.TRUSTED, 0, 0
            return self._trust
        self._in_a_row = self._in_a_row + 1 if agreed < self._suspect_below else 0
        if self._in_a_row >= CONFIRMING_LOOKS:
            self.confirm()
        else:
            self._trust = Trust.SUSPECTED if self._in_a_row else Trust.TRUSTED
        return self._trust

    def confirm(self) -> None:
        """Doubt the network from now on, because it disagreed and nobody can look again."""
        if self._looks_since_return is not None:
            self._return_looks, self._looks_since_return = min(2 * self._return_looks, MAX_RETURN_LOOKS), None
        self._trust, self._in_a_row = Trust.DOUBTED, 0


def _near(subject: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """The subject, and what is within a number of cells of it."""
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    return np.asarray(cv2.dilate(subject.astype(np.uint8), kernel) > 0)


def _scaled(alpha: Alpha, size: int) -> Alpha:
    if len(alpha) == size:
        return alpha
    return np.asarray(cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA), np.float32)
