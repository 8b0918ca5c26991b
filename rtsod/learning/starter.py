"""What a lesson begins with: the starter that ships with the program, or random weights of its table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Description, describe
from rtsod.model.shipped import shipped_models
from rtsod.model.table import TABLES
from rtsod.model.u2net import U2Net
from rtsod.training.network import load_weights

STARTER: Final = "tiny"
SIZE: Final = 192
"""Side of the input, in pixels, where there is no starter to say it."""


@dataclass(frozen=True, slots=True)
class Start:
    """A table, and weights for it."""

    description: Description
    """Of the network to be learned, its name included."""
    weights: Path | None
    """None: random ones."""
    name: str | None
    """Of the weights."""

    def network(self, seed: int) -> U2Net:
        """The network before its first step.

        Raises:
            WeightsError: the weights do not fit.
        """
        torch.manual_seed(seed)
        network = U2Net(self.description.table)
        if self.weights is not None:
            load_weights(network, self.weights)
        return network


def starting_point(name: str) -> Start:
    """The starter, under the name of the network to be learned.

    Raises:
        WeightsError: the starter is damaged.
    """
    for model in shipped_models():
        if model.name == STARTER and (said := describe(model.weights)) is not None:
            return Start(replace(said, name=name), model.weights, STARTER)
    return Start(Description(name, TABLES[STARTER], IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", SIZE), None, None)
