"""Half precision that keeps what the network computes: rounding whose systematic error is taken back.

A plain cast is not good enough for the lite model. In De_2 one channel is 226 wherever one looks; the next convolution
multiplies it by weights that sum to 6 and takes 1361 away again. In half precision both are known to half a unit, and
the difference is worth one: masks are off by .0023 on average, corrected by .0006. The remedy is bias correction (Nagel
et al., arXiv:1906.04721, section 4.2): what rounding shifts on average is taken back in the bias, and what the bias is
too coarse for in the smallest weight of an input that is always the same.
"""

from __future__ import annotations

import copy
from typing import Final

import torch
from torch import Tensor, nn

from rtsod.model.u2net import ConvBNReLU, U2Net, convolutions

COARSE_BIAS: Final = 64.0
"""A bias beyond this is coarser than 1/32 in half precision: see :func:`cancels`."""
_STEADY: Final = 0.1
"""An input channel counts as always the same where its deviation is less than this part of its mean."""


def cancels(conv: nn.Conv2d) -> bool:
    """Whether a convolution takes a large constant away from a large sum.

    The sum must then stay in float32 until the bias is on it. OpenVINO and TensorRT add the bias to the accumulator;
    PyTorch on CUDA rounds to half precision between the two, and needs :func:`widen`.
    """
    return conv.bias is not None and float(conv.bias.abs().max()) > COARSE_BIAS


@torch.no_grad()
def fp16_from_fp32(network: U2Net, example: Tensor) -> U2Net:
    """The network in half precision, for runtimes that accumulate in float32.

    Args:
        network: evaluating, batch norm folded, float32, on the CPU; left as it is.
        example: (1, 3, S, S) float32, normalised: any picture, to know what the convolutions see on average.

    Returns:
        The same structure in float16.
    """
    exact, rounded = copy.deepcopy(network), copy.deepcopy(network)
    means: list[Tensor] = []
    wanted = iter(means)  # both networks run their convolutions in the same order
    for here, there in zip(convolutions(exact), convolutions(rounded), strict=True):
        assert there.bias is not None
        if cancels(here):
            here.register_forward_hook(lambda _, inputs, out: means.append(out.mean((0, 2, 3))))
            hook = lambda conv, inputs: (_correct(conv, _round(inputs[0]), next(wanted)),)  # noqa: E731
        else:
            there.weight.copy_(_round(there.weight))
            there.bias.copy_(_round(there.bias))
            hook = lambda conv, inputs: (_round(inputs[0]),)  # noqa: E731
        there.register_forward_pre_hook(hook)
    exact(example)
    rounded(example)
    for conv in convolutions(rounded):
        conv._forward_pre_hooks.clear()
    return rounded.half()


def _round(x: Tensor) -> Tensor:
    return x.half().float()


def _correct(conv: nn.Conv2d, x: Tensor, wanted: Tensor) -> Tensor:
    """Round a convolution's weights so that its mean outputs stay what they were.

    Args:
        conv: float32; its weights end up as numbers that half precision has.
        x: (1, C, H, W): what it sees in the rounded network. Returned as it is.
        wanted: (C',), its mean outputs in the float32 network.
    """
    assert conv.bias is not None
    conv.weight.copy_(_round(conv.weight))
    bias = conv.bias + wanted - conv._conv_forward(x, conv.weight, conv.bias).mean((0, 2, 3))
    conv.bias.copy_(_round(bias))

    deviation, inputs = torch.std_mean(x, (0, 2, 3))
    inputs[deviation > _STEADY * inputs.abs()] = 0  # what varies with the picture cannot stand in for a constant
    steadiest = int(inputs.abs().argmax())
    if float(inputs[steadiest]) != 0:
        taps = conv.weight[:, steadiest].flatten(1)  # (C', 9)
        smallest = taps.abs().argmin(1, keepdim=True)
        shift = ((bias - conv.bias) / inputs[steadiest])[:, None]
        conv.weight[:, steadiest] = _round(taps.scatter_add(1, smallest, shift)).view_as(conv.weight[:, steadiest])
    return x


class WideConv(nn.Module):
    """A half-precision convolution computed in float32, its bias included, and rounded once at the end."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = copy.deepcopy(conv).float()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W), both float16."""
        return self.conv(x.float()).to(x.dtype)  # type: ignore[no-any-return]


def widen(network: U2Net) -> U2Net:
    """Replace, in place, the few convolutions of a half-precision network that :func:`cancels` finds."""
    for brick in network.modules():
        if isinstance(brick, ConvBNReLU) and isinstance(brick.conv_s1, nn.Conv2d) and cancels(brick.conv_s1):
            brick.conv_s1 = WideConv(brick.conv_s1)  # type: ignore[assignment]
    return network
