"""A frozen network to learn from, map by map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rtsod.model.u2net import U2Net


class Teacher:
    """A U²-Net in evaluation mode that returns all of its maps, and is never trained.

    It is no module, so that nothing saves, averages, wraps or switches it to training with the network it teaches.

    Args:
        network: whose maps to learn; taken over.
        device: to run on.
    """

    def __init__(self, network: U2Net, device: torch.device | str = "cpu") -> None:
        self._network: nn.Module = network.eval().requires_grad_(False).to(device)
        self._heads = network.heads

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of a batch.

        Args:
            images: ``(B, 3, S, S)``, RGB, normalised as the teacher wants it.

        Returns:
            ``(B, 1, S, S)`` float32 each, in [0, 1]: the fused map, then ``side1`` to ``side6``.
        """
        with torch.no_grad():
            return tuple(torch.sigmoid(logits.float()) for logits in self._heads(images))
