"""Losses of saliency maps, and their sum over the network's heads.

Every loss is computed in float32, also under autocast, and is the mean over the batch. Labels may be soft: each loss is
least where the map equals the label, wherever between 0 and 1 that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

HEADS: Final = ("fused", "side1", "side2", "side3", "side4", "side5", "side6")
"""The maps that U²-Net returns in training, in this order."""


def bce(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy, ``-y log p - (1 - y) log(1 - p)`` with ``p = sigmoid(logits)``, mean over all pixels."""
    return F.binary_cross_entropy_with_logits(logits, label)


def iou(probability: Tensor, label: Tensor) -> Tensor:
    """One minus the soft IoU, ``1 - (sum min(p, y) + 1) / (sum max(p, y) + 1)``, per picture.

    With hard labels, minimum and maximum are the product and the probabilistic sum of the usual soft IoU. Unlike those
    they are also right for soft labels (Jaccard metric loss; Wang, Ning, Blaschko, NeurIPS 2023). The added pixel keeps
    value and gradient finite for an empty label.
    """
    both = torch.minimum(probability, label).sum((1, 2, 3))
    either = torch.maximum(probability, label).sum((1, 2, 3))
    return (1 - (both + 1) / (either + 1)).mean()


@dataclass(frozen=True, slots=True)
class LossRecipe:
    """What the loss of one head is made of, and how the heads are summed."""

    bce: float = 1
    iou: float = 0
    fused: float = 1
    """Weight of the fused map; each side map weighs 1."""


class Losses(NamedTuple):
    """The losses of one batch."""

    total: Tensor
    """Scalar, float32: what to call ``backward`` on."""
    heads: dict[str, Tensor]
    """Scalar, float32, without gradient, by :data:`HEADS`: each head's loss before its weight."""


def losses(logits: Sequence[Tensor], label: Tensor, recipe: LossRecipe) -> Losses:
    """The losses of one batch.

    Args:
        logits: ``(B, 1, S, S)`` each, any float dtype: fused, side1, ..., side6, or the first few of them.
        label: ``(B, 1, S, S)`` float32 in [0, 1].
        recipe: which losses.
    """
    with torch.autocast(label.device.type, enabled=False):
        each = {head: _head(map_.float(), label, recipe) for head, map_ in zip(HEADS, logits, strict=False)}
        total = torch.stack([loss * recipe.fused if head == "fused" else loss for head, loss in each.items()]).sum()
    return Losses(total, {head: loss.detach() for head, loss in each.items()})


def _head(logits: Tensor, label: Tensor, recipe: LossRecipe) -> Tensor:
    loss = recipe.bce * bce(logits, label)
    if recipe.iou:
        loss = loss + recipe.iou * iou(torch.sigmoid(logits), label)
    return loss
