"""Checks a propagated mask against the frame: where the flow is wrong, and where background has come into view.

The test is photometric: a pixel must look like the place that the flow says it came from. Comparing forward with
backward flow instead was measured and is worse: it cuts off more of the subject and costs a second search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import ComposedFlow, DownscaledFrame
from rtsod.motion.warp_kernel import compare_colours, find_background

Layers: TypeAlias = NDArray[np.float32]
"""``(HEIGHT, WIDTH, 4)`` float32: the colours of a frame, BGR from 0 to 255, and a map of it from 0 to 1."""

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
        unexplained_share = np.count_nonzero(self.mismatch) / self.mismatch.size
        unexplained_subject = np.count_nonzero((self.mismatch | self.too_fast) & subject)
        return 1.0 - max(unexplained_share, unexplained_subject / max(int(np.count_nonzero(subject)), 1))


def colour_layers(picture: DownscaledFrame, alpha: Alpha | None = None) -> Layers:
    """The colours of a frame, and a map of it, as one array to be warped.

    Args:
        picture: the frame.
        alpha: ``(HEIGHT, WIDTH)`` float32; None for 0 everywhere.
    """
    layers = np.zeros((*picture.colour.shape[:2], 4), np.float32)
    layers[..., :3] = picture.colour
    if alpha is not None:
        layers[..., 3] = alpha
    return layers


def check_consistency(new: DownscaledFrame, warped: Layers, composed: ComposedFlow) -> FlowConsistency:
    """Compare a frame with an earlier frame that was warped along the flow between the two.

    Args:
        new: the frame in which ``composed`` starts.
        warped: the frame that ``composed`` points to, warped along it.
        composed: the flow.
    """
    worst, entered = np.empty(new.grey.shape, np.uint8), np.empty(new.grey.shape, np.bool_)
    compare_colours(new.colour, warped, composed.layers, worst, entered)
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
    explained = ~consistency.mismatch
    found = np.empty(outside[box].shape, np.bool_)
    count = find_background(
        np.ascontiguousarray(new.colour[box]),
        np.ascontiguousarray(doubtful[box]),
        np.ascontiguousarray(consistency.entered[box]),
        np.ascontiguousarray(outside[box]),
        outside[box] & explained[box],
        (alpha[box] > 1.0 - _SURE_ALPHA) & explained[box],
        _BACKGROUND_PREFERENCE,
        _WINDOWS_PX,
        found,
    )
    if count:
        disoccluded[box] = cv2.blur(found.astype(np.float32), (3, 3))
    return disoccluded
