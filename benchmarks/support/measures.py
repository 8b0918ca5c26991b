"""Measures on sequences of masks: overlap, flicker, temporal error and lag."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.motion.flow import downscale_frame

Maps: TypeAlias = NDArray[np.float32]
"""``(N, S, S)`` float32 in [0, 1]: one map per frame."""
STATIC_FRAMES: Final = 5
"""How many frames before a frame must look like it for a pixel to count as static."""
STATIC_LEVELS: Final = 6
"""Colour change in the worst channel, in levels of 255, from which a pixel is not static."""


def static_parts(images: list[Image], size: int) -> NDArray[np.bool_]:
    """Where the picture has been static for ``STATIC_FRAMES`` frames.

    Args:
        images: the frames, in order.
        size: side of the maps.

    Returns:
        ``(N, size, size)`` bool; all False for the first ``STATIC_FRAMES`` frames.
    """
    colours = [downscale_frame(image).colour for image in images]
    static = np.zeros((len(images), size, size), np.bool_)
    for index in range(STATIC_FRAMES, len(images)):
        moved = np.zeros(colours[0].shape[:2], np.uint8)
        for before in colours[index - STATIC_FRAMES : index]:
            moved = np.maximum(moved, cv2.blur(cv2.absdiff(colours[index], before).max(axis=2), (3, 3)))
        moved = np.asarray(cv2.dilate(moved, np.ones((7, 7), np.uint8)), np.uint8)
        calm = (moved < STATIC_LEVELS).astype(np.uint8)
        static[index] = cv2.resize(calm, (size, size), interpolation=cv2.INTER_NEAREST) > 0
    return static


def flicker(maps: Maps, static: NDArray[np.bool_]) -> float:
    """Mean change of alpha from frame to frame on static parts, in levels of 255; 0 if nothing is static."""
    change = np.abs(np.diff(maps, axis=0))[static[1:]]
    return float(change.mean() * 255) if change.size else 0.0


def dtssd(maps: Maps, truth: Maps) -> float:
    """How wrongly alpha changes between frames, times 100: dtSSD (Erofeev et al., BMVC 2015).

    The root of the mean squared error of the change, mean over frames.
    """
    error = np.diff(maps, axis=0) - np.diff(truth, axis=0)
    return float(np.sqrt(np.square(error).mean(axis=(1, 2))).mean() * 100)


def lag(maps: Maps, truth: Maps, most: int = 8) -> int:
    """The delay in frames, at most ``most``, at which the maps are most like the truth."""
    errors = [np.abs(maps[most:] - truth[most - d : len(truth) - d]).mean() for d in range(most + 1)]
    return int(np.argmin(errors))
