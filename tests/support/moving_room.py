"""A scene in which every leak shows: every pixel of the room is red, nothing else is, and the subject always moves.

Blending is linear, and neither the subject nor the new background holds any red. So any red in an output, however
faint, is room. A mask laid over another frame than its own exposes some, because the subject has moved on.

In an erased room, only what the file hides beneath alpha 0 is red. Then any red is a hidden colour, or white, which
takes the place of hidden colours and must not be seen either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image, Picture
from rtsod.imaging.transparency import picture_of

WIDTH, HEIGHT = 96, 72
RED: Final = 249
"""The red channel of every pixel of the room, 0 to 255."""
BACKDROP: Final = "#00FF00"
"""The new background, which holds no red."""
STRIDE: Final = 8
"""How far the subject moves from frame to frame, in pixels: more than the rim that :func:`mask` leaves out."""
_SUBJECT_SIZE: Final = (40, 36)
"""Height and width, in pixels."""
_random: Final = np.random.default_rng(6)
_ROOM: Final = _random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
_ROOM[:, :, 2] = RED
_PERSON: Final = _random.integers(40, 256, (*_SUBJECT_SIZE, 3), np.uint8)
_PERSON[:, :, 2] = 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How the subject moves, and what surrounds it."""

    stride: int = STRIDE
    """How far it moves from frame to frame, in pixels."""
    band: int = 0
    """Width in pixels of a black band around the subject, for propagated masks, which may be slightly off. A mask that
    does not move must fail within some frames all the same, or nothing is proved."""
    margin: int = 0
    """How far from the edge of the frame the subject turns around, in pixels."""
    erased: bool = False
    """Whether the upper and the left edge of the picture are transparent, in another width in each frame."""


ABRUPT: Final = Manner()
"""No mask of another frame fits, and the subject jumps too far to be followed: by 8 % of the frame's width."""
GENTLE: Final = Manner(stride=1, band=3, margin=12)
"""The subject can be followed. A mask that does not follow is off by more than the band after some frames."""
ERASED_ABRUPT: Final = Manner(erased=True)
"""Like ``ABRUPT``, in an erased room. The subject itself is partly erased."""
ERASED_GENTLE: Final = Manner(stride=1, band=3, margin=12, erased=True)
"""Like ``GENTLE``, in an erased room."""


def frame(index: int, manner: Manner = ABRUPT, *, scale: int = 1) -> Image:
    """Draw a frame.

    Args:
        index: of the frame.
        manner: how the subject moves.
        scale: an integer factor for the size.

    Returns:
        ``(72 * scale, 96 * scale, 3)`` uint8 BGR.
    """
    image = _ROOM.copy()
    if manner.erased:
        image[:, :, 0] //= 16  # so that it differs from the subject
        image[:, :, 2] = 0
    height, width = _SUBJECT_SIZE
    band, margin = manner.band, manner.margin
    left = margin + _there_and_back(index * manner.stride, WIDTH - width - 2 * margin)
    top = margin + _there_and_back(index * min(3, manner.stride), HEIGHT - height - 2 * margin)
    image[max(0, top - band) : top + height + band, max(0, left - band) : left + width + band] = 0
    image[top : top + height, left : left + width] = _PERSON
    return np.ascontiguousarray(np.repeat(np.repeat(image, scale, axis=0), scale, axis=1))


def stored(index: int, manner: Manner, *, scale: int = 1) -> Image:
    """Draw a frame as a file keeps it: ``(72 * scale, 96 * scale, 4)`` uint8 BGRA, with red beneath alpha 0."""
    image = frame(index, manner, scale=scale)
    alpha = np.full(image.shape[:2], 255, np.uint8)
    if manner.erased:
        width = (4 + index % 5) * scale
        alpha[: width + scale] = alpha[:, : width + scale] = 100
        alpha[:width] = alpha[:, :width] = 0
        image[alpha == 0] = (0, 0, RED)
    return np.dstack([image, alpha])


def picture(index: int, manner: Manner = ABRUPT, *, scale: int = 1) -> Picture:
    """Draw a frame as a source reads it: without hidden colours."""
    pixels = stored(index, manner, scale=scale)
    return picture_of(pixels[:, :, :3], pixels[:, :, 3])


def _there_and_back(distance: int, length: int) -> int:
    """The position on a line of this length after a distance, turning around at both ends."""
    return abs(distance % (2 * length) - length)


def mask(image: Image, rim: int = 1) -> Alpha:
    """The map of a perfect network, without a rim that is narrower than a stride.

    Args:
        image: the frame at the network's input size, ``(S, S, 3)`` uint8 BGR.
        rim: width of the rim in pixels of the map, one for each time that the mask is scaled before it is blended.

    Returns:
        ``(S, S)`` float32, 0 or 1.
    """
    subject = ((image[:, :, 2] < RED // 8) & (image[:, :, 0] > 20)).astype(np.uint8)
    return cv2.erode(subject, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)).astype(np.float32)


def red(image: Image) -> int:
    """How much of the room shows: the red channel of the reddest pixel, 0 to 255."""
    return int(image[:, :, 2].max())
