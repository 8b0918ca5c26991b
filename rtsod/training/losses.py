"""Losses of saliency maps, and their sum over the network's heads.

Every loss is a mean over the batch, computed in float32, also under autocast. Labels may be soft: each loss is least
where the map equals the label, wherever between 0 and 1 that is. An empty or a full label gives finite values and
gradients.
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

SSIM_WINDOW: Final = 11
"""Side, in pixels, of the Gaussian window of :func:`ssim`."""
_SSIM_SIGMA: Final = 1.5
_SSIM_C1: Final = 0.01**2
_SSIM_C2: Final = 0.03**2
"""Window and constants of Wang et al. 2004, for values in [0, 1]."""
_BINOMIAL: Final = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""The generating kernel of Burt and Adelson 1983 with a = .375."""
PYRAMID_LEVELS: Final = 5
"""Of the Laplacian pyramid: at 320 pixels, the coarsest is 20 pixels wide, a third of which is the kernel."""


def bce(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy: the mean over all pixels of ``-y log p - (1 - y) log(1 - p)`` with ``p = sigmoid(logits)``.

    Args:
        logits: ``(B, 1, H, W)``.
        label: ``(B, 1, H, W)`` in [0, 1].
    """
    return F.binary_cross_entropy_with_logits(logits, label)


def iou(probability: Tensor, label: Tensor) -> Tensor:
    """One minus the soft intersection over union of each picture: ``1 - (sum min(p, y) + 1) / (sum max(p, y) + 1)``.

    Where labels are 0 or 1, minimum and maximum are the usual ``p y`` and ``p + y - p y``. With those, a soft label is
    met best by a hard map; with these, by itself (Jaccard metric loss: Wang, Ning, Blaschko, NeurIPS 2023). One pixel
    is added to both, so that an empty label that is met by an empty map has a loss of 0.

    Args:
        probability: ``(B, 1, H, W)`` in [0, 1].
        label: the same.
    """
    both = torch.minimum(probability, label).sum((1, 2, 3))
    either = torch.maximum(probability, label).sum((1, 2, 3))
    return (1 - (both + 1) / (either + 1)).mean()


def ssim(probability: Tensor, label: Tensor) -> Tensor:
    """One minus the structural similarity (Wang et al. 2004), mean over all windows that lie within the picture.

    Args:
        probability: ``(B, 1, H, W)`` in [0, 1], with sides of at least :data:`SSIM_WINDOW`.
        label: the same.
    """
    p, y = probability, label
    offsets = torch.arange(SSIM_WINDOW, dtype=p.dtype, device=p.device) - SSIM_WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    mean_p, mean_y, pp, yy, py = _blur(torch.cat((p, y, p * p, y * y, p * y), 1), kernel / kernel.sum()).unbind(1)
    variances = pp - mean_p**2 + yy - mean_y**2
    covariance = py - mean_p * mean_y
    luminance = (2 * mean_p * mean_y + _SSIM_C1) / (mean_p**2 + mean_y**2 + _SSIM_C1)
    structure = (2 * covariance + _SSIM_C2) / (variances + _SSIM_C2)
    return 1 - (luminance * structure).mean()


def laplacian(probability: Tensor, label: Tensor) -> Tensor:
    """L1 distance of Laplacian pyramids: ``sum over levels of 2^level mean |L(p) - L(y)|``, divided by five.

    Level 0 holds the finest details, each further one has half the width and height, and the last holds what remains
    (Burt and Adelson 1983; as a loss for mattes: Hou and Liu, ICCV 2019).

    Args:
        probability: ``(B, 1, H, W)`` in [0, 1].
        label: the same.
    """
    # The pyramid is linear: that of the difference is the difference of the pyramids.
    rest, total = probability - label, torch.zeros((), dtype=probability.dtype, device=probability.device)
    kernel = torch.tensor(_BINOMIAL, dtype=rest.dtype, device=rest.device)
    for level in range(PYRAMID_LEVELS - 1):
        if min(rest.shape[2:]) < len(_BINOMIAL):
            break
        small = _blur(F.pad(rest, (2, 2, 2, 2), "reflect"), kernel)[:, :, ::2, ::2]
        detail = rest - F.interpolate(small, size=rest.shape[2:], mode="bilinear", align_corners=False)
        total += 2.0**level * detail.abs().mean()
        rest = small
    total += 2.0 ** (PYRAMID_LEVELS - 1) * rest.abs().mean()
    return total / PYRAMID_LEVELS


def _blur(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each channel with a symmetric kernel along rows and columns; the result is smaller by the kernel."""
    batch, channels, height, width = maps.shape
    flat = maps.reshape(batch * channels, 1, height, width)
    flat = F.conv2d(F.conv2d(flat, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return flat.reshape(batch, channels, *flat.shape[2:])


@dataclass(frozen=True, slots=True)
class LossRecipe:
    """What the loss of a head is made of, and how the heads are summed."""

    bce: float = 1.0
    iou: float = 0.0
    ssim: float = 0.0
    laplacian: float = 0.0
    """Weights of the four losses of a head."""
    fused: float = 1.0
    """Weight of the fused map; each side map weighs 1."""
    teacher: float = 0.3
    """Share of the teacher, 0 to 1, if there is one: each head's loss is ``(1 - share) * to the label + share * to the
    teacher``. The label's losses alone count for heads that the teacher does not have."""


PAPER: Final = LossRecipe()
"""The authors': seven times the mean binary cross-entropy."""
MODERN: Final = LossRecipe(iou=1.0, fused=2.0)
"""The IoU makes small subjects count as much as large ones. The authors found a fused map of weight 2 to 5 a little
better (issue 115 of their repository), SSIM of little use and hard on soft edges (145)."""


class Losses(NamedTuple):
    """The losses of one batch."""

    total: Tensor
    """Scalar, float32: what to call ``backward`` on."""
    heads: dict[str, Tensor]
    """Scalars, float32, without gradient, by :data:`HEADS`: each head's loss before its weight."""


def losses(
    logits: Sequence[Tensor], label: Tensor, recipe: LossRecipe, teacher: Sequence[Tensor] | None = None
) -> Losses:
    """The losses of one batch.

    Args:
        logits: ``(B, 1, S, S)`` each, of any float dtype: the fused map, then as many side maps as there are.
        label: ``(B, 1, S, S)`` float32 in [0, 1].
        recipe: which losses.
        teacher: what :class:`rtsod.training.teacher.Teacher` returned for the same pictures: probabilities in [0, 1],
            shaped like ``logits``, in their order.
    """
    heads = HEADS[: len(logits)]
    with torch.autocast(label.device.type, enabled=False):
        each: dict[str, Tensor] = {}
        for number, head in enumerate(heads):
            target = teacher[number].float() if teacher is not None and number < len(teacher) else None
            each[head] = _head(logits[number].float(), label.float(), recipe, target)
        total = torch.stack([loss * (recipe.fused if head == "fused" else 1) for head, loss in each.items()]).sum()
    return Losses(total, {head: loss.detach() for head, loss in each.items()})


def _head(logits: Tensor, label: Tensor, recipe: LossRecipe, teacher: Tensor | None) -> Tensor:
    probability = torch.sigmoid(logits)
    loss = recipe.bce * bce(logits, label)
    for weight, term in ((recipe.iou, iou), (recipe.ssim, ssim), (recipe.laplacian, laplacian)):
        if weight:
            loss = loss + weight * term(probability, label)
    if teacher is None:
        return loss
    distance = F.mse_loss(probability, teacher) + iou(probability, teacher)
    return (1 - recipe.teacher) * loss + recipe.teacher * distance
