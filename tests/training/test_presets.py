from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtsod.errors import UsageError
from rtsod.model.description import PUBLISHED_DESCRIPTIONS
from rtsod.training.config import PRESETS, Preset
from rtsod.training.order import Draw
from rtsod.training.presets import loss_recipe, picture_side, sample_recipe
from rtsod.training.samples import Samples

LITE = PUBLISHED_DESCRIPTIONS["lite"]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("crop", [288, 320])
def test_a_preset_gives_samples_of_the_crops_size(preset: Preset, crop: int) -> None:
    picture = np.full((60, 90, 3), 130, np.uint8), np.full((60, 90), 77, np.uint8)
    sample = Samples([picture], sample_recipe(preset, LITE, crop), seed=0)[Draw(0, 0)]
    assert sample.image.shape == (3, crop, crop)
    torch.testing.assert_close(sample.label, torch.full((1, crop, crop), 77 / 255))


def test_only_the_paper_doubles_the_set_and_keeps_pictures_whole() -> None:
    assert {preset: sample_recipe(preset, LITE, 288).copies for preset in PRESETS} == {
        "paper": 2, "modern": 1, "finetune": 1,
    }  # fmt: skip
    assert {preset: picture_side(preset, LITE) for preset in PRESETS} == {"paper": None, "modern": 640, "finetune": 427}


def test_the_paper_does_not_pad() -> None:
    with pytest.raises(UsageError, match=r"--fit pad.*--preset modern"):
        sample_recipe("paper", replace(LITE, fit="pad"), 288)


def test_the_papers_loss_is_cross_entropy_alone() -> None:
    recipe = loss_recipe("paper")
    assert (recipe.bce, recipe.iou, recipe.ssim, recipe.laplacian, recipe.fused) == (1, 0, 0, 0, 1)
