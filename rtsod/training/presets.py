"""What each preset does with samples and losses. Rates, schedules and lengths are in :mod:`rtsod.training.config`."""

from __future__ import annotations

import math

from rtsod.errors import UsageError
from rtsod.model.description import Description
from rtsod.training import augmentation, losses
from rtsod.training.augmentation import Augmentation, AugmentedRecipe
from rtsod.training.config import Preset
from rtsod.training.losses import LossRecipe
from rtsod.training.paper import PaperRecipe
from rtsod.training.samples import SampleRecipe


def sample_recipe(preset: Preset, description: Description, crop: int) -> SampleRecipe:
    """How a preset prepares samples.

    Args:
        preset: which.
        description: of the weights that are trained: how pictures become square, how large, how they are normalised.
        crop: side of the samples, in pixels, at most the square's.

    Raises:
        UsageError: the preset does not fit pictures like that.
    """
    if preset != "paper":
        return AugmentedRecipe(description, crop, _augmentation(preset))
    if description.fit != "stretch":
        raise UsageError(f"--fit {description.fit}: the paper stretches pictures: choose --preset modern")
    return PaperRecipe(description.size, crop)


def picture_side(preset: Preset, description: Description) -> int | None:
    """To how many pixels the shorter side of a picture may be reduced before samples are taken from it.

    Returns:
        What the most enlarged sample needs. None: pictures stay as they are; the recipe scales them itself.
    """
    return None if preset == "paper" else math.ceil(description.size / _augmentation(preset).zoom[0])


def draws_small_oftener(preset: Preset) -> bool:
    """Whether pictures with small subjects are drawn more often, see :func:`rtsod.training.order.small_oftener`."""
    return preset != "paper"


def _augmentation(preset: Preset) -> Augmentation:
    return augmentation.MODERN if preset == "modern" else augmentation.FINETUNE


def loss_recipe(preset: Preset) -> LossRecipe:
    """What a preset's loss consists of."""
    return losses.PAPER if preset == "paper" else losses.MODERN
