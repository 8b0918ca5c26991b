"""A scene in which every leak shows: the room alone is red, to the last pixel, and the subject never stands still.

Blending is linear and neither subject nor backdrop holds any red, so red in an output is room, however faint; and a
mask that is laid over another frame than its own lays room bare, because the subject has moved on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

WIDTH, HEIGHT = 96, 72
RED: Final = 249
"""Of every pixel of the room."""
BACKDROP: Final = "#00FF00"
"""Without red."""
STRIDE: Final = 8
"""Pixels that the subject moves from frame to frame: more than the rim that the engine leaves out."""
_SUBJECT: Final = (40, 36)
_random: Final = np.random.default_rng(6)
_ROOM: Final = _random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
_ROOM[:, :, 2] = RED
_PERSON: Final = _random.integers(40, 256, (*_SUBJECT, 3), np.uint8)
_PERSON[:, :, 2] = 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How the subject moves, and what is around it."""

    stride: int = STRIDE
    """Pixels from frame to frame."""
    band: int = 0
    """So many pixels around the subject are black: for masks that may be a little off, as those are that were carried
    to another frame. Passed within some frames, or nothing is proved."""
    margin: int = 0
    """So many pixels inside the picture's edge it turns around."""


ABRUPT: Final = Manner()
"""No mask of another frame fits; it would have to be followed over jumps of 8 % of the picture's width."""
GENTLE: Final = Manner(stride=1, band=3, margin=12)
"""Motion can be followed; a mask that does not follow it is off by more than the band after some frames."""


def frame(index: int, manner: Manner = ABRUPT, *, scale: int = 1) -> Image:
    """The picture of this number, ``(72, 96, 3)`` times the scale."""
    image = _ROOM.copy()
    height, width = _SUBJECT
    band, margin = manner.band, manner.margin
    left = margin + _there_and_back(index * manner.stride, WIDTH - width - 2 * margin)
    top = margin + _there_and_back(index * min(3, manner.stride), HEIGHT - height - 2 * margin)
    image[max(0, top - band) : top + height + band, max(0, left - band) : left + width + band] = 0
    image[top : top + height, left : left + width] = _PERSON
    return np.ascontiguousarray(np.repeat(np.repeat(image, scale, axis=0), scale, axis=1))


def _there_and_back(way: int, length: int) -> int:
    return abs(way % (2 * length) - length)


def mask(image: Image, rim: int = 1) -> Alpha:
    """What a perfect network answers to a picture at its input size; a rim narrower than a stride is left out.

    Args:
        image: at the network's input size.
        rim: of so many cells: one for each time that the mask is scaled until it is blended.
    """
    subject = ((image[:, :, 2] < RED // 8) & (image[:, :, 0] > 20)).astype(np.uint8)
    return cv2.erode(subject, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)).astype(np.float32)


def red(image: Image) -> int:
    """How much of the room shows: the reddest pixel, 0 to 255."""
    return int(image[:, :, 2].max())
