"""U²-Net as a list of operations, for those who compute or build it without PyTorch.

It is what :mod:`rtsod.model.u2net` computes in evaluation mode, with batch norm folded; a test compares the two. Read
it beside figure 5 and table 1 of arXiv:2005.09007.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from rtsod.model.table import Block

Kind: TypeAlias = Literal["pixels", "convolution", "relu", "pool", "upsample", "join", "add"]

PIXELS: Final = "input"
"""The range of the normalised pixels, which no calibration holds."""
FUSION: Final = "outconv"
"""The convolution that fuses the six side maps. Always left in float: its inputs are logits of any sign, and it costs
next to nothing."""
_IMAGE_CHANNELS: Final = 3


class Operation(NamedTuple):
    """One operation. Its result has ``channels`` channels, and one height and width."""

    kind: Kind
    """``pixels`` are the input, normalised. ``pool`` halves by the 2x2 maximum, rounding up. ``upsample`` is bilinear,
    to the size of its second input. ``join`` concatenates channels."""
    inputs: tuple[int, ...]
    """Places in the list of what it reads."""
    channels: int
    name: str
    """A convolution's key in files of weights (``stage1.rebnconvin.conv_s1``); of others, the calibrated range that
    their values stay in (``stage1.rebnconvin`` after a ReLU, ``stage1`` after the sum that ends a stage)."""
    side: int = 3
    """Of a convolution's kernel, 3 or 1; it keeps height and width."""
    dilation: int = 1
    """Of a convolution's kernel."""

    @property
    def layer(self) -> str:
        """The name of a convolution's layer, which is that of the range of its ReLU."""
        return self.name.removesuffix(".conv_s1")


def operations(table: Sequence[Block]) -> list[Operation]:
    """All operations in the order they run, convolutions as in an ONNX file. The last one gives the fused map's logits.

    Args:
        table: eleven blocks, En_1 to De_1.
    """
    graph = _Graph()
    en_1, en_2, en_3, en_4, en_5, en_6, de_5, de_4, de_3, de_2, de_1 = table

    x = graph.append("pixels", (), _IMAGE_CHANNELS, PIXELS)
    encoded = [graph.stage("stage1", en_1, x)]
    for number, block in enumerate((en_2, en_3, en_4, en_5, en_6), 2):
        encoded.append(graph.stage(f"stage{number}", block, graph.pool(encoded[-1])))

    decoded = [encoded.pop()]
    for number, block in zip((5, 4, 3, 2, 1), (de_5, de_4, de_3, de_2, de_1), strict=True):
        beside = encoded.pop()
        joined = graph.join(graph.upsample(decoded[-1], beside), beside)
        decoded.append(graph.stage(f"stage{number}d", block, joined))

    first, *others = [graph.convolution(f"side{number}", x, 1) for number, x in enumerate(reversed(decoded), 1)]
    # The ranges of the side maps' logits are never asked for: the fusion stays in float.
    graph.convolution(FUSION, graph.join(first, *(graph.upsample(other, first) for other in others)), 1, side=1)
    return graph.operations


class _Graph:
    """A list that grows; methods return the place of what they add."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def append(
        self, kind: Kind, inputs: tuple[int, ...], channels: int, name: str, side: int = 3, dilation: int = 1
    ) -> int:
        self.operations.append(Operation(kind, inputs, channels, name, side, dilation))
        return len(self.operations) - 1

    def convolution(self, name: str, x: int, channels: int, *, side: int = 3, dilation: int = 1) -> int:
        return self.append("convolution", (x,), channels, name, side, dilation)

    def pool(self, x: int) -> int:
        return self.append("pool", (x,), self.operations[x].channels, self.operations[x].name)

    def upsample(self, x: int, like: int) -> int:
        return self.append("upsample", (x, like), self.operations[x].channels, self.operations[x].name)

    def join(self, *parts: int) -> int:
        return self.append("join", parts, sum(self.operations[part].channels for part in parts), "")

    def layer(self, name: str, x: int, channels: int, dilation: int = 1) -> int:
        """3x3 convolution, with batch norm folded into it, and ReLU."""
        out = self.convolution(f"{name}.conv_s1", x, channels, dilation=dilation)
        return self.append("relu", (out,), channels, name)

    def stage(self, name: str, block: Block, x: int) -> int:
        """A residual U-block: see :class:`rtsod.model.u2net.RSU`."""
        levels, m, c_out = block.height, block.mid_channels, block.out_channels
        dilations = [1, 2, 4, 8] if block.dilated else [1] * (levels - 1) + [2]

        inside = self.layer(f"{name}.rebnconvin", x, c_out)

        down = [self.layer(f"{name}.rebnconv1", inside, m, dilations[0])]
        for level in range(2, levels):
            above = down[-1] if block.dilated else self.pool(down[-1])
            down.append(self.layer(f"{name}.rebnconv{level}", above, m, dilations[level - 1]))

        up = self.layer(f"{name}.rebnconv{levels}", down[-1], m, dilations[-1])
        for level in range(levels - 1, 0, -1):
            skip = down[level - 1]
            if level < levels - 1 and not block.dilated:
                up = self.upsample(up, skip)
            out = c_out if level == 1 else m
            up = self.layer(f"{name}.rebnconv{level}d", self.join(up, skip), out, dilations[level - 1])

        return self.append("add", (up, inside), c_out, name)
