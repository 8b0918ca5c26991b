"""Whether two pictures show the same in any light: the camera's motion between them, and where their details agree."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.learning.light import Pixels, PlateRefused, Where

_MOST_MOTION: Final = 0.03
"""Largest displacement of any corner, as a share of the side. Beyond that a room is not flat: near things move
further than far ones."""
_ECC: Final = ((2, cv2.MOTION_TRANSLATION, 40), (1, cv2.MOTION_EUCLIDEAN, 15))
"""How many times smaller, which motion, and steps at most: the coarse motion first. A camera that is nudged pans, tilts
and rolls; more freedom would bend what lies between the few things that a plain room has to hold on to."""

_LOCAL_PX: Final = 15
"""Side of the square whose detail is compared, in pixels: enough that chance does not correlate it ..."""
_LOCAL_SPREAD: Final = 4.0
"""... and its least standard deviation, in levels: several times that of the noise of an area average."""
_FOLLOWS: Final = 0.7
"""The least correlation. Half a pixel off, fine texture still reaches it; two things that only meet do not."""


def camera_motion(plate: Pixels, frame: Pixels, where: Where) -> NDArray[np.float32] | None:
    """How the camera moved, as an affine matrix from the frame to the plate; None where nothing tells.

    The motion is found by maximising the enhanced correlation coefficient, which does not see brightness and
    contrast (Evangelidis and Psarakis, PAMI 2008).
    """
    side = len(frame)
    motion = np.eye(2, 3, dtype=np.float32)
    for divisor, kind, steps in _ECC:
        size = (side // divisor, side // divisor)
        one, other = (_grey(cv2.resize(each, size, interpolation=cv2.INTER_AREA)) for each in (plate, frame))
        mask = cv2.resize(where.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        motion[:, 2] /= divisor
        try:
            criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-6)
            cv2.findTransformECC(one, other, motion, kind, criteria, mask, 5)
        except cv2.error:  # nothing there to hold on to, or too far off: the comparison afterwards tells which
            return None
        motion[:, 2] *= divisor
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]], np.float32).T
    if np.abs(motion @ corners - corners[:2]).max() > _MOST_MOTION * side:
        raise PlateRefused("the camera moved")
    return motion


def follows(frame: Pixels, plate: Pixels) -> Where:
    """Where the frame's detail follows the plate's, whatever its brightness and contrast: local correlation."""
    one, other = (_grey(each) for each in (frame, plate))
    window = (_LOCAL_PX, _LOCAL_PX)
    mean_one, mean_other = cv2.blur(one, window), cv2.blur(other, window)
    both = cv2.blur(one * other, window) - mean_one * mean_other
    of_one = cv2.blur(one * one, window) - mean_one**2
    of_other = cv2.blur(other * other, window) - mean_other**2
    textured = np.minimum(of_one, of_other) > _LOCAL_SPREAD**2
    return np.asarray(textured & (both > _FOLLOWS * np.sqrt(np.maximum(of_one * of_other, 0))), np.bool_)


def _grey(picture: cv2.typing.MatLike) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float32)
