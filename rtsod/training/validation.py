"""How good the network is on pictures it was not trained on: MAE, and the paper's maxF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from rtsod.evaluation.curves import Curves, mae, max_f_of_means
from rtsod.frames import Image
from rtsod.model.u2net import U2Net
from rtsod.training.augmentation import PlainRecipe
from rtsod.training.samples import Pictures
from rtsod.training.square import unfitted

if TYPE_CHECKING:
    from rtsod.training.processes import Processes

_FOREGROUND: Final = 128
"""A mask's level above which a pixel is foreground, as in the paper's evaluation."""


class Validation(NamedTuple):
    """The numbers of one validation."""

    mae: float
    """Mean absolute error, 0 to 1. The best weights are those with the lowest: a map is used as alpha, and this is how
    far it is off. maxF only asks whether some threshold would be right."""
    max_f: float
    """Largest F of the mean precision and recall, 0 to 1."""


def validate(network: U2Net, pictures: Pictures, recipe: PlainRecipe, processes: Processes) -> Validation:
    """Judge a network. Each process judges its part of the pictures; the result does not depend on their number.

    Args:
        network: on the processes' device. It is left in evaluation mode.
        pictures: at least one.
        recipe: makes the network's input, as the engines do.
        processes: of the run.
    """
    network.eval()
    judged = []
    for number in range(processes.rank, len(pictures), processes.world):
        image, label = pictures[number]
        levels = predicted(network, image, recipe, processes.device)
        truth = label > _FOREGROUND
        judged.append((number, Curves.of(levels, truth), mae(levels, truth)))
    everything = sorted((one for part in processes.gather(judged) for one in part), key=lambda one: one[0])
    curves = [one[1] for one in everything]
    return Validation(float(np.mean([one[2] for one in everything])), max_f_of_means(curves))


def predicted(network: U2Net, image: Image, recipe: PlainRecipe, device: torch.device) -> Image:
    """A picture's map at its own size.

    Args:
        network: in evaluation mode.
        image: ``(H, W, 3)`` uint8 BGR.
        recipe: makes the network's input.
        device: that the network is on.

    Returns:
        ``(H, W)`` uint8, 0..255.
    """
    height, width = image.shape[:2]
    sample = recipe(image, np.zeros((height, width), np.uint8), 0)
    with torch.inference_mode():
        saliency = torch.sigmoid(network(sample.image[None].to(device)).float())[0, 0].cpu().numpy()
    whole = unfitted(saliency, width, height, recipe.description.fit)
    return np.asarray(np.rint(whole * 255), np.uint8)
