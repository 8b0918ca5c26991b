"""Ways to run the network in PyTorch on a GPU: the one that ships, and candidates that may be faster.

On CUDA a convolution with its bias and its ReLU takes three kernels, and in a replayed graph even the smallest kernel
takes about two microseconds. 119 convolutions, 38 upsamplings, 33 poolings and 51 concatenations make some 480 kernels.
The candidates: cuDNN's fused kernel (convolution, bias and ReLU in one, with the bias added before rounding), channels
padded to the multiple of eight that tensor cores need, a search over all of cuDNN's algorithms, and a compiler that
fuses upsampling, concatenation and the rest.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtsod.model.fp16 import fp16_from_fp32, widen
from rtsod.model.u2net import ConvBNReLU, U2Net

_CHANNEL_MULTIPLE: Final = 8
"""Tensor cores read half-precision channels in multiples of this."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the network."""

    what: str
    """Description for the result."""
    build: Callable[[U2Net, Tensor], U2Net]
    """Builds it from the float32 network and a normalised example, ``(1, 3, S, S)`` float32, both on the CPU."""
    mode: str | None = None
    """Mode of ``torch.compile``; None does not compile."""
    plans: int = 10
    """Algorithms that cuDNN tries per convolution; 0 tries all."""
    exact: bool = False
    """True disables TF32."""


# A custom operator, so that torch.compile does not trace into it. CPUs have no cuDNN: there it runs its definition.
@torch.library.custom_op("rtsod_benchmarks::conv_relu", mutates_args=())
def conv_relu(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """3x3 convolution that keeps height and width, with bias and ReLU, in one kernel."""
    around = [dilation, dilation]
    if x.is_cuda:
        out: Tensor = torch.cudnn_convolution_relu(x, weight, bias, [1, 1], around, around, 1)
        return out
    return F.relu(F.conv2d(x, weight, bias, padding=around, dilation=around))


@conv_relu.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    out = x.new_empty((x.shape[0], weight.shape[0], *x.shape[2:]))
    return out.to(memory_format=torch.channels_last)


class FusedConvReLU(nn.Module):
    """Replaces a folded :class:`ConvBNReLU`. Pads its input channels with zeros to a multiple of eight."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        self.missing = -conv.in_channels % _CHANNEL_MULTIPLE
        self.weight = nn.Parameter(F.pad(conv.weight, (0, 0, 0, 0, 0, self.missing)), requires_grad=False)
        self.bias = nn.Parameter(conv.bias.clone(), requires_grad=False)
        self.dilation = int(conv.dilation[0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        if self.missing:
            x = F.pad(x, (0, 0, 0, 0, 0, self.missing)).contiguous(memory_format=torch.channels_last)
        out: Tensor = conv_relu(x, self.weight, self.bias, self.dilation)
        return out


class PaddedSide(nn.Module):
    """A side convolution with one output map, computed as eight maps of which seven are zero."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        more = _CHANNEL_MULTIPLE - conv.out_channels
        self.weight = nn.Parameter(F.pad(conv.weight, (0, 0, 0, 0, 0, 0, 0, more)), requires_grad=False)
        self.bias = nn.Parameter(F.pad(conv.bias, (0, more)), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 1, H, W)."""
        return F.conv2d(x, self.weight, self.bias, padding=1)[:, :1]


def _exact(network: U2Net, example: Tensor) -> U2Net:
    return copy.deepcopy(network)


def _shipped(network: U2Net, example: Tensor) -> U2Net:
    return widen(fp16_from_fp32(network, example))


def _fused(network: U2Net, example: Tensor) -> U2Net:
    half = fp16_from_fp32(network, example)  # not widened: the fused kernel adds the bias before it rounds
    for name, layer in list(half.named_modules()):
        if isinstance(layer, ConvBNReLU):
            assert isinstance(layer.conv_s1, nn.Conv2d)
            half.set_submodule(name, FusedConvReLU(layer.conv_s1))
    return half


def _padded(network: U2Net, example: Tensor) -> U2Net:
    half = _fused(network, example)
    for n in range(1, 7):
        side = half.get_submodule(f"side{n}")
        assert isinstance(side, nn.Conv2d)
        half.set_submodule(f"side{n}", PaddedSide(side))
    return half


VARIANTS: Final[dict[str, Variant]] = {
    "fp32": Variant("float32 without TF32", _exact, exact=True),
    "fp16": Variant("what --engine torch runs", _shipped),
    "fp16-fused": Variant("cuDNN's fused convolution, bias and ReLU", _fused),
    "fp16-fused-padded": Variant("fp16-fused, with side maps computed as eight channels", _padded),
    "fp16-fused-all-plans": Variant("fp16-fused, trying every algorithm of cuDNN", _fused, plans=0),
    "fp16-compiled": Variant("what --engine torch runs, in torch.compile", _shipped, mode="default"),
    "fp16-fused-compiled": Variant("fp16-fused-padded, with the rest in torch.compile", _padded, mode="default"),
    "fp16-autotuned": Variant(
        "what --engine torch runs, autotuned by torch.compile", _shipped, mode="max-autotune-no-cudagraphs"
    ),
}
"""The variants by name."""
