"""Checks a propagated mask against the frame: where the flow is wrong, and where background has come into view.

The test is photometric: a pixel must look like the place that the flow says it came from. Comparing forward with
backward flow instead was measured and is worse: it cuts off more of the subject and costs a second search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import ComposedFlow, DownscaledFrame, warp

_MISMATCH_LEVELS: Final = 20.0
"""Difference in the worst channel, in levels of 255, above which a pixel is not the one that the flow says it is."""
MAX_STEP_PX: Final = 8.0
"""Longest believable displacement between two successive frames, in pixels of the downscaled frame: 5 % of its width.
The search sometimes finds longer ones, but is wrong at their outline. Measured: of a gesticulating person at most .27
move farther."""
_WINDOWS_PX: Final = (17, 33)
"""Sides of the square windows around a pixel in which colours are averaged, in pixels of the downscaled frame. The
smaller one tells a wrist from the sleeve above it; the larger one reaches beyond an area where all flow is wrong."""
_BACKGROUND_PREFERENCE: Final = np.float32(3.0)
"""How many times nearer to the mean colour of the background than to the subject's a pixel must be to be background."""
_SURE_ALPHA: Final = 0.1
"""Below this alpha a pixel is background, above 1 minus this it is subject."""


@dataclass(frozen=True, slots=True)
class FlowConsistency:
    """How far a flow explains a frame."""

    mismatch: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: the pixel does not look like the place that the flow points to, or that place does not
    exist."""
    entered: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: the flow points beyond the edge of the earlier frame; a subset of ``mismatch``."""
    too_fast: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: the pixel moved farther than ``MAX_STEP_PX`` between two successive frames."""

    def explained_share(self, alpha: Alpha) -> float:
        """The share of the frame, or of the subject if that is less, that the flow explains.

        Args:
            alpha: ``(HEIGHT, WIDTH)`` float32, the propagated mask.

        Returns:
            A share from 0 to 1. Pixels that moved too fast count as unexplained within the subject only.
        """
        subject = alpha > 0.5
        unexplained_share = float(np.mean(self.mismatch))
        unexplained_subject = (self.mismatch | self.too_fast)[subject]
        return 1.0 - max(unexplained_share, float(np.mean(unexplained_subject)) if unexplained_subject.size else 0.0)


def check_consistency(new: DownscaledFrame, old: DownscaledFrame, composed: ComposedFlow) -> FlowConsistency:
    """Compare a frame with the earlier frame warped along the flow between the two.

    Args:
        new: the frame in which ``composed`` starts.
        old: the frame that ``composed`` points to.
        composed: the flow.
    """
    flow = composed.flow
    difference = cv2.absdiff(new.colour, warp(old.colour, flow))
    worst = cv2.max(cv2.max(difference[..., 0], difference[..., 1]), difference[..., 2])
    height, width = worst.shape
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    entered = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    mismatch = (np.asarray(cv2.blur(worst, (3, 3))) > _MISMATCH_LEVELS) | entered
    return FlowConsistency(mismatch, entered, composed.max_step_px > MAX_STEP_PX)


def find_disoccluded(new: DownscaledFrame, alpha: Alpha, consistency: FlowConsistency) -> Alpha:
    """Find background that a propagated mask covers because it came into view only now, from behind the subject.

    A disoccluded pixel was nowhere in the earlier frame, so the flow fetches its alpha from the subject's rim. Two
    things give it away: its colour is clearly nearer to that of the background around it than to that of the subject
    around it, and it is connected to the background; a light print on a dark pullover is not. A pixel that entered over
    the edge of the frame was nowhere before either, whichever side it belongs to; there the nearer colour decides.

    Args:
        new: the frame.
        alpha: ``(HEIGHT, WIDTH)`` float32, the propagated mask.
        consistency: of the flow along which the mask was propagated.

    Returns:
        ``(HEIGHT, WIDTH)`` float32 in [0, 1]: 1 where the mask must become background.
    """
    outside = alpha < _SURE_ALPHA
    doubtful = consistency.mismatch & ~outside
    rows, columns = np.flatnonzero(doubtful.any(axis=1)), np.flatnonzero(doubtful.any(axis=0))
    disoccluded = np.zeros_like(alpha)
    if not rows.size:
        return disoccluded
    # Only the doubtful pixels' bounding box is looked at, with a margin that holds the windows around them.
    margin = max(_WINDOWS_PX) // 2 + 1
    box = (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )
    colour, doubtful = new.colour[box].astype(np.float32), doubtful[box]
    outside, explained = outside[box], ~consistency.mismatch[box]
    to_background = _distance_to_mean_colour(colour, outside & explained, doubtful)
    to_subject = _distance_to_mean_colour(colour, (alpha[box] > 1.0 - _SURE_ALPHA) & explained, doubtful)
    preference = np.where(consistency.entered[box][doubtful], np.float32(1.0), _BACKGROUND_PREFERENCE)
    background = np.zeros_like(doubtful)
    background[doubtful] = preference * to_background < to_subject
    _, labels = cv2.connectedComponents((background | outside).astype(np.uint8), connectivity=4)
    connected = np.zeros(int(labels.max()) + 1, np.bool_)
    connected[labels[outside]] = True
    disoccluded[box] = cv2.blur((background & connected[labels]).astype(np.float32), (3, 3))
    return disoccluded


def _distance_to_mean_colour(
    colour: NDArray[np.float32], reference: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The distance of each asked pixel's colour from the mean colour of the reference pixels around it.

    Args:
        colour: ``(h, w, 3)`` float32, 0..255.
        reference: ``(h, w)``: the pixels whose colours are averaged, in each of the windows.
        asked: ``(h, w)``: the pixels to compute the distance for.

    Returns:
        ``(N,)`` float32 in the order of ``colour[asked]``: the sum of the absolute differences of the channels, the
        smallest over the windows; infinite where no window holds a reference pixel.
    """
    weight = reference.astype(np.float32)
    weighted = cv2.merge([*cv2.split(colour * weight[..., None]), weight])
    own = colour[asked]
    nearest = np.full(own.shape[0], np.inf, np.float32)
    for side in _WINDOWS_PX:
        sums = cv2.blur(weighted, (side, side))[asked]
        total = sums[:, 3]
        mean = sums[:, :3] / np.maximum(total, 1e-6)[:, None]
        distance = np.abs(own - mean).sum(axis=1)
        nearest = np.where(total > 0.01, np.minimum(nearest, distance), nearest)
    return nearest
