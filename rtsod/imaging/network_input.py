"""A frame at the size the network sees, and a still's map back at the still's size."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

_FLAT: float = 0.05
"""A map whose highest and lowest values are closer than this shows nothing; stretching it would show noise."""


def shrink(image: Image, size: int) -> Image:
    """A frame of a stream for the engine: bilinear without antialiasing, aspect ratio not kept, as the authors test.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        size: S.

    Returns:
        ``(S, S, 3)`` uint8 BGR, contiguous.
    """
    return np.ascontiguousarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def shrink_still(image: Image, size: int) -> Image:
    """A photograph for the engine by the authors' protocol: the same, then divided by its own maximum.

    Not for streams: one highlight entering the picture would change the input everywhere.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        size: S.

    Returns:
        ``(S, S, 3)`` uint8 BGR, contiguous, its highest value 255 (engines divide by 255). Rounded once.
    """
    small = cv2.resize(image.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    peak = float(small.max())
    return np.ascontiguousarray(np.rint(small * (255 / peak) if peak > 0 else small), np.uint8)


def stretch_still(saliency: Alpha) -> Alpha:
    """A photograph's map stretched to reach from 0 to 1, as the authors' test script does; a flat map is left alone.

    Not for streams: an empty chair would become a subject, and the mask would pump.

    Args:
        saliency: ``(S, S)`` float32 in [0, 1].

    Returns:
        ``(S, S)`` float32 in [0, 1].
    """
    low, high = float(saliency.min()), float(saliency.max())
    if not high - low >= _FLAT:  # also when not a number
        return saliency
    stretched: Alpha = np.clip((saliency - low) / (high - low), 0, 1, dtype=np.float32)
    return stretched
