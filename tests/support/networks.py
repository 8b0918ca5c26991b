"""A network that is small enough for any test: the full structure, few channels."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from rtsod.model.description import Description
from rtsod.model.table import LITE, Block
from rtsod.model.u2net import U2Net


def _thin(out: int, mid: int) -> tuple[Block, ...]:
    """Lite's heights with other channels."""
    inputs = [3, *[out] * 5, *[2 * out] * 5]
    return tuple(
        Block(block.height, channels, mid, out, block.dilated) for block, channels in zip(LITE, inputs, strict=True)
    )


TINY: Final = Description("tiny", _thin(out=8, mid=4), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), "stretch", 64)
"""Not ImageNet's normalisation, so that a test notices who ignores it."""


def tiny_network(seed: int = 0, description: Description = TINY) -> U2Net:
    """Random weights, in evaluation mode, with batch norms that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    network = U2Net(description.table).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                assert module.bias is not None
                module.bias.normal_(0, 0.1, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
    return network
