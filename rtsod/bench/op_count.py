"""Counts the network's arithmetic and memory traffic from its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtsod.model.operations import operations
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
    """Add up a network's convolutions.

    Args:
        table: of the network.
        input_size: side of the network's input, in pixels.
    """
    macs = activations = parameters = 0
    steps = operations(table)
    sides: list[int] = []
    """Of each operation's result, in pixels."""
    for each in steps:
        side = input_size if each.kind == "pixels" else sides[each.inputs[-1]]
        sides.append((side + 1) // 2 if each.kind == "pool" else side)
        if each.kind != "convolution":
            continue
        kernel = steps[each.inputs[0]].channels * each.side**2
        activations += each.channels * side**2
        macs += each.channels * side**2 * kernel
        has_norm = each.layer != each.name
        parameters += each.channels * (kernel + (3 if has_norm else 1))  # with its bias, and batch norm's two
    return OpCount(macs, activations, parameters)
