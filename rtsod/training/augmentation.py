"""Presets ``modern`` and ``finetune``: samples of 8-bit pictures, varied as cameras vary.

A picture is resampled once: fitting it to a square, zooming, moving, turning and mirroring it are one affine warp. Then
come the changes of :mod:`rtsod.training.camera_effects`, which leave the label alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.config import Fit
from rtsod.frames import Image
from rtsod.imaging.network_input import shrink
from rtsod.model.description import Description
from rtsod.training.camera_effects import Effects, with_effects
from rtsod.training.samples import Sample, normalised
from rtsod.training.square import fitted

Matrix: TypeAlias = NDArray[np.float64]
"""``(3, 3)``, maps points ``(x, y, 1)`` of one picture to another's. Points are in pixels from the top left corner, so
that the first pixel's centre is (.5, .5)."""
_FOREGROUND: Final = 128
"""A label's pixel from here on is subject."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far samples may differ from their pictures."""

    mirror: float
    """How often left and right are swapped, 0 to 1."""
    rotation: float
    """Greatest angle, in degrees, either way."""
    zoom: tuple[float, float]
    """Smallest and largest side of the window that is cut out, in sides of the sample; even on a logarithmic scale.
    Below 1 enlarges, but never so much that the subject does not fit: nobody can tell a subject by its fur."""
    on_subject: float
    """How often the window is laid around a random pixel of the subject instead of anywhere. Without that, windows that
    enlarge would often miss a small subject."""
    effects: Effects
    """Changes of colour and sharpness."""


NONE: Final = Augmentation(0, 0, (1, 1), 0, Effects(0, 0, 0, 0, 0))
MODERN: Final = Augmentation(0.5, 10, (0.5, 1.25), 0.5, Effects(1, 0.3, 0.3, 0.2, 0.2))
"""Turns by up to 10 degrees and scales up to 1.25 like InSPyReNet; enlarges further, so that small subjects are also
seen large. Blur and missing pixels, which change the authors' lite masks most, are most frequent. No camera sees people
upside down, so there is no vertical flip."""
FINETUNE: Final = Augmentation(0.5, 5, (0.75, 1.1), 0.5, Effects(0.5, 0.3, 0.3, 0.2, 0.2))
"""Geometry and colours stay closer to the data, which are few and like what the weights will see. Cameras still blur
and compress."""


@dataclass(frozen=True, slots=True)
class AugmentedRecipe:
    """Fit to a square, cut out a random window, change colour and sharpness, normalise."""

    description: Description
    """Of the weights that are trained: how pictures become square, how large, and how they are normalised."""
    crop: int
    """Side of the samples, in pixels, at most the square's."""
    augmentation: Augmentation

    def __post_init__(self) -> None:
        if not 0 < self.crop <= self.description.size:
            raise ValueError(f"a crop of {self.crop} pixels does not fit into {self.description.size}")

    @property
    def copies(self) -> int:
        """1: mirroring is left to chance."""
        return 1

    def __call__(self, image: Image, label: Image, copy: int, random: np.random.Generator) -> Sample:
        """See :class:`~rtsod.training.samples.SampleRecipe`."""
        square, mask = self.varied(image, label, random)
        return normalised(square, mask, self.description)

    def varied(self, image: Image, label: Image, random: np.random.Generator) -> tuple[Image, Image]:
        """The sample before it is normalised: ``(crop, crop, 3)`` uint8 BGR, and ``(crop, crop)`` uint8."""
        matrix = self.window(label, random)
        # Where the window reaches beyond the picture, a padded one has its bars, as it will when the network is used.
        # Otherwise the picture is mirrored there, with its label.
        border = cv2.BORDER_CONSTANT if self.description.fit == "pad" else cv2.BORDER_REFLECT_101
        square = _warp(image, matrix, self.crop, border, self.description.fitting.bars)
        square = with_effects(square, self.augmentation.effects, random)
        if self.description.fit == "pad":
            # No camera takes the bars, which have one colour whatever the picture.
            covered = _warp(np.full_like(label, 255), matrix, self.crop, border)
            square[covered == 0] = self.description.fitting.bars
        return square, _warp(label, matrix, self.crop, border)

    def window(self, label: Image, random: np.random.Generator) -> Matrix:
        """Draw the map from a sample's points to the picture's."""
        height, width = label.shape
        to_square = fit_matrix(width, height, self.description.size, self.description.fit)
        corners = to_square @ np.array([[0, width], [0, height], [1, 1]])
        # What there is to cut from, in the square's points: in a padded square also the bars, in a cropped one also
        # what is beyond it.
        low, high = np.minimum(corners[:2, 0], 0), np.maximum(corners[:2, 1], self.description.size)
        varied = self.augmentation

        subject = (label >= _FOREGROUND).view(np.uint8)
        *_, across, down = cv2.boundingRect(subject)  # 0 x 0 where there is none
        extent = max(across * to_square[0, 0], down * to_square[1, 1]) / self.crop
        smallest, largest = varied.zoom
        smallest = min(max(smallest, extent), max(smallest, 1), largest)
        zoom = math.exp(random.uniform(math.log(smallest), math.log(largest)))

        half = zoom * self.crop / 2
        first, last = np.minimum(low + half, high - half), np.maximum(low + half, high - half)
        centre = random.uniform(first, last)
        if random.random() < varied.on_subject and across:
            pixels = np.flatnonzero(subject)
            y, x = divmod(int(pixels[random.integers(len(pixels))]), width)
            pixel = to_square @ (x + 0.5, y + 0.5, 1)
            centre = np.clip(pixel[:2] + random.uniform(-half, half, 2), first, last)

        angle = math.radians(random.uniform(-varied.rotation, varied.rotation))
        mirror = -1 if random.random() < varied.mirror else 1
        turn = np.array([
            [zoom * mirror * math.cos(angle), -zoom * math.sin(angle), 0],
            [zoom * mirror * math.sin(angle), zoom * math.cos(angle), 0],
            [0, 0, 1],
        ])  # fmt: skip
        to_window = _shift(*centre) @ turn @ _shift(-self.crop / 2, -self.crop / 2)
        matrix: Matrix = np.linalg.inv(to_square) @ to_window
        return matrix


@dataclass(frozen=True, slots=True)
class PlainRecipe:
    """Fit to a square and normalise, as the engines do: for validation and previews. Nothing is left to chance."""

    description: Description
    """Of the weights."""

    @property
    def copies(self) -> int:
        """1."""
        return 1

    def __call__(self, image: Image, label: Image, copy: int, random: np.random.Generator | None = None) -> Sample:
        """See :class:`~rtsod.training.samples.SampleRecipe`."""
        size, fit = self.description.size, self.description.fit
        square, mask = shrink(image, size, self.description.fitting), fitted(label, size, fit)
        return normalised(square, mask, self.description)


def fit_matrix(width: int, height: int, size: int, fit: Fit) -> Matrix:
    """The map from a picture's points to those of the square it is fitted to."""
    if fit == "stretch":
        return np.diag([size / width, size / height, 1])
    scale = size / (max(width, height) if fit == "pad" else min(width, height))
    return _shift((size - scale * width) / 2, (size - scale * height) / 2) @ np.diag([scale, scale, 1])


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _warp(picture: Image, matrix: Matrix, size: int, border: int, bars: tuple[int, int, int] = (0, 0, 0)) -> Image:
    """A picture, seen through a map from the result's points to the picture's. Bilinear, as engines scale frames."""
    indices = _shift(-0.5, -0.5) @ matrix @ _shift(0.5, 0.5)  # OpenCV's first pixel is at (0, 0)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(picture, indices[:2], (size, size), flags=flags, borderMode=border, borderValue=bars)
    return np.asarray(warped, np.uint8)
