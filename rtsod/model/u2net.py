"""U²-Net and U²-Net-lite: a U of residual U-blocks, to be read beside figure 5 and table 1 of arXiv:2005.09007.

Module names are the names in the authors' checkpoints (``stage1.rebnconvin.conv_s1.weight``, ..., ``side1``,
``outconv``), and modules are registered in the order they run, so that a list of convolutions in graph order
(:mod:`rtsod.model.checkpoints`) meets them one to one.

Shapes in comments: B batch, H and W of the input, C, M, C' a block's in, mid and out channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(NamedTuple):
    """One line of the paper's table: RSU-``height`` (``in_channels``, ``mid_channels``, ``out_channels``)."""

    height: int
    in_channels: int
    mid_channels: int
    out_channels: int
    dilated: bool = False
    """True for RSU-4F: dilations in place of pooling."""


#                                En_1 .. En_6, then De_5 .. De_1
FULL: Final[tuple[Block, ...]] = (
    Block(7, 3, 32, 64),
    Block(6, 64, 32, 128),
    Block(5, 128, 64, 256),
    Block(4, 256, 128, 512),
    Block(4, 512, 256, 512, dilated=True),
    Block(4, 512, 256, 512, dilated=True),
    Block(4, 1024, 256, 512, dilated=True),
    Block(4, 1024, 128, 256),
    Block(5, 512, 64, 128),
    Block(6, 256, 32, 64),
    Block(7, 128, 16, 64),
)
LITE: Final[tuple[Block, ...]] = (
    Block(7, 3, 16, 64),
    Block(6, 64, 16, 64),
    Block(5, 64, 16, 64),
    Block(4, 64, 16, 64),
    Block(4, 64, 16, 64, dilated=True),
    Block(4, 64, 16, 64, dilated=True),
    Block(4, 128, 16, 64, dilated=True),
    Block(4, 128, 16, 64),
    Block(5, 128, 16, 64),
    Block(6, 128, 16, 64),
    Block(7, 128, 16, 64),
)
TABLES: Final = {"full": FULL, "lite": LITE}


def upsample_like(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of ``like``; pixel centres as in the authors' code (``align_corners`` off)."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class ConvBNReLU(nn.Module):
    """3x3 convolution, batch norm, ReLU: the paper's only building brick. Keeps height and width."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
        self.bn_s1: nn.Module = nn.BatchNorm2d(out_channels)  # an Identity once folded

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        out: Tensor = F.relu(self.bn_s1(self.conv_s1(x)))
        return out


class _ResidualUBlock(nn.Module):
    """What RSU-L and RSU-4F share: the bricks ``rebnconvin``, ``rebnconv1`` .. ``L``, ``L-1 d`` .. ``1d``."""

    def __init__(self, block: Block, dilations: Sequence[int]) -> None:
        super().__init__()
        height, c, m, c_out = block.height, block.in_channels, block.mid_channels, block.out_channels
        self.height = height
        self.rebnconvin = ConvBNReLU(c, c_out)
        for level in range(1, height + 1):
            brick = ConvBNReLU(c_out if level == 1 else m, m, dilations[level - 1])
            self.add_module(f"rebnconv{level}", brick)
        for level in range(height - 1, 0, -1):
            brick = ConvBNReLU(2 * m, c_out if level == 1 else m, dilations[level - 1])
            self.add_module(f"rebnconv{level}d", brick)

    def encoder(self, level: int) -> nn.Module:
        return self.get_submodule(f"rebnconv{level}")

    def decoder(self, level: int) -> nn.Module:
        return self.get_submodule(f"rebnconv{level}d")


class RSU(_ResidualUBlock):
    """RSU-L: a U-Net of ``height`` levels inside one block, added to the block's own first convolution."""

    def __init__(self, block: Block) -> None:
        super().__init__(block, dilations=[1] * (block.height - 1) + [2])  # the bottom sees twice as far

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        inside = self.rebnconvin(x)  # (B, C', H, W)

        down = [self.encoder(1)(inside)]  # (B, M, H, W)
        for level in range(2, self.height):
            pooled = F.max_pool2d(down[-1], 2, stride=2, ceil_mode=True)
            down.append(self.encoder(level)(pooled))  # (B, M, H / 2^(level-1), ...)

        up = self.encoder(self.height)(down[-1])  # the bottom keeps its size, by dilation
        for level in range(self.height - 1, 0, -1):
            up = self.decoder(level)(torch.cat((up, down[level - 1]), 1))  # (B, M, ...), last (B, C', H, W)
            if level > 1:
                up = upsample_like(up, down[level - 2])

        out: Tensor = up + inside
        return out


class RSU4F(_ResidualUBlock):
    """RSU-4F: four levels at one size, seeing wider by dilation instead of pooling, for maps already small."""

    def __init__(self, block: Block) -> None:
        super().__init__(block, dilations=[1, 2, 4, 8])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        inside = self.rebnconvin(x)  # (B, C', H, W)

        down = [self.encoder(1)(inside)]  # (B, M, H, W), as all below
        for level in range(2, self.height):
            down.append(self.encoder(level)(down[-1]))

        up = self.encoder(self.height)(down[-1])
        for level in range(self.height - 1, 0, -1):
            up = self.decoder(level)(torch.cat((up, down[level - 1]), 1))

        out: Tensor = up + inside
        return out


class U2Net(nn.Module):
    """The two-level nested U: six encoder and five decoder blocks, six side maps fused into one.

    Args:
        table: :data:`FULL` or :data:`LITE`.
    """

    def __init__(self, table: Sequence[Block] = FULL) -> None:
        super().__init__()
        names = [f"stage{n}" for n in range(1, 7)] + [f"stage{n}d" for n in range(5, 0, -1)]
        for name, block in zip(names, table, strict=True):
            self.add_module(name, RSU4F(block) if block.dilated else RSU(block))
        outs = {name: block.out_channels for name, block in zip(names, table, strict=True)}
        for n in range(1, 7):
            self.add_module(f"side{n}", nn.Conv2d(outs["stage6" if n == 6 else f"stage{n}d"], 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits of the saliency map.

        Args:
            x: (B, 3, H, W), RGB, normalised by the ImageNet mean and deviation.

        Returns:
            Evaluating: the fused map, (B, 1, H, W), before its sigmoid. Training: that and the six side maps
            ``side1`` .. ``side6``, all of the same shape, for deep supervision.
        """
        # Encoder: En_1 .. En_6, each at half the size of the one before
        down: list[Tensor] = []
        for n in range(1, 7):
            inward = F.max_pool2d(down[-1], 2, stride=2, ceil_mode=True) if down else x
            down.append(self.get_submodule(f"stage{n}")(inward))  # (B, C_n, H / 2^(n-1), ...)

        # Decoder: De_5 .. De_1, each fed by the one below and the encoder beside it
        up = [down[5]]  # deepest first
        for n in range(5, 0, -1):
            beside = down[n - 1]
            up.append(self.get_submodule(f"stage{n}d")(torch.cat((upsample_like(up[-1], beside), beside), 1)))

        # Side maps, shallowest first, all at the input's size, and their fusion
        sides: list[Tensor] = []
        for n, features in enumerate(reversed(up), start=1):
            side = self.get_submodule(f"side{n}")(features)  # (B, 1, H / 2^(n-1), ...)
            sides.append(upsample_like(side, sides[0]) if sides else side)
        fused: Tensor = self.outconv(torch.cat(sides, 1))  # (B, 1, H, W)

        return (fused, *sides) if self.training else fused


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """All convolutions in the order they run: 112 of the blocks, six side maps, one fusion."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def fold_batch_norm(network: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place and in float32.

    With running mean m, variance v, scale g and shift b, a convolution of weight w and bias c becomes one of weight
    w g / sqrt(v + eps) and bias (c - m) g / sqrt(v + eps) + b. Done in float32 before any cast: in half precision the
    product of small variances and large scales loses what the cast alone would keep.

    Raises:
        ValueError: the network trains, or is not in float32.
    """
    if network.training:
        raise ValueError("batch norm can be folded in evaluation mode only: call network.eval() first")
    with torch.no_grad():
        for brick in network.modules():
            if not (isinstance(brick, ConvBNReLU) and isinstance(brick.bn_s1, nn.BatchNorm2d)):
                continue
            conv, norm = brick.conv_s1, brick.bn_s1
            if conv.weight.dtype != torch.float32:
                raise ValueError("batch norm is folded in float32, before any cast")
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert conv.bias is not None
            gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)  # (C',)
            conv.weight.mul_(gain[:, None, None, None])
            conv.bias.copy_((conv.bias - norm.running_mean) * gain + norm.bias)
            brick.bn_s1 = nn.Identity()
