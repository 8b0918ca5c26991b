"""The network in fp16, rounded so that the systematic part of the error is corrected.

A plain cast is not accurate enough for the lite model. In De_2 one channel is 226 in every pixel; the next convolution
multiplies it by weights that sum to 6 and subtracts 1361 again. fp16 represents either number to half a unit, and their
difference is about one: masks are off by 0.0023 on average, and by 0.0006 after correction. The remedy is bias
correction (Nagel et al., arXiv:1906.04721, section 4.2). The mean shift that rounding causes is subtracted in the bias.
What the bias is too coarse for goes into the smallest weight of an input channel that is nearly constant.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from rtsod.model.u2net import ConvBNReLU, U2Net, convolutions

COARSE_BIAS: Final = 64.0
"""A larger bias is coarser than 1/32 in fp16: see :func:`cancels`."""
_NEAR_CONSTANT_RATIO: Final = 0.1
"""An input channel is nearly constant if its standard deviation is at most this fraction of its mean."""


def cancels(conv: nn.Conv2d) -> bool:
    """Whether a convolution subtracts a large constant from a large sum.

    Its sum must then stay in float32 until the bias has been added. OpenVINO and TensorRT add the bias to the
    accumulator; PyTorch on CUDA rounds to fp16 between the two, and needs :func:`widen`.
    """
    return conv.bias is not None and float(conv.bias.abs().max()) > COARSE_BIAS


@torch.no_grad()
def fp16_from_fp32(network: U2Net, example: Tensor) -> U2Net:
    """The network in fp16, for runtimes that accumulate in float32.

    Args:
        network: in evaluation mode, batch norm folded, float32, on the CPU; left as it is.
        example: (1, 3, S, S) float32, normalised: any picture, to measure what the convolutions see on average.

    Returns:
        The same structure in float16.
    """
    wanted = _mean_outputs(network, example)
    rounded = copy.deepcopy(network)
    for name, conv in _named_convolutions(rounded).items():
        assert conv.bias is not None
        if name in wanted:
            # Corrected when the example reaches it, because its inputs depend on the rounding of all layers before.
            conv.register_forward_pre_hook(_correction(wanted[name]))
        else:
            conv.weight.copy_(_round(conv.weight))
            conv.bias.copy_(_round(conv.bias))
            conv.register_forward_pre_hook(lambda _, inputs: (_round(inputs[0]),))
    rounded(example)
    for conv in convolutions(rounded):
        conv._forward_pre_hooks.clear()
    return rounded.half()


def _mean_outputs(network: U2Net, example: Tensor) -> dict[str, Tensor]:
    """The mean output, (C',), of every convolution that :func:`cancels`, by its name."""
    means: dict[str, Tensor] = {}

    def record(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            means[name] = out.mean((0, 2, 3))

        return hook

    exact = copy.deepcopy(network)
    for name, conv in _named_convolutions(exact).items():
        if cancels(conv):
            conv.register_forward_hook(record(name))
    exact(example)
    return means


def _named_convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}


def _round(x: Tensor) -> Tensor:
    return x.half().float()


def _correction(wanted: Tensor) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    """A hook that rounds a convolution's input and, with it, corrects the convolution."""

    def hook(conv: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        assert isinstance(conv, nn.Conv2d)
        x = _round(inputs[0])
        _correct(conv, x, wanted)
        return (x,)

    return hook


def _correct(conv: nn.Conv2d, x: Tensor, wanted: Tensor) -> None:
    """Round a convolution's weights in place so that its mean outputs stay what they were.

    Args:
        conv: float32; its weights and bias end up as numbers that fp16 represents.
        x: (1, C, H, W): its input in the rounded network.
        wanted: (C',), its mean outputs in the float32 network.
    """
    assert conv.bias is not None
    conv.weight.copy_(_round(conv.weight))
    bias = conv.bias + wanted - conv._conv_forward(x, conv.weight, conv.bias).mean((0, 2, 3))
    conv.bias.copy_(_round(bias))

    deviation, inputs = torch.std_mean(x, (0, 2, 3))
    inputs[deviation > _NEAR_CONSTANT_RATIO * inputs.abs()] = 0  # a varying input cannot stand in for a constant
    largest = int(inputs.abs().argmax())
    if float(inputs[largest]) != 0:
        taps = conv.weight[:, largest].flatten(1)  # (C', 9)
        smallest = taps.abs().argmin(1, keepdim=True)
        shift = ((bias - conv.bias) / inputs[largest])[:, None]
        conv.weight[:, largest] = _round(taps.scatter_add(1, smallest, shift)).view_as(conv.weight[:, largest])


class WideConv(nn.Module):
    """An fp16 convolution computed in float32, including its bias, and rounded once at the end."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = copy.deepcopy(conv).float()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W), both float16."""
        return self.conv(x.float()).to(x.dtype)  # type: ignore[no-any-return]


def widen(network: U2Net) -> U2Net:
    """Replace, in place, the few convolutions of an fp16 network that :func:`cancels` finds by :class:`WideConv`."""
    for layer in network.modules():
        if isinstance(layer, ConvBNReLU) and isinstance(layer.conv_s1, nn.Conv2d) and cancels(layer.conv_s1):
            layer.conv_s1 = WideConv(layer.conv_s1)  # type: ignore[assignment]
    return network
