"""A network that is small enough for any test: the full structure, few channels."""

from __future__ import annotations

from typing import Final

import cv2
import torch
import torch.nn.functional as F
from torch import nn

from rtsod.drawing.scene import DrawnScene
from rtsod.imaging.network_input import shrink
from rtsod.model.description import Description
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.table import LITE, Block
from rtsod.model.u2net import U2Net


def _thin(out: int, mid: int) -> tuple[Block, ...]:
    """Lite's heights with other channels."""
    inputs = [3, *[out] * 5, *[2 * out] * 5]
    return tuple(
        Block(block.height, channels, mid, out, block.dilated) for block, channels in zip(LITE, inputs, strict=True)
    )


TINY: Final = Description("thin", _thin(out=8, mid=4), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), "stretch", 64)
"""Not ImageNet's normalisation, so that a test notices who ignores it."""


def _odd() -> tuple[Block, ...]:
    """Every height that a stage allows to be smallest or largest, blocks of one channel, and no two stages alike."""
    kinds = [(3, False), (4, True), (2, False), (4, False), (3, False), (2, False),
             (2, False), (4, True), (5, False), (2, False), (7, False)]  # fmt: skip
    outs, mids = [5, 6, 1, 7, 3, 4, 2, 8, 5, 6, 3], [1, 3, 2, 1, 4, 1, 3, 1, 2, 5, 1]
    inputs = [3, *outs[:5], *(outs[below] + outs[9 - below] for below in range(5, 10))]
    return tuple(
        Block(height, channels, mid, out, dilated)
        for (height, dilated), channels, mid, out in zip(kinds, inputs, mids, outs, strict=True)
    )


ODD: Final = Description("odd", _odd(), (0.5, 0.4, 0.3), (0.3, 0.2, 0.25), "pad", 96)


def trained_network(description: Description = TINY, steps: int = 80) -> U2Net:
    """A network that finds the drawn scene's figure, in seconds: enough for maps with a subject and a background.

    A plain loop of the paper's seven-term loss. It does not stand in for ``rtsod train``; it gives tests of everything
    after the training something to run.
    """
    generator = torch.Generator().manual_seed(0)
    scene, size = DrawnScene(160, 120), description.size
    pictures, labels = zip(*(scene.render(frame) for frame in range(0, 240, 10)), strict=True)
    inputs = torch.stack([torch.from_numpy(shrink(picture, size, description.fitting)) for picture in pictures])
    with torch.no_grad():
        normalise = SaliencyGraph(U2Net(description.table), description.mean, description.deviation).normalised
        images = torch.cat([normalise(each[None]) for each in inputs])
    truth = torch.stack([torch.from_numpy(cv2.resize(label, (size, size))) for label in labels])[:, None]
    network = tiny_network(description=description).train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        chosen = torch.randperm(len(images), generator=generator)[:6]
        outputs = network(images[chosen])
        loss = sum(F.binary_cross_entropy_with_logits(each, truth[chosen]) for each in outputs)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        optimiser.step()
    return network.eval()


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
