"""How wrong a composite's colours are around the subject's edge."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

_FRINGE_SIDE_PX: Final = 7
"""Side of the square by which the mixed pixels are dilated to where fringes are seen, in pixels."""


def fringe(composite: Image, exact_composite: Image, exact: Alpha) -> float:
    """Mean absolute colour error of a composite around the subject's edge, in levels of 255.

    Args:
        composite: ``(H, W, 3)`` uint8 BGR, in front of a new background.
        exact_composite: the same with the exact alpha and the subject's true colours.
        exact: the exact alpha.
    """
    mixed = ((exact > 0.0) & (exact < 1.0)).astype(np.uint8)
    near = cv2.dilate(mixed, np.ones((_FRINGE_SIDE_PX, _FRINGE_SIDE_PX), np.uint8)) > 0
    difference = cv2.absdiff(composite, exact_composite)[near]
    return float(difference.mean())
