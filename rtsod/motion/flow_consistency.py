"""What the picture itself says about a carried mask: where motion was misjudged, and where background was uncovered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import ComposedFlow, Small, follow

_MISMATCH: Final = 20.0
"""Levels of 255, in the worst channel: a pixel that differs this much from where it is said to come from does not come
from there."""
LONGEST_STEP: Final = 8.0
"""Pixels of the small picture, 5 % of its width: what is said to have moved farther than this from one picture to the
next is not believed. The search does find more, now and then, but what it finds at the outline is wrong then. Measured:
.27 at most of a gesticulating person."""
_REACHES: Final = (17, 33)
"""Pixels of the small picture: how far around a pixel its neighbours' colours are asked. The nearer ones know a wrist
from the sleeve above it, the farther ones are there where motion has misjudged all that is near."""
_CLEARLY: Final = np.float32(3.0)
"""How many times nearer a pixel's colour must be to the background's than to the subject's around it."""
_SURE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far motion explains a picture."""

    mismatch: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: no such pixel was where motion says."""
    entered: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: it was beyond the edge of the picture, as motion says; part of ``mismatch``."""
    jumped: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: it moved farther from one picture to the next than motion is found reliably."""

    def explained(self, alpha: Alpha) -> float:
        """The share that motion explains of the picture or, if that is less, of what a mask takes for subject.

        Args:
            alpha: ``(HEIGHT, WIDTH)`` float32, the carried mask.
        """
        subject = alpha > 0.5
        everywhere = float(np.mean(self.mismatch))
        unknown = (self.mismatch | self.jumped)[subject]
        return 1.0 - max(everywhere, float(np.mean(unknown)) if unknown.size else 0.0)


def compare(new: Small, old: Small, way: ComposedFlow) -> Evidence:
    """Hold a picture against what it should be, by the motion from the old one."""
    flow = way.flow
    difference = cv2.absdiff(new.colour, follow(old.colour, flow))
    worst = cv2.max(cv2.max(difference[..., 0], difference[..., 1]), difference[..., 2])
    height, width = worst.shape
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    entered = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    mismatch = (np.asarray(cv2.blur(worst, (3, 3))) > _MISMATCH) | entered
    return Evidence(mismatch, entered, way.longest_step > LONGEST_STEP)


def uncovered(new: Small, alpha: Alpha, evidence: Evidence) -> Alpha:
    """Where a carried mask covers what has only now come into view behind the subject.

    Such a pixel was nowhere before, so motion takes it from the subject's rim. It is told by its colour, which is
    clearly nearer to that of the background around it than to that of the subject around it, and by lying at the
    background: a light print on a dark pullover does not. What came in over the edge of the picture was seen nowhere
    either; there the nearer colour decides.

    Args:
        new: the picture.
        alpha: ``(HEIGHT, WIDTH)`` float32, the carried mask.
        evidence: of the motion it was carried by.

    Returns:
        ``(HEIGHT, WIDTH)`` float32 in [0, 1]: 1 is to be background.
    """
    outside = alpha < _SURE
    doubtful = evidence.mismatch & ~outside
    rows, columns = np.flatnonzero(doubtful.any(axis=1)), np.flatnonzero(doubtful.any(axis=0))
    away = np.zeros_like(alpha)
    if not rows.size:
        return away
    margin = max(_REACHES) // 2 + 1
    part = (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )
    colour, asked = new.colour[part].astype(np.float32), doubtful[part]
    outside, known = outside[part], ~evidence.mismatch[part]
    to_background = _distance(colour, outside & known, asked)
    to_subject = _distance(colour, (alpha[part] > 1.0 - _SURE) & known, asked)
    clearly = np.where(evidence.entered[part][asked], np.float32(1.0), _CLEARLY)
    background = np.zeros_like(asked)
    background[asked] = clearly * to_background < to_subject
    _, labels = cv2.connectedComponents((background | outside).astype(np.uint8), connectivity=4)
    reached = np.zeros(int(labels.max()) + 1, np.bool_)
    reached[labels[outside]] = True
    away[part] = cv2.blur((background & reached[labels]).astype(np.float32), (3, 3))
    return away


def _distance(colour: NDArray[np.float32], where: NDArray[np.bool_], asked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far each pixel that is asked is from the nearest mean of those around it that are marked, in colour.

    Returns:
        ``(N,)`` in the order of ``colour[asked]``; infinite, where none are.
    """
    weight = where.astype(np.float32)
    weighted = cv2.merge([*cv2.split(colour * weight[..., None]), weight])
    own = colour[asked]
    nearest = np.full(own.shape[0], np.inf, np.float32)
    for reach in _REACHES:
        sums = cv2.blur(weighted, (reach, reach))[asked]
        total = sums[:, 3]
        mean = sums[:, :3] / np.maximum(total, 1e-6)[:, None]
        distance = np.abs(own - mean).sum(axis=1)
        nearest = np.where(total > 0.01, np.minimum(nearest, distance), nearest)
    return nearest
