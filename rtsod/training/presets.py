"""What each preset does with samples and losses. Rates, schedules and lengths are in :mod:`rtsod.training.config`."""

from __future__ import annotations

from rtsod.errors import UsageError
from rtsod.model.description import Description
from rtsod.training import augmentation, losses
from rtsod.training.augmentation import AugmentedRecipe
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
        varied = augmentation.MODERN if preset == "modern" else augmentation.FINETUNE
        return AugmentedRecipe(description, crop, varied)
    if description.fit != "stretch":
        raise UsageError(f"--fit {description.fit}: the paper stretches pictures: choose --preset modern")
    return PaperRecipe(description.size, crop)


def loss_recipe(preset: Preset) -> LossRecipe:
    """What a preset's loss consists of."""
    return losses.PAPER if preset == "paper" else losses.MODERN
