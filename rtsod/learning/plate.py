"""The clean plate: what the camera shows of the room while nobody is there, matched to one frame at a time.

A plate is useful only where a frame can be compared with it to within the camera's noise. So the two are brought
together first: the camera may have moved a little, and its exposure and white balance follow whoever is in the picture.
What cannot be matched is refused, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.learning.alignment import camera_motion, follows
from rtsod.learning.light import MOST_FIELD, Pixels, PlateRefused, Where, exposed, light_field, noisier

MIN_PICTURES: Final = 3
"""Of the empty room: a median of fewer would keep what passes through one of them."""
_LEAST_NOISE: Final = 0.8
"""Levels. Pictures are 8 bit, and rounding alone gives .29; a camera's processing is not the same twice."""
_JITTER_PX: Final = 0.25
"""How far an edge may lie from where it was: cameras focus, and alignment has its own error."""
_UNSTEADY: Final = 8.0
"""Noise, in levels, from which on a pixel of the room is not known: a screen, a fan, leaves behind a window."""
_ROOM_BELOW: Final = 0.1
"""A label's value below which a pixel is taken for the room while frame and plate are brought together ..."""
_AWAY_SHARE: Final = 0.02
"""... if it is this far from all others, as a share of the side: teachers' outlines are a few pixels wide."""
_LEAST_ROOM: Final = 0.05
"""Share of the picture that must be room to match by."""
_LIKE_SHARE: Final = 0.6
"""Share of that room which must look like the plate afterwards. Otherwise something large has changed."""
_RINGING: Final = 0.05
_RINGING_PX: Final = 7
"""What compression leaves around an edge, as a share of its contrast, and how far: the 8 x 8 blocks of a frame of 640
pixels are 4 wide here, and its colours' 8."""
_BETWEEN: Final = 2.0
"""Noise of what lies between two pixels, in units of how much two interpolations differ. Measured: by 1, twice as much
fine furniture stays after half a pixel's motion; by 3, more than .2 % of somebody is lost."""
_UNEXPLAINED: Final = 0.001
"""Share of the picture whose detail follows the plate's without being like it, from which on another match is tried."""


@dataclass(frozen=True, slots=True)
class Plate:
    """The empty room."""

    picture: Pixels
    """The median of the pictures of the empty room."""
    noise: Pixels
    """Standard deviation, in levels, of one picture from it. At edges it includes a little motion."""
    steady: Where
    """Which pixels stay the same while nobody is there."""
    uncertainty: float
    """Variance of the median itself, as a share of the noise's."""


def plate_from(pictures: Sequence[Image]) -> Plate:
    """The plate of some pictures of the empty room.

    Args:
        pictures: ``(S, S, 3)`` uint8 BGR each, area averaged, from one camera that stands still.

    Raises:
        PlateRefused: there are fewer than :data:`MIN_PICTURES`, or they differ too much.
    """
    if len(pictures) < MIN_PICTURES:
        raise PlateRefused(f"only {len(pictures)} picture(s) show it")
    stack = np.stack(pictures).astype(np.float32)
    middle = np.median(stack, axis=0)
    everywhere = np.ones(middle.shape[:2], np.bool_)
    # The exposure follows whoever leaves, for some seconds.
    stack = np.stack([each - exposed(middle, each, everywhere) + middle for each in stack])
    middle = np.median(stack, axis=0).astype(np.float32)
    deviation = 1.4826 * np.median(np.abs(stack - middle), axis=0)
    # Few pictures tell little about one pixel, and its neighbours are alike.
    local = np.sqrt(cv2.blur(np.asarray(deviation, np.float32) ** 2, (5, 5)))
    edges = _JITTER_PX * _slope(middle)
    steady = np.asarray(local.max(axis=2) < _UNSTEADY, np.bool_)
    noise = np.sqrt(local**2 + edges**2 + _LEAST_NOISE**2).astype(np.float32)
    plate = Plate(middle, noise, steady, math.pi / 2 / len(pictures))  # of a Gaussian's median
    if plate.steady.mean() < _LIKE_SHARE:
        raise PlateRefused("it did not keep still")
    return plate


@dataclass(frozen=True, slots=True)
class MatchedPlate:
    """A plate as it would look in one frame."""

    picture: Pixels
    noise: Pixels
    between: Pixels
    """Standard deviation, in levels, of what the camera's motion adds: see :data:`_BETWEEN`."""
    known: Where
    """Where the plate says what the room looks like."""
    uncertainty: float
    """See :class:`Plate`."""

    def like(self, frame: Pixels) -> Where:
        """Where the frame's pixels differ from the plate by no more than noise, each with its neighbours."""
        square = np.asarray(((frame - self.picture) ** 2 / (self.noise**2 + self.between**2)).mean(axis=2), np.float32)
        near = (cv2.blur(square, (3, 3)) < _LIKE_MEAN) & (square < _LIKE_ONE) & self.known
        # A few pixels of noise do not make a hole.
        return np.asarray((cv2.blur(near.astype(np.float32), (5, 5)) > _LIKE_MAJORITY) & self.known, np.bool_)


_LIKE_MEAN: Final = 3.0
_LIKE_ONE: Final = 12.0
"""Squared differences in units of the noise: the mean of 3 x 3 pixels, whose expectation is 1, and of one pixel, whose
three channels exceed it once in a hundred million times if noise is Gaussian."""
_LIKE_MAJORITY: Final = 0.7


def matched(plate: Plate, frame: Image, label: Alpha) -> MatchedPlate:
    """Bring a plate to a frame: move it with the camera, and expose it alike.

    Args:
        plate: of the empty room.
        frame: ``(S, S, 3)`` uint8 BGR, area averaged.
        label: ``(S, S)`` float32, the teacher's map of it.

    Raises:
        PlateRefused: the frame does not show that room, or the camera moved too much.
    """
    pixels = frame.astype(np.float32)
    room = _room(label)
    if room.mean() < _LEAST_ROOM:
        raise PlateRefused("too little of the room is to be seen")
    by_room = _matched_by(plate, pixels, room, room)
    # A plain wall tells little of the motion and the exposure. Furniture tells more, and is under the label; but so is
    # somebody, some of whose outlines may follow the room's by chance.
    found, alike = by_room, follows(pixels, by_room.picture) & by_room.known
    if (alike & ~by_room.like(pixels)).mean() > _UNEXPLAINED:
        with suppress(PlateRefused):
            by_detail = _matched_by(plate, pixels, room | alike, room)
            found = max(by_room, by_detail, key=lambda each: np.count_nonzero(each.like(pixels)))
    if found.like(pixels)[room & found.known].mean() < _LIKE_SHARE:
        raise PlateRefused("the light or the room is not what it was")
    return found


def _matched_by(plate: Plate, frame: Pixels, telling: Where, room: Where) -> MatchedPlate:
    """Match by some of the frame's pixels: motion and exposure by those that tell, noise and shadows by the room's."""
    moved, noise, between, known = _moved(plate, camera_motion(plate.picture, frame, telling), len(frame))
    room = room & known
    like_it = exposed(moved, frame, telling & known)
    noise *= noisier(frame - like_it, noise, room)
    noise = np.hypot(noise, _RINGING * _contrast(frame))
    found = MatchedPlate(like_it, noise, between, known, plate.uncertainty)
    for _ in range(2):  # what is like the plate, under the label too, tells more about the light the second time
        sure = found.like(frame) | (room & (np.abs(frame - like_it).max(axis=2) < MOST_FIELD))
        lit = np.clip(like_it + light_field(frame - like_it, sure), 0, 255)
        found = MatchedPlate(lit, noise, between, known, plate.uncertainty)
    return found


def _room(label: Alpha) -> Where:
    """Which pixels are safely the room's, by the label."""
    away = 2 * max(1, round(_AWAY_SHARE * len(label))) + 1
    subject = cv2.dilate((label >= _ROOM_BELOW).astype(np.uint8), np.ones((away, away), np.uint8))
    return np.asarray(subject == 0, np.bool_)


def _moved(plate: Plate, motion: NDArray[np.float32] | None, side: int) -> tuple[Pixels, Pixels, Pixels, Where]:
    """The plate's picture, noise, what is uncertain between its pixels, and known pixels after the camera's motion."""
    if motion is None:
        return plate.picture, plate.noise.copy(), np.zeros_like(plate.noise), plate.steady
    size = (side, side)
    cubic = cv2.INTER_CUBIC  # a linear one would blur the detail that is to be compared
    picture = np.asarray(
        cv2.warpAffine(plate.picture, motion, size, flags=cubic, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    noise = np.asarray(cv2.warpAffine(plate.noise, motion, size, borderMode=cv2.BORDER_REPLICATE), np.float32)
    # What lies between two pixels is not known where detail is fine: there, interpolations disagree.
    linear = np.asarray(cv2.warpAffine(plate.picture, motion, size, borderMode=cv2.BORDER_REPLICATE), np.float32)
    # OpenCV's running sums may end a little below 0.
    between = np.asarray(_BETWEEN * np.sqrt(np.maximum(cv2.blur((picture - linear) ** 2, (5, 5)), 0)), np.float32)
    known = cv2.warpAffine(plate.steady.astype(np.uint8), motion, size, flags=cv2.INTER_NEAREST) > 0
    return picture, noise, between, np.asarray(known, np.bool_)


def _contrast(picture: Pixels) -> Pixels:
    """The difference of the largest and the smallest level around each pixel, for each channel."""
    around = np.ones((_RINGING_PX, _RINGING_PX), np.uint8)
    return np.asarray(cv2.dilate(picture, around) - cv2.erode(picture, around), np.float32)


def _slope(picture: Pixels) -> Pixels:
    """The largest change from a pixel to its neighbours, in levels per pixel, for each channel."""
    across, down = (cv2.Sobel(picture, cv2.CV_32F, x, y, ksize=3, scale=1 / 8) for x, y in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(across, down), np.float32)
