"""The plain way: bilinear, as the authors bring their maps to the size of the photograph."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Alpha


def upsample(mask: Alpha, width: int, height: int) -> Alpha:
    """The map at the frame's size.

    Args:
        mask: ``(S, S)`` float32 in [0, 1].
        width: of the frame, pixels.
        height: of the frame, pixels.

    Returns:
        ``(height, width)`` float32 in [0, 1], owned by the caller.
    """
    scaled = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    # Interpolation in float32 may step over 1 by a unit in the last place; what follows relies on the range.
    return np.asarray(np.clip(scaled, 0.0, 1.0, out=scaled), np.float32)
