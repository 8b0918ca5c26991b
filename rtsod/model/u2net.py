"""U²-Net and U²-Net-lite: a U of residual U-blocks. Read it beside figure 5 and table 1 of arXiv:2005.09007.

Modules have their names in the authors' checkpoints (``stage1.rebnconvin.conv_s1.weight``, ..., ``side1``,
``outconv``). They are registered in the order they run, so that the convolutions of an ONNX graph, listed in graph
order, match them one to one (:mod:`rtsod.model.checkpoints`).

Shapes in comments: B is the batch, H and W are the input's height and width. C, M and C' are a block's input, middle
and output channels; C_n and C_n' are the output channels of the n-th encoder and decoder stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtsod.model.table import FULL as FULL
from rtsod.model.table import LITE as LITE
from rtsod.model.table import TABLES as TABLES
from rtsod.model.table import Block as Block


def pool(x: Tensor) -> Tensor:
    """Halve height and width, rounding up, by their 2x2 maximum."""
    return F.max_pool2d(x, 2, stride=2, ceil_mode=True)


def upsample_like(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of ``like``; pixel centres as in the authors' code (``align_corners`` off)."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def upsample_and_cat(below: Tensor, beside: Tensor) -> Tensor:
    """Upsample a deeper stage's output to the size of the encoder's beside it, and join the two."""
    return torch.cat((upsample_like(below, beside), beside), 1)


class ConvBNReLU(nn.Module):
    """3x3 convolution, batch norm, ReLU. Keeps height and width."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
        self.bn_s1: nn.Module = nn.BatchNorm2d(out_channels)  # an Identity once folded

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        out: Tensor = F.relu(self.bn_s1(self.conv_s1(x)))
        return out


class RSU(nn.Module):
    """Residual U-block, the paper's RSU-L: a U of L levels, whose output is added to that of its first layer.

    RSU-4F, for maps that are already small, keeps one size and dilates its convolutions instead of pooling.

    Args:
        block: its line in the table.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        levels, c, m, c_out = block.height, block.in_channels, block.mid_channels, block.out_channels
        dilations = [1, 2, 4, 8] if block.dilated else [1] * (levels - 1) + [2]
        self.levels, self.dilated = levels, block.dilated
        # Registered in the order they run: forward() relies on it.
        self.rebnconvin = ConvBNReLU(c, c_out)
        for level in range(1, levels + 1):
            self.add_module(f"rebnconv{level}", ConvBNReLU(c_out if level == 1 else m, m, dilations[level - 1]))
        for level in range(levels - 1, 0, -1):
            layer = ConvBNReLU(2 * m, c_out if level == 1 else m, dilations[level - 1])
            self.add_module(f"rebnconv{level}d", layer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        first, *layers = self.children()
        encoder, bottom, decoder = layers[: self.levels - 1], layers[self.levels - 1], layers[self.levels :]

        inside: Tensor = first(x)  # (B, C', H, W)

        down = [encoder[0](inside)]  # (B, M, H, W)
        for layer in encoder[1:]:
            down.append(layer(self._pool(down[-1])))  # (B, M, H / 2, W / 2), a quarter, ...

        up = bottom(down[-1])  # dilated, so the bottom level keeps the size above it
        for layer, skip in zip(decoder, reversed(down), strict=True):
            if skip is not down[-1]:
                up = self._upsample(up, skip)
            up = layer(torch.cat((up, skip), 1))  # (B, M, ...), last (B, C', H, W)

        out: Tensor = up + inside
        return out

    def _pool(self, x: Tensor) -> Tensor:
        return x if self.dilated else pool(x)

    def _upsample(self, x: Tensor, like: Tensor) -> Tensor:
        return x if self.dilated else upsample_like(x, like)


class U2Net(nn.Module):
    """The two-level nested U: six encoder and five decoder stages, and six side maps fused into one (figure 5).

    Args:
        table: :data:`FULL` or :data:`LITE`.
        block: makes a stage of its line in the table. Others than the RSU are for comparison, see :mod:`rtsod.blocks`.
    """

    def __init__(self, table: Sequence[Block] = FULL, block: Callable[[Block], nn.Module] = RSU) -> None:
        super().__init__()
        en_1, en_2, en_3, en_4, en_5, en_6, de_5, de_4, de_3, de_2, de_1 = table
        self.stage1, self.stage2, self.stage3 = block(en_1), block(en_2), block(en_3)
        self.stage4, self.stage5, self.stage6 = block(en_4), block(en_5), block(en_6)
        self.stage5d, self.stage4d, self.stage3d = block(de_5), block(de_4), block(de_3)
        self.stage2d, self.stage1d = block(de_2), block(de_1)
        self.side1, self.side2, self.side3 = _side(de_1), _side(de_2), _side(de_3)
        self.side4, self.side5, self.side6 = _side(de_4), _side(de_5), _side(en_6)
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits of the saliency map.

        Args:
            x: (B, 3, H, W), RGB, normalised by the ImageNet mean and deviation.

        Returns:
            Evaluating: the fused map, (B, 1, H, W), before its sigmoid. Training: all of :meth:`heads`, for deep
            supervision.
        """
        heads = self.heads(x)
        return heads if self.training else heads[0]

    def heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of all maps, in training and evaluation mode: the fused one and the six side maps it is fused from.

        Args:
            x: as for :meth:`forward`.

        Returns:
            ``fused``, ``side1``, ..., ``side6``: (B, 1, H, W) each, before the sigmoid.
        """
        # Encoder
        en_1 = self.stage1(x)  # (B, C_1, H, W)
        en_2 = self.stage2(pool(en_1))  # (B, C_2, H / 2, W / 2)
        en_3 = self.stage3(pool(en_2))  # (B, C_3, H / 4, W / 4)
        en_4 = self.stage4(pool(en_3))  # (B, C_4, H / 8, W / 8)
        en_5 = self.stage5(pool(en_4))  # (B, C_5, H / 16, W / 16)
        en_6 = self.stage6(pool(en_5))  # (B, C_6, H / 32, W / 32)

        # Decoder: each stage sees the one below it and the encoder stage beside it
        de_5 = self.stage5d(upsample_and_cat(en_6, en_5))  # (B, C_5, H / 16, W / 16)
        de_4 = self.stage4d(upsample_and_cat(de_5, en_4))  # (B, C_4', H / 8, W / 8)
        de_3 = self.stage3d(upsample_and_cat(de_4, en_3))  # (B, C_3', H / 4, W / 4)
        de_2 = self.stage2d(upsample_and_cat(de_3, en_2))  # (B, C_2', H / 2, W / 2)
        de_1 = self.stage1d(upsample_and_cat(de_2, en_1))  # (B, C_1', H, W)

        # Side maps at the input's size, and their fusion
        side_1 = self.side1(de_1)  # (B, 1, H, W), as all of these
        side_2 = upsample_like(self.side2(de_2), side_1)
        side_3 = upsample_like(self.side3(de_3), side_1)
        side_4 = upsample_like(self.side4(de_4), side_1)
        side_5 = upsample_like(self.side5(de_5), side_1)
        side_6 = upsample_like(self.side6(en_6), side_1)
        sides = (side_1, side_2, side_3, side_4, side_5, side_6)
        fused: Tensor = self.outconv(torch.cat(sides, 1))  # (B, 1, H, W)

        return (fused, *sides)


def _side(block: Block) -> nn.Conv2d:
    """The convolution that makes a side map of a stage's output."""
    return nn.Conv2d(block.out_channels, 1, 3, padding=1)


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """All convolutions in the order they run: 112 in the stages, six side maps, one fusion."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def upsamplings(network: nn.Module) -> int:
    """How often the network upsamples: a block of L levels L - 2 times, then five decoder stages and five side maps."""
    inner = (module.levels - 2 for module in network.modules() if isinstance(module, RSU) and not module.dilated)
    return sum(inner) + 5 + 5


def fold_batch_norm(network: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place.

    With running mean m, variance v, scale g and shift b, a convolution of weight w and bias c becomes one of weight
    w g / sqrt(v + eps) and bias (c - m) g / sqrt(v + eps) + b. Fold in float32, before any cast: in fp16 the product of
    small variances and large scales loses precision that the cast alone would keep.

    Raises:
        ValueError: the network is in training mode, or not in float32.
    """
    if network.training:
        raise ValueError("batch norm can be folded in evaluation mode only: call network.eval() first")
    with torch.no_grad():
        for layer in network.modules():
            if not (isinstance(layer, ConvBNReLU) and isinstance(layer.bn_s1, nn.BatchNorm2d)):
                continue
            conv, norm = layer.conv_s1, layer.bn_s1
            if conv.weight.dtype != torch.float32:
                raise ValueError("batch norm is folded in float32, before any cast")
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert conv.bias is not None
            gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)  # (C',)
            conv.weight.mul_(gain[:, None, None, None])
            conv.bias.copy_((conv.bias - norm.running_mean) * gain + norm.bias)
            layer.bn_s1 = nn.Identity()


def fold_structure(network: U2Net) -> None:
    """Remove the batch norms of a network that is about to receive folded weights, in place."""
    for module in network.modules():
        if hasattr(module, "bn_s1"):
            module.bn_s1 = nn.Identity()
