"""By which factors one map's odds are corrected, so that it agrees with another map of the same frame."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha
from rtsod.imaging.iou import THRESHOLD

WIDE_SHARE: Final = 1 / 64
"""Differences between two networks that are narrower than this share of the frame's side are not corrected: outlines
differ everywhere, and the subject has moved on by the time that a look has ended. Corrected as well, they cost more
than the looks bring (``benchmarks/studies/assisted.py``)."""
_BLUR_RATIO: Final = 1 / 160
"""Standard deviation of the blur applied to the gain, as a share of the frame's side: the maps differ by area; finer
detail belongs to one frame only."""
_MIN_ALPHA: Final = 1e-3
"""Alpha is clipped to this distance from 0 and 1 before odds are compared."""


def gain_between(part: Alpha, whole: Alpha, side: int, most: float, *, wide_only: bool) -> Alpha:
    """The factors that bring a map's odds to those of a better one.

    Args:
        part: ``(H, W)`` float32 in [0, 1], the map to correct.
        whole: the same cells of the better map.
        side: of the whole frame's map.
        most: the largest factor, up or down.
        wide_only: whether narrow differences are left as they are, because another network made the better map.

    Returns:
        ``(H, W)`` float32 in [1 / most, most].
    """
    difference = _log_odds(whole) - _log_odds(part)
    if wide_only:
        width = max(1, round(WIDE_SHARE * side))
        kernel = np.ones((width, width), np.uint8)
        differs = ((part > THRESHOLD) ^ (whole > THRESHOLD)).astype(np.uint8)
        difference *= cv2.dilate(cv2.morphologyEx(differs, cv2.MORPH_OPEN, kernel), kernel)
    smooth = cv2.GaussianBlur(difference, (0, 0), _BLUR_RATIO * side)
    limit = float(np.log(most))
    return np.exp(np.clip(smooth, -limit, limit), dtype=np.float32)


def _log_odds(alpha: Alpha) -> Alpha:
    clipped = np.clip(alpha, _MIN_ALPHA, 1 - _MIN_ALPHA)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)
