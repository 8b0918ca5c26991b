"""Scales with Pillow's Lanczos filter, as rembg does; the network's authors scale bilinearly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from rtsod.frames import Alpha


def lanczos(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Scale a picture, with antialiasing.

    Args:
        image: ``(H, W, 3)`` of whole numbers, 0 to 255.
        size: width and height, in pixels.

    Returns:
        ``(height, width, 3)`` uint8, rounded.
    """
    return np.array(PillowImage.fromarray(image.astype(np.uint8)).resize(size, PillowImage.Resampling.LANCZOS))


def lanczos_alpha(alpha: Alpha, width: int, height: int) -> Alpha:
    """Scale a map; where the filter overshoots, it is clipped.

    Args:
        alpha: ``(S, S)`` float32 in [0, 1].
        width: in pixels.
        height: in pixels.

    Returns:
        ``(height, width)`` float32 in [0, 1], owned by the caller.
    """
    scaled = PillowImage.fromarray(alpha).resize((width, height), PillowImage.Resampling.LANCZOS)
    return np.clip(np.asarray(scaled, np.float32), np.float32(0), np.float32(1))
