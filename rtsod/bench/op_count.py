"""How much there is to compute, counted from the graph itself."""

from __future__ import annotations

from dataclasses import dataclass

from rtsod.config import ModelName


@dataclass(frozen=True, slots=True)
class Work:
    """Of one inference."""

    macs: int
    """Multiplications with addition in the convolutions, done directly (Winograd's way needs fewer)."""
    activations: int
    """Numbers that the convolutions write."""
    parameters: int

    @property
    def flops(self) -> int:
        """Two for each multiplication with addition."""
        return 2 * self.macs

    def traffic(self, bytes_each: int) -> int:
        """Bytes moved if every activation is written and read once and every parameter read once."""
        return (2 * self.activations + self.parameters) * bytes_each


def count_work(model: ModelName, input_size: int) -> Work:
    """Run the graph without numbers (PyTorch's meta device) and add up what its convolutions would do."""
    import torch  # a second to import

    from rtsod.model.u2net import TABLES, U2Net, convolutions

    macs = activations = 0

    def add(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal macs, activations
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        activations += output.numel()
        macs += output.numel() * weight[0].numel()

    with torch.device("meta"), torch.inference_mode():
        network = U2Net(TABLES[model]).eval()
        for convolution in convolutions(network):
            convolution.register_forward_hook(add)
        network(torch.empty(1, 3, input_size, input_size))
    return Work(macs, activations, sum(parameter.numel() for parameter in network.parameters()))
