"""A mask brought from the frame it was computed from to another one: the only place that makes ``Carried``."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.motion.flow import Flow, follow, grey
from rtsod.types import Alpha, Carried, Frame, Image, Masked

LEAST_TRUST: Final = 0.6
"""Of the pixels, the share whose motion must be believable; with less, the scene was cut or the camera jerked."""
_ERODE: Final = 9
"""Pixels of the mask: where motion cannot be believed, only what has subject all around it stays subject."""


class Carrier:
    """Carries masks by optical flow. For one thread."""

    def __init__(self) -> None:
        self._flow = Flow()
        self._key: tuple[Frame, Image] | None = None

    def carry(self, masked: Masked, frame: Frame) -> Carried | None:
        """The mask as ``frame`` needs it; None where the motion between the two cannot be believed.

        Args:
            masked: a frame and its mask.
            frame: another frame, as a rule a later one.
        """
        if masked.frame.image.shape != frame.image.shape:
            return None
        back, trust = self._flow.between(grey(frame.image), self._grey_of_key(masked.frame))
        if float(trust.mean()) < LEAST_TRUST:
            return None
        mask = masked.mask.alpha
        height, width = mask.shape
        scale = np.array([width / back.shape[1], height / back.shape[0]], np.float32)
        back = np.asarray(cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) * scale
        trust = np.asarray(cv2.resize(trust, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        inner = np.asarray(cv2.erode(mask, np.ones((_ERODE, _ERODE), np.uint8)), np.float32)
        alpha: Alpha = follow(inner + trust * (mask - inner), back)
        return Carried(frame, np.clip(alpha, 0.0, 1.0, out=alpha), masked.mask)

    def _grey_of_key(self, frame: Frame) -> Image:
        if self._key is None or self._key[0] is not frame:
            self._key = frame, grey(frame.image)
        return self._key[1]
