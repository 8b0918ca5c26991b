"""Where a frame surely shows the empty room: not only like the plate, but with details that only the plate explains.

A shirt of the wall's colour is like the wall. So that pixels are like the plate does not prove that they are the room;
it must also be that the frame's fine detail is the plate's. For Gaussian noise, the logarithm of how much more likely
the plate makes a frame's detail ``d`` than a smooth surface would is ``sum (d^2 - (d - p)^2) / (2 noise^2)``, ``p``
being the plate's. Strong edges prove little beyond their own surroundings, and so do many faint traces of a wall's
texture: both are asked. What has no detail of its own, like a chair's back, is the room if details that are surely the
room's surround it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.learning.light import Pixels, Where
from rtsod.learning.plate import MatchedPlate

_SIDE: Final = 320
"""The lengths below are in pixels of a map of this side."""
_DETAIL_PX: Final = 3.0
"""Standard deviation of what is subtracted to leave the detail."""
_SCALES: Final = ((1.0, 4.0), (2.0, 4.0), (6.0, 0.4))
"""Surroundings in which evidence is summed, as a standard deviation, and the most that one pixel of one channel adds.
An edge proves what is next to it; a wall's texture needs many pixels, none of which may be an edge. What a finer scale
speaks against, a coarser one does not prove: there, something of one colour begins beside the texture."""
_PROOF: Final = 12.0
"""Logarithm of the odds from which on the room is sure: 1 to 160,000, about as many pixels as a map has."""
_SEAM_PX: Final = 3.0
"""How far around what is refuted, or not proved, nothing is proved: the surroundings of both overlap there."""
_REACH_PX: Final = 48
"""How far what is surely the room may be from a pixel that it surrounds."""
_SIDES: Final = 6
_SIDES_OF_FURNITURE: Final = 3
"""Of the eight directions, in how many it must be met: at a chin, at an arm or at the picture's edge it is not."""
_LABEL_TRACE: Final = 0.02
"""A label below this is nothing."""
_LEAST_AREA_PX: Final = 12
"""Smaller spots go with what surrounds them."""
_DIRECTIONS: Final = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one frame says of each pixel."""

    like: Where
    """It is like the plate."""
    proved: Where
    """It is the room, by its detail."""
    met: NDArray[np.uint8]
    """``(S, S)``: in how many of eight directions a labelled pixel without proof meets the room's detail, going through
    nothing but labelled pixels that are like the plate."""

    def room(self, label: Alpha, furniture: Where) -> Where:
        """Where a label marks what is surely the room.

        Args:
            label: ``(S, S)`` float32 in [0, 1].
            furniture: which pixels the teacher is known to mark while they show the room. They need less to surround
                them: somebody stands in the way of some of it.
        """
        scale = len(label) / _SIDE
        room = self.proved | (self.met >= _SIDES) | (furniture & (self.met >= _SIDES_OF_FURNITURE))
        least = max(1, round(_LEAST_AREA_PX * scale**2))
        marked = label > _LABEL_TRACE
        room = _without_spots(room & marked, least)
        # Where what is sure borders on what only looks alike, the seam may be a little elsewhere.
        alike = _without_spots(marked & self.like & ~room, least)
        room &= ~_widened(alike, _SEAM_PX * scale)
        return np.asarray(marked & ~_without_spots(marked & ~room, least), np.bool_) if room.any() else room


def evidence(frame: Image, plate: MatchedPlate, label: Alpha) -> Evidence:
    """Compare a frame with its plate.

    Args:
        frame: ``(S, S, 3)`` uint8 BGR, area averaged.
        plate: matched to it.
        label: ``(S, S)`` float32 in [0, 1].
    """
    pixels = frame.astype(np.float32)
    scale = len(frame) / _SIDE
    like = plate.like(pixels)
    proved, refuted = _proved(pixels, plate, like, scale)
    marked = label > _LABEL_TRACE
    vouching = proved & (cv2.dilate(marked.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    # Specks of noise bar no way, and are not crossed out either.
    passable = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    open_question = np.asarray(passable & marked & ~proved & ~refuted, np.bool_)
    met = _met(open_question, vouching, max(1, round(_REACH_PX * scale)))
    return Evidence(like, proved, np.where(like, met, 0).astype(np.uint8))


def _proved(frame: Pixels, plate: MatchedPlate, like: Where, scale: float) -> tuple[Where, Where]:
    """Where the frame's detail is the plate's beyond chance, and where it is not although the plate has some."""
    theirs, ours = (_detail(each, like, scale) for each in (plate.picture, frame))
    gains = (ours**2 - (ours - theirs) ** 2) / (2 * plate.noise**2)
    # The plate's own noise explains nothing in any frame, and speaks against the plate by so much for each pixel.
    biased = (3 * plate.uncertainty / 2 * like).astype(np.float32)
    proved, refuted = np.zeros(like.shape, np.bool_), np.zeros(like.shape, np.bool_)
    open_still = np.ones(like.shape, np.bool_)
    for sigma, most in _SCALES:
        gain = (np.clip(gains, -most, most).sum(axis=2) * like).astype(np.float32)
        sigma *= scale
        area = 2 * np.pi * sigma**2  # in which the centre's weight is 1
        summed, bias = (area * cv2.GaussianBlur(each, (0, 0), sigma) for each in (gain, biased))
        proved |= open_still & (summed > _PROOF)
        refuted |= summed < -_PROOF - 2 * bias
        open_still &= summed > -2 * bias
    refuted = _widened(refuted, _SEAM_PX * scale)
    return proved & like & ~refuted, refuted


def _detail(picture: Pixels, like: Where, scale: float) -> Pixels:
    """A picture less its smooth part, which is taken from the pixels that are compared alone."""
    weight = like.astype(np.float32)
    sigma = max(1.0, _DETAIL_PX * scale)
    sums = cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma)
    smooth = sums / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)[..., None]
    return np.asarray((picture - smooth) * weight[..., None], np.float32)


def _met(inside: Where, vouching: Where, reach: int) -> NDArray[np.uint8]:
    """In how many of eight directions each pixel meets one that vouches, going straight through ``inside``."""
    met = np.zeros(inside.shape, np.uint8)
    for down, across in _DIRECTIONS:
        hit = np.zeros(inside.shape, np.bool_)
        front = vouching
        for _ in range(reach):
            front = _shifted(front, down, across) & inside
            if not front.any():
                break
            hit |= front
        met += hit
    return met


def _shifted(where: Where, down: int, across: int) -> Where:
    result = np.zeros_like(where)
    height, width = where.shape
    rows, columns = (slice(max(0, by), height_or_width + min(0, by)) for by, height_or_width in
                     ((down, height), (across, width)))  # fmt: skip
    from_rows, from_columns = (slice(max(0, -by), height_or_width + min(0, -by)) for by, height_or_width in
                               ((down, height), (across, width)))  # fmt: skip
    result[rows, columns] = where[from_rows, from_columns]
    return result


def _widened(where: Where, by: float) -> Where:
    side = 2 * round(by) + 1
    return np.asarray(cv2.dilate(where.astype(np.uint8), np.ones((side, side), np.uint8)) > 0, np.bool_)


def _without_spots(where: Where, least: int) -> Where:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=8)
    large = np.zeros(count, np.bool_)
    large[1:] = stats[1:, cv2.CC_STAT_AREA] >= least
    return np.asarray(large[labels], np.bool_)
