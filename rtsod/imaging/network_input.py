"""Scales frames and photographs to the network's input size, and stretches the saliency maps of photographs."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

_MIN_RANGE: float = 0.05
"""A map whose highest and lowest values are closer than this contains no subject; stretching it would amplify noise."""


def shrink(image: Image, size: int) -> Image:
    """Scale a video frame for the engine: bilinear, without antialiasing, ignoring the aspect ratio, as the authors do.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        size: S, in pixels.

    Returns:
        ``(S, S, 3)`` uint8 BGR, contiguous.
    """
    return np.ascontiguousarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def shrink_still(image: Image, size: int) -> Image:
    """Scale a photograph for the engine by the authors' protocol: like :func:`shrink`, then divide by its maximum.

    Do not use it for video: one highlight entering the picture would change the whole input.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        size: S, in pixels.

    Returns:
        ``(S, S, 3)`` uint8 BGR, contiguous, rounded once. Its maximum is 255, because engines divide by 255.
    """
    small = cv2.resize(image.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    peak = float(small.max())
    return np.ascontiguousarray(np.rint(small * (255 / peak) if peak > 0 else small), np.uint8)


def stretch_still(saliency: Alpha) -> Alpha:
    """Stretch a photograph's map to the full range 0..1, as the authors' test script does. A flat map stays as it is.

    Do not use it for video: an empty chair would become a subject, and the mask would pulsate.

    Args:
        saliency: ``(S, S)`` float32 in [0, 1].

    Returns:
        ``(S, S)`` float32 in [0, 1].
    """
    low, high = float(saliency.min()), float(saliency.max())
    if not high - low >= _MIN_RANGE:  # written so that NaN is caught, too
        return saliency
    stretched: Alpha = np.clip((saliency - low) / (high - low), 0, 1, dtype=np.float32)
    return stretched
