"""Small networks to choose the starter's table from, and two variants that no table can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from rtsod.model.table import LITE, Block, check_table
from rtsod.model.u2net import ConvBNReLU, U2Net

HIGH: Final = tuple(block.height for block in LITE)
"""The paper's heights: 112 layers in the stages."""
LOW: Final = (4, 4, 3, 3, 4, 4, 4, 3, 3, 4, 4)
"""Fewer levels: 80 layers. The U of the stages still halves five times, so the coarsest map is as coarse."""
_DILATED: Final = tuple(block.dilated for block in LITE)
_POINTWISE_FROM: Final = 16
"""Input channels from which a block's first convolution is 1x1 in the variant."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network, and the size it runs at."""

    name: str
    table: tuple[Block, ...]
    size: int
    """Side of the input in pixels."""
    stem: int = 0
    """Channels of a stride-2 convolution before the first stage; 0 has none. The map is half the size then."""
    pointwise: bool = False
    """Whether each block's first convolution is 1x1."""

    @property
    def network_name(self) -> str:
        """The name without the size: what is converted once."""
        return self.name.partition("@")[0]

    @property
    def is_table(self) -> bool:
        """Whether a table alone makes it, so that weights of it run everywhere."""
        return not self.stem and not self.pointwise


def table_of(
    outs: Sequence[int], mids: Sequence[int], heights: Sequence[int] = HIGH, dilated: Sequence[bool] = _DILATED
) -> tuple[Block, ...]:
    """A table of eleven blocks, En_1 to De_1; input channels follow."""
    inputs = [3, *outs[:5], *(outs[below] + outs[9 - below] for below in range(5, 10))]
    table = tuple(map(Block, heights, inputs, mids, outs, dilated))
    check_table(table)
    return table


def _even(out: int, mid: int, heights: Sequence[int] = HIGH) -> tuple[Block, ...]:
    return table_of([out] * 11, [mid] * 11, heights)


def _deep(heights: Sequence[int]) -> tuple[Block, ...]:
    """Few channels where maps are large, more where they are small."""
    outs, mids = (16, 16, 32, 32, 48, 48, 48, 32, 32, 16, 16), (8, 8, 16, 16, 16, 16, 16, 16, 16, 8, 8)
    return table_of(outs, mids, heights)


_TABLES: Final = {
    "24/8": _even(24, 8),
    "16/8": _even(16, 8),
    "16/16": _even(16, 16),
    "32/8": _even(32, 8),
    "32/16": _even(32, 16),
    "16/8 low": _even(16, 8, LOW),
    "16/16 low": _even(16, 16, LOW),
    "32/16 low": _even(32, 16, LOW),
    "deep": _deep(HIGH),
    "deep low": _deep(LOW),
}


def _at(name: str, *sizes: int) -> list[Candidate]:
    return [Candidate(f"{name}@{size}", _TABLES[name], size) for size in sizes]


def _stemmed(table: tuple[Block, ...]) -> tuple[Block, ...]:
    return (table[0]._replace(in_channels=16), *table[1:])


CANDIDATES: Final = {
    each.name: each
    for each in (
        *_at("24/8", 160, 192),
        *_at("16/8", 192, 256),
        *_at("16/16", 192),
        *_at("32/8", 192),
        *_at("32/16", 160, 192),
        *_at("16/8 low", 192, 256),
        *_at("16/16 low", 192, 224, 256),
        *_at("32/16 low", 160, 192),
        *_at("deep", 160, 192, 224),
        *_at("deep low", 192, 224, 256),
        Candidate("stem 32/16@320", _stemmed(_TABLES["32/16"]), 320, stem=16),
        Candidate("stem 32/16 low@320", _stemmed(_TABLES["32/16 low"]), 320, stem=16),
        Candidate("stem deep low@320", _stemmed(_TABLES["deep low"]), 320, stem=16),
        Candidate("1x1 32/16 low@192", _TABLES["32/16 low"], 192, pointwise=True),
        Candidate("1x1 deep low@224", _TABLES["deep low"], 224, pointwise=True),
        Candidate("lite@192", LITE, 192),
        Candidate("lite@320", LITE, 320),
    )
}
"""By name: the table, an at sign, and the input size. ``lite`` is there to compare with."""


class StemmedU2Net(U2Net):
    """The network behind a convolution with stride 2, as in IS-Net: its map has half the input's sides.

    Args:
        table: whose first block takes ``channels``.
        channels: of the stem.
    """

    def __init__(self, table: Sequence[Block], channels: int) -> None:
        super().__init__(table)
        self.stem = ConvBNReLU(3, channels)
        self.stem.conv_s1.stride = (2, 2)

    def heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`rtsod.model.u2net.U2Net.heads`; maps are ``(B, 1, H / 2, W / 2)``."""
        return super().heads(self.stem(x))


def network_of(candidate: Candidate) -> U2Net:
    """A candidate with random weights, always the same ones, in training mode."""
    torch.manual_seed(0)
    if candidate.stem:
        return StemmedU2Net(candidate.table, candidate.stem)
    network = U2Net(candidate.table)
    if candidate.pointwise:
        for layer in [module for name, module in network.named_modules() if name.endswith("rebnconvin")]:
            assert isinstance(layer, ConvBNReLU)
            if layer.conv_s1.in_channels >= _POINTWISE_FROM:
                layer.conv_s1 = nn.Conv2d(layer.conv_s1.in_channels, layer.conv_s1.out_channels, 1)
    return network
