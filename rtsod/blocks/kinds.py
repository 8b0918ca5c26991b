"""The six kinds of blocks that are compared, each with its closed forms.

A kind makes a module of a :class:`~rtsod.model.table.Block`, and so can take the RSU's place in every stage of the
network. All but the RSU and the naive U ignore the block's height and whether it is dilated.

The paper shows these blocks in figure 2, but gives neither the number of convolutions of its dense block nor the
dilations of its inception-like one. Those here are ours: see :class:`Dense` and :class:`Inception`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtsod.blocks.closed_form import Terms, chain_width, u_width
from rtsod.model.table import Block
from rtsod.model.u2net import RSU, ConvBNReLU, pool, upsample_like

DENSE_CONVOLUTIONS: Final = 3
"""Of M channels, in the dense block. The number is ours."""
INCEPTION_DILATIONS: Final = (1, 2, 4, 8)
"""Of the inception-like block's branches. Ours: those of the RSU-4F."""
_N_DENSE: Final = DENSE_CONVOLUTIONS
_N_BRANCHES: Final = len(INCEPTION_DILATIONS)


class ConvBN(ConvBNReLU):
    """Convolution and batch norm without the ReLU: the last layer before a residual sum.

    A subclass, so that :func:`~rtsod.model.u2net.fold_batch_norm` folds it as well.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel: side of the convolution's kernel, 1 or 3.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__(in_channels, out_channels)
        self.conv_s1 = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        out: Tensor = self.bn_s1(self.conv_s1(x))
        return out


class Plain(nn.Sequential):
    """Two convolutions, C to M and M to C'."""

    def __init__(self, block: Block) -> None:
        super().__init__(
            ConvBNReLU(block.in_channels, block.mid_channels), ConvBNReLU(block.mid_channels, block.out_channels)
        )


class Residual(nn.Module):
    """Two convolutions and a shortcut, which is a 1x1 convolution where C and C' differ.

    He et al., "Deep residual learning for image recognition", CVPR 2016, figure 2 and option B.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        c, m, c_out = block.in_channels, block.mid_channels, block.out_channels
        self.first, self.second = ConvBNReLU(c, m), ConvBN(m, c_out)
        self.shortcut: nn.Module = nn.Identity() if c == c_out else ConvBN(c, c_out, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        out: Tensor = F.relu(self.second(self.first(x)) + self.shortcut(x))
        return out


class Dense(nn.Module):
    """Three convolutions of M channels, each of which sees the input and all outputs before it; then one to C'.

    Huang et al., "Densely connected convolutional networks", CVPR 2017, with convolution before batch norm and ReLU as
    everywhere in this network.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        c, m = block.in_channels, block.mid_channels
        self.layers = nn.ModuleList(ConvBNReLU(c + place * m, m) for place in range(DENSE_CONVOLUTIONS))
        self.last = ConvBNReLU(c + DENSE_CONVOLUTIONS * m, block.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        out: Tensor = self.last(x)
        return out


class Inception(nn.Module):
    """A convolution to M channels, four of different dilations side by side, and one of all their outputs to C'.

    Like Szegedy et al., "Going deeper with convolutions", CVPR 2015, with dilation in place of large kernels.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        m = block.mid_channels
        self.first = ConvBNReLU(block.in_channels, m)
        self.branches = nn.ModuleList(ConvBNReLU(m, m, dilation) for dilation in INCEPTION_DILATIONS)
        self.last = ConvBNReLU(len(INCEPTION_DILATIONS) * m, block.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        inside = self.first(x)
        out: Tensor = self.last(torch.cat([branch(inside) for branch in self.branches], 1))
        return out


class NaiveU(nn.Module):
    """The U of an RSU alone: no input convolution before it, and no sum after it."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        levels, m, self.dilated = block.height, block.mid_channels, block.dilated
        dilations = [2**level for level in range(levels)] if block.dilated else [1] * (levels - 1) + [2]
        ins = [block.in_channels] + [m] * (levels - 1)
        outs = [block.out_channels] + [m] * (levels - 2)
        self.encoder = nn.ModuleList(ConvBNReLU(c, m, d) for c, d in zip(ins, dilations, strict=True))
        self.decoder = nn.ModuleList(ConvBNReLU(2 * m, c, d) for c, d in zip(outs, dilations, strict=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        *encoder, bottom = self.encoder
        down = [encoder[0](x)]
        for layer in encoder[1:]:
            down.append(layer(down[-1] if self.dilated else pool(down[-1])))
        up: Tensor = bottom(down[-1])
        for layer, skip in zip(reversed(list(self.decoder)), reversed(down), strict=True):
            if up.shape[2:] != skip.shape[2:]:
                up = upsample_like(up, skip)
            up = layer(torch.cat((up, skip), 1))
        return up


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to make a block: what it is called, what it builds, and what that costs."""

    name: str
    """Three letters, as the paper abbreviates it."""
    title: str
    """For people."""
    build: Callable[[Block], nn.Module]
    """(B, C, H, W) to (B, C', H, W) for a table's line (``height``, C, M, C'), with random weights."""
    terms: Callable[[Block], Terms]
    """Its multiply-accumulates as a polynomial of the channels."""
    receptive_field: Callable[[Block], int]
    """The side, in pixels, of the largest square of the input that one pixel of the output can depend on."""

    def macs(self, block: Block, size: int) -> int:
        """Multiply-accumulates of its convolutions on SxS pixels, biases, batch norm and sums left out.

        Raises:
            ValueError: the block's poolings do not divide S evenly, so that the closed form does not hold.
        """
        if not block.dilated and size % 2 ** (block.height - 2):
            raise ValueError(f"{size} is not divisible by 2^{block.height - 2}, as RSU-{block.height} needs it")
        return self.terms(block).macs(block, size)


def _residual_terms(block: Block) -> Terms:
    return Terms(in_mid=1, mid_out=1, in_out=Fraction(0 if block.in_channels == block.out_channels else 1, 9))


def _u_of_mid(block: Block) -> int:
    """What the inside of a U costs, in M to M convolutions of full size: one, whatever its height.

    With q = 4^-(L-2), the share of the pixels at the lowest level: (1-q)/3 on the way down, q at the bottom, and twice
    (1-q)/3 on the way up, where two maps are joined. Dilated, all 3L-5 are of full size.
    """
    return 3 * block.height - 5 if block.dilated else 1


KINDS: Final = (
    Kind("PLN", "plain", Plain, lambda _: Terms(in_mid=1, mid_out=1), lambda _: chain_width(1, 1)),
    Kind("RES", "residual", Residual, _residual_terms, lambda _: chain_width(1, 1)),
    Kind(
        "DSE", "dense", Dense,
        lambda _: Terms(in_mid=_N_DENSE, mid_mid=_N_DENSE * (_N_DENSE - 1) // 2, in_out=1, mid_out=_N_DENSE),
        lambda _: chain_width(*[1] * _N_DENSE, 1),
    ),
    Kind(
        "INC", "inception-like", Inception,
        lambda _: Terms(in_mid=1, mid_mid=_N_BRANCHES, mid_out=_N_BRANCHES),
        lambda _: chain_width(1, max(INCEPTION_DILATIONS), 1),
    ),
    Kind(
        "NIV", "naive U", NaiveU,
        lambda block: Terms(in_mid=1, mid_mid=_u_of_mid(block), mid_out=2), lambda block: u_width(block, before=0),
    ),
    Kind(
        "RSU", "residual U", RSU,
        lambda block: Terms(mid_mid=_u_of_mid(block), in_out=1, mid_out=3), lambda block: u_width(block, before=1),
    ),
)  # fmt: skip
"""The blocks of the paper's figure 2 in its order, with the naive U before the RSU."""
BY_NAME: Final = {kind.name: kind for kind in KINDS}
