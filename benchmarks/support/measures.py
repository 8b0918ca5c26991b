"""What is measured on sequences of masks."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.motion.flow import downscale_frame

Maps: TypeAlias = NDArray[np.float32]
"""``(N, S, S)`` in [0, 1]."""
STILL_FRAMES: Final = 5
STILL_LEVELS: Final = 6


def iou(one: Alpha, other: Alpha) -> float:
    """Intersection over union at 0.5; 1 where both are empty."""
    a, b = one > 0.5, other > 0.5
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0


def still_parts(images: list[Image], size: int) -> NDArray[np.bool_]:
    """``(N, size, size)``: where the picture has stood still for some frames; nowhere in the first ones."""
    colours = [downscale_frame(image).colour for image in images]
    still = np.zeros((len(images), size, size), np.bool_)
    for index in range(STILL_FRAMES, len(images)):
        moved = np.zeros(colours[0].shape[:2], np.uint8)
        for before in colours[index - STILL_FRAMES : index]:
            moved = np.maximum(moved, cv2.blur(cv2.absdiff(colours[index], before).max(axis=2), (3, 3)))
        moved = np.asarray(cv2.dilate(moved, np.ones((7, 7), np.uint8)), np.uint8)
        calm = (moved < STILL_LEVELS).astype(np.uint8)
        still[index] = cv2.resize(calm, (size, size), interpolation=cv2.INTER_NEAREST) > 0
    return still


def flicker(maps: Maps, still: NDArray[np.bool_]) -> float:
    """Mean change of alpha from frame to frame on still parts, in levels of 255."""
    change = np.abs(np.diff(maps, axis=0))[still[1:]]
    return float(change.mean() * 255) if change.size else 0.0


def dtssd(maps: Maps, truth: Maps) -> float:
    """Root of the mean squared error of alpha's change in time, mean over frames, times 100."""
    error = np.diff(maps, axis=0) - np.diff(truth, axis=0)
    return float(np.sqrt(np.square(error).mean(axis=(1, 2))).mean() * 100)


def lag(maps: Maps, truth: Maps, most: int = 8) -> int:
    """The delay in frames at which the maps are most like the truth."""
    errors = [np.abs(maps[most:] - truth[most - d : len(truth) - d]).mean() for d in range(most + 1)]
    return int(np.argmin(errors))
