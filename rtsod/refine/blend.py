"""Porter and Duff's *over* (1984) for whole planes: ``alpha * F + (1 - alpha) * B``."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

_BAND_ROWS: Final = 32
"""Rows blended at once. At 720p on real masks, 16, 32 and 48 rows take the same time; one bounding box is slower."""


def blend(foreground: Image, background: Image, alpha: Alpha) -> Image:
    """``alpha * foreground + (1 - alpha) * background``, rounded.

    Alpha 0 gives exactly the background and alpha 1 exactly the foreground; in between, the result is within one level.

    Args:
        foreground: ``(H, W, 3)`` uint8.
        background: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller.
    """
    result = background.copy()
    # Blending costs ten times as much as copying, and most of a picture is background: in each band of rows, blend
    # only the columns between the first and the last pixel of the subject.
    for top in range(0, alpha.shape[0], _BAND_ROWS):
        columns = np.flatnonzero(alpha[top : top + _BAND_ROWS].max(axis=0))
        if columns.size:
            part = np.s_[top : top + _BAND_ROWS, columns[0] : columns[-1] + 1]
            cv2.blendLinear(foreground[part], background[part], alpha[part], 1.0 - alpha[part], result[part])
    return result
