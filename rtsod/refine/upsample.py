"""Bilinear upsampling, as the authors of U²-Net bring their maps to the size of the photograph."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Alpha


def upsample(mask: Alpha, width: int, height: int) -> Alpha:
    """Scale a map to the size of the frame.

    Args:
        mask: ``(S, S)`` float32 in [0, 1].
        width: of the frame, in pixels.
        height: of the frame, in pixels.

    Returns:
        ``(height, width)`` float32 in [0, 1], owned by the caller.
    """
    scaled = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    # Interpolation in float32 may exceed 1 by one unit in the last place; later stages rely on the range.
    return np.asarray(np.clip(scaled, 0.0, 1.0, out=scaled), np.float32)
