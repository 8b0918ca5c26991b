"""What every training of a small network of one's own has in common: the recipe, the samples, and its maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.learning.labelled import ZOOMED, Labelled
from rtsod.model.description import Description
from rtsod.model.u2net import U2Net
from rtsod.system.processor_class import processor_features
from rtsod.training.augmentation import Augmentation, AugmentedRecipe
from rtsod.training.camera_effects import Effects
from rtsod.training.config import Recipe, TrainPrecision
from rtsod.training.losses import Losses, LossRecipe, losses
from rtsod.training.samples import Sample, Samples, normalised

RECIPE: Final = Recipe(3e-3, 1e-2, "cosine", 0.05, 1.0, 0.99, 8, 1)
"""A rate three times that of ``modern``: the network has a fifth of lite's weights, and a few hundred steps. The
average looks back over a hundred of them. Its length is in minutes, not in steps."""
LOSS: Final = LossRecipe(iou=1.0, fused=2.0)
AUGMENTATION: Final = Augmentation(0.5, 4, (1 / ZOOMED, 1.1), 0.3, Effects(0.4, 0.15, 0.15, 0.2, 0.1))
"""One person in one room, in the light of other days: colours change most, geometry little. Blur and noise are those of
one camera."""
_BF16: Final = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions that multiply bfloat16. Without them it is emulated, and slower than float32."""


def objective(outputs: Sequence[Tensor], batch: Sample) -> Losses:
    """See :class:`rtsod.training.loop.Objective`."""
    return losses(outputs, batch.label, LOSS)


def samples_of(examples: Sequence[Labelled], description: Description, seed: int) -> Samples:
    """Samples of examples, varied as one's own camera and light vary.

    Args:
        examples: at least one.
        description: of the network.
        seed: of the variations.
    """
    return Samples(_Pictures(examples), AugmentedRecipe(description, description.size, AUGMENTATION), seed)


class _Pictures:
    """Examples as :class:`rtsod.training.samples.Pictures`."""

    def __init__(self, examples: Sequence[Labelled]) -> None:
        self._pictures = [example.picture for example in examples]
        self._labels = [shrink_label(example.label, len(example.picture)) for example in examples]

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        """See :class:`~rtsod.training.samples.Pictures`."""
        return self._pictures[index], self._labels[index]


def shrink_label(label: Image, side: int) -> Image:
    """A label at another side, as a frame is scaled."""
    if len(label) == side:
        return label
    return shrink(np.repeat(label[..., None], 3, axis=2), side)[..., 0].copy()


def precision_on(device: str) -> TrainPrecision:
    """bfloat16 on processors that multiply it, where a step of TINY takes two thirds of its time; else float32.

    Args:
        device: ``cpu``, or ``auto``.
    """
    features = processor_features() or frozenset()
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    return "bf16" if on_cpu and features & _BF16 else "fp32"


def network_maps(
    network: U2Net, description: Description, examples: Sequence[Labelled], device: torch.device | str = "cpu"
) -> list[Alpha]:
    """The network's maps of what the engine will see of some examples, ``(S, S)`` float32 in [0, 1] each.

    Args:
        network: on ``device``; left in the mode that it is in.
        description: of its weights.
        examples: any number.
        device: that the network is on.
    """
    training = network.training
    network.eval()
    maps = []
    with torch.inference_mode():
        for example in examples:
            sample = normalised(example.seen, np.zeros(example.seen.shape[:2], np.uint8), description)
            maps.append(torch.sigmoid(network(sample.image[None].to(device)).float())[0, 0].cpu().numpy())
    network.train(training)
    return maps
