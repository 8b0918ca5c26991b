"""Preset ``modern``: augmentation of 8-bit pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rtsod.frames import Image
from rtsod.model.saliency import DEVIATION, MEAN
from rtsod.training.samples import Sample, Triple, normalised


@dataclass(frozen=True, slots=True)
class Plain:
    """A picture scaled to the network's size, not augmented."""

    size: int = 320
    mean: Triple = MEAN
    deviation: Triple = DEVIATION
    copies: int = 1

    def __call__(self, image: Image, label: Image, copy: int, random: np.random.Generator) -> Sample:
        """See :class:`~rtsod.training.samples.Recipe`."""
        side = (self.size, self.size)
        small = np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_LINEAR), np.uint8)
        mask = np.asarray(cv2.resize(label, side, interpolation=cv2.INTER_LINEAR), np.uint8)
        return normalised(small, mask, self.mean, self.deviation)
