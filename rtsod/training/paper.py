"""Preset ``paper``: samples as the authors' loader makes them (``data_loader.py`` and ``u2net_train.py`` of theirs).

It scales with scikit-image 0.14's ``transform.resize``, whose result this module reproduces without that library, and
it has two bugs, which are mended here:

- The picture is divided by the maximum of its crop. A black crop makes NaN there; here it stays black.
- The label, too, is divided by the maximum of its crop. A crop that holds only the faint edge of a subject, 3 of 255,
  becomes full foreground there; here labels are divided by 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rtsod.frames import Image
from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN
from rtsod.training.samples import Sample

_MIN_MAXIMUM: Final = 1.0
"""Of a crop, in levels of 255: what a darker one is divided by. Only black ones are darker, unless scaling darkened a
border."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What chance decides about a sample."""

    flipped: bool
    """Top and bottom are swapped, before the crop. The authors do so, though they speak of a horizontal flip; that one
    they did beforehand, which doubled their data set to 21,106 pictures."""
    top: int
    """First row of the crop."""
    left: int
    """First column of the crop."""


@dataclass(frozen=True, slots=True)
class PaperRecipe:
    """Scale to a square, flip top and bottom half of the time, crop, divide by the maximum, normalise.

    Every picture is used twice an epoch: as it is, and mirrored.
    """

    size: int
    """Side of the square that a picture is stretched to, in pixels; 320 in the paper."""
    crop: int
    """Side of the crop, in pixels, at most ``size``; 288 in the paper."""
    copies: int = 2
    """1 leaves the mirrored pictures out."""

    def __post_init__(self) -> None:
        if not 0 < self.crop <= self.size:
            raise ValueError(f"a crop of {self.crop} pixels does not fit into {self.size}")

    def place(self, random: np.random.Generator) -> Placement:
        """Draw a placement. The first row and column are 0 .. ``size - crop - 1``, as the authors draw them.

        With a crop of the whole square, where the authors' code fails, both are 0.
        """
        room = max(1, self.size - self.crop)
        return Placement(bool(random.random() >= 0.5), int(random.integers(room)), int(random.integers(room)))

    def __call__(self, image: Image, label: Image, copy: int, random: np.random.Generator) -> Sample:
        """See :class:`~rtsod.training.samples.SampleRecipe`."""
        if copy:
            # Before scaling, which would not give the mirror image of the label: it rounds halves one way.
            image, label = image[:, ::-1], label[:, ::-1]
        return self.sample(image, label, self.place(random))

    def sample(self, image: Image, label: Image, placement: Placement) -> Sample:
        """The sample at a given placement: ``(3, crop, crop)`` and ``(1, crop, crop)``."""
        pixels, mask = resize(image, self.size), resize_nearest(label, self.size)
        if placement.flipped:
            pixels, mask = pixels.flip(0), mask[::-1]
        rows = slice(placement.top, placement.top + self.crop)
        columns = slice(placement.left, placement.left + self.crop)
        crop = pixels[rows, columns].flip(2).permute(2, 0, 1)  # (3, crop, crop), RGB
        crop = crop / crop.max().clamp(min=_MIN_MAXIMUM)
        mean, deviation = (
            torch.tensor(triple, dtype=torch.float64).view(3, 1, 1) for triple in (IMAGENET_MEAN, IMAGENET_DEVIATION)
        )
        cut = torch.from_numpy(np.ascontiguousarray(mask[rows, columns]))
        return Sample(((crop - mean) / deviation).float().contiguous(), cut.float()[None] / 255)


def resize(image: Image, size: int) -> Tensor:
    """Stretch to a square like ``skimage.transform.resize(image, (size, size), mode="constant")`` of scikit-image 0.14.

    That is bilinear without antialiasing, between pixel centres. Where a picture is enlarged, the outermost pixels
    reach beyond it, where everything is black; but nothing gets darker than the darkest value of the whole picture.
    Versions since 0.15 smooth first by default.

    Args:
        image: ``(H, W, 3)`` uint8.
        size: S.

    Returns:
        ``(S, S, 3)`` float64, 0..255, not rounded.
    """
    height, width = image.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].double()
    # PyTorch repeats the outermost pixels instead of adding black ones: the same but for a factor for each row and
    # column. It computes positions in the pixels' type: in float32 they would be wrong by 1e-5 pixels.
    scaled = F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    inside = torch.from_numpy(_share_inside(height, size)[:, None] * _share_inside(width, size))
    return (scaled * inside[:, :, None]).clamp_(min=float(image.min()))


def _share_inside(length: int, size: int) -> NDArray[np.float64]:
    """For each of ``size`` pixels along a side, how much of its value comes from the ``length`` pixels, not beyond."""
    position = _positions(length, size)
    outside = np.maximum(0, np.maximum(-position, position - (length - 1)))
    return np.asarray(1 - outside, np.float64)


def resize_nearest(label: Image, size: int) -> Image:
    """Stretch to a square like ``resize`` with ``order=0, preserve_range=True``: the nearest pixel, the later of two.

    Args:
        label: ``(H, W)`` uint8.
        size: S.

    Returns:
        ``(S, S)`` uint8.
    """
    # In whole numbers: half way between two pixels, rounding errors would decide.
    rows, columns = ((2 * np.arange(size) + 1) * length // (2 * size) for length in label.shape)
    nearest: Image = label[rows[:, None], columns]
    return nearest


def _positions(length: int, size: int) -> NDArray[np.float64]:
    """Where ``size`` pixels lie among ``length``, both from centre to centre."""
    return np.asarray((np.arange(size) + 0.5) * (length / size) - 0.5, np.float64)
