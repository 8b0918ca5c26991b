"""Pictures with their labels, prepared for the network: what a :class:`torch.utils.data.DataLoader` loads."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rtsod.frames import Image
from rtsod.model.description import Description
from rtsod.training.order import Draw


class Sample(NamedTuple):
    """One picture as the network sees it, and what its map should be. A loader stacks them to one of batches."""

    image: Tensor
    """``(3, S, S)`` float32, RGB, normalised."""
    label: Tensor
    """``(1, S, S)`` float32 in [0, 1]: 1 is subject."""


class Pictures(Protocol):
    """Pictures with labels, by number. Read in worker processes: it is pickled or forked."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        """``(H, W, 3)`` uint8 BGR and ``(H, W)`` uint8, 0..255; H and W differ from picture to picture."""
        ...


class SampleRecipe(Protocol):
    """How a picture becomes a sample."""

    @property
    def copies(self) -> int:
        """Samples a picture gives; 2 if each is also used mirrored."""
        ...

    def __call__(self, image: Image, label: Image, copy: int, random: np.random.Generator) -> Sample:
        """One sample.

        Args:
            image: ``(H, W, 3)`` uint8 BGR; not modified.
            label: ``(H, W)`` uint8, 0..255; not modified.
            copy: which of the ``copies``, from 0.
            random: the only source of chance.
        """
        ...


class Samples(Dataset[Sample]):
    """The samples of some pictures. Sample ``i`` is copy ``i // len(pictures)`` of picture ``i % len(pictures)``.

    Each sample's chance comes from its seed, epoch and index alone, so it does not matter which worker prepares it.

    Args:
        pictures: to take samples from.
        recipe: how to prepare them.
        seed: at least 0.
    """

    def __init__(self, pictures: Pictures, recipe: SampleRecipe, seed: int) -> None:
        self._pictures = pictures
        self._recipe = recipe
        self._seed = seed

    def __len__(self) -> int:
        return len(self._pictures) * self._recipe.copies

    def __getitem__(self, draw: Draw) -> Sample:
        copy, number = divmod(draw.sample, len(self._pictures))
        image, label = self._pictures[number]
        random = np.random.default_rng((self._seed, draw.epoch, draw.sample))
        return self._recipe(image, label, copy, random)


def normalised(image: Image, label: Image, description: Description) -> Sample:
    """A sample of 8-bit pixels: ``(p / 255 - mean) / deviation`` in RGB, and ``label / 255``.

    Args:
        image: ``(S, S, 3)`` uint8 BGR.
        label: ``(S, S)`` uint8.
        description: whose mean and deviation to use.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))).float()
    mean, deviation = (torch.tensor(of).view(3, 1, 1) * 255 for of in (description.mean, description.deviation))
    return Sample((pixels - mean) / deviation, torch.from_numpy(np.ascontiguousarray(label)).float()[None] / 255)
