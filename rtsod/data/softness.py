"""Tells masks that are soft, such as those of hair, glass and blur, from those whose edges are antialiased."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Image

_SOFT: Final = (13, 242)
"""Levels between which a pixel counts as soft: 5 % to 95 %."""
_SOFT_SHARE: Final = 1e-3
"""Share of a picture that must be soft. Edges that are merely antialiased are one or two pixels wide, so that no 3x3
pixels are soft together; hair, glass and blur are wider."""


def has_soft_areas(levels: Image) -> bool:
    """Whether a mask has soft areas that are wider than an antialiased edge.

    Args:
        levels: ``(H, W)`` uint8, 0..255.
    """
    soft = ((levels > _SOFT[0]) & (levels < _SOFT[1])).astype(np.uint8)
    inside = cv2.erode(soft, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return bool(inside.mean() > _SOFT_SHARE)
