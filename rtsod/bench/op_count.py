"""Counts the network's arithmetic and memory traffic from its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtsod.model.table import Block


@dataclass(frozen=True, slots=True)
class OpCount:
    """Operations and data of one inference."""

    macs: int
    """Multiply-accumulates of the convolutions, computed directly; Winograd's algorithm needs fewer."""
    activations: int
    """Values the convolutions write."""
    parameters: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two per multiply-accumulate."""
        return 2 * self.macs

    def traffic_bytes(self, bytes_per_value: int) -> int:
        """Bytes moved if every activation is written and read once and every parameter is read once."""
        return (2 * self.activations + self.parameters) * bytes_per_value


def count_operations(table: Sequence[Block], input_size: int) -> OpCount:
    """Run the graph on PyTorch's meta device, which computes no values, and add up its convolutions.

    Args:
        table: of the network.
        input_size: side of the network's input, in pixels.
    """
    import torch  # takes about a second to import

    from rtsod.model.u2net import U2Net, convolutions

    macs = activations = 0

    def add(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal macs, activations
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        activations += output.numel()
        macs += output.numel() * weight[0].numel()

    with torch.device("meta"), torch.inference_mode():
        network = U2Net(table).eval()
        for convolution in convolutions(network):
            convolution.register_forward_hook(add)
        network(torch.empty(1, 3, input_size, input_size))
    return OpCount(macs, activations, sum(parameter.numel() for parameter in network.parameters()))
