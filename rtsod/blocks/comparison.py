"""Counts and times all kinds of blocks: alone as in the paper's figure 4, and in every stage of the whole network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import nn

from rtsod.blocks.counting import count
from rtsod.blocks.kinds import KINDS, Kind
from rtsod.blocks.result import Comparison, Row
from rtsod.blocks.timing import RUNTIMES, Runtime, interleaved, runnable
from rtsod.config import INPUT_SIZE_RANGE, INPUT_SIZE_STEP, ModelName
from rtsod.errors import UsageError
from rtsod.model.table import TABLES, Block
from rtsod.model.u2net import U2Net
from rtsod.progress import BuildProgress
from rtsod.system.interference import InterferenceMonitor
from rtsod.system.machine import thread_count

IMAGE_CHANNELS: Final = 3
OUT_CHANNELS: Final = 64
"""Of the blocks that are measured alone: figure 4's setting, the network's first stage."""
HEIGHT: Final = 7
"""Of the RSU and the naive U that are measured alone: RSU-7, as in the first stage."""
MIDS: Final = (4, 8, 16, 32, 64, 128)
MAX_MID: Final = 1024
"""The largest M that may be asked for; the full model's largest is 256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to compare.

    Raises:
        UsageError: a value is out of range.
    """

    size: int = 320
    """S, a multiple of 32, as for the network."""
    mids: tuple[int, ...] = MIDS
    """M of the blocks that are measured alone."""
    networks: tuple[ModelName, ...] = ("lite", "full")
    """Tables of the whole networks."""
    seconds: float = 10.0
    """How long to time each group: all kinds with the same M, or in the same table, in the same runtime."""

    def __post_init__(self) -> None:
        low, high = INPUT_SIZE_RANGE
        if not low <= self.size <= high or self.size % INPUT_SIZE_STEP:
            raise UsageError(f"--size {self.size}: must be a multiple of {INPUT_SIZE_STEP} from {low} to {high}")
        for mid in self.mids:
            if not 1 <= mid <= MAX_MID:
                raise UsageError(f"--mid {mid}: must be 1 to {MAX_MID} channels")
        if not 0 < self.seconds <= 3600:
            raise UsageError(f"--seconds {self.seconds:g}: must be more than 0 and at most 3600")


def new_comparison(plan: Plan, command: str, machine: dict[str, object]) -> Comparison:
    """A comparison without rows."""
    return Comparison(command, machine, thread_count(), plan.size, plan.seconds)


def compare(plan: Plan, result: Comparison, progress: BuildProgress) -> None:
    """Fill a comparison, group by group. What an interruption leaves is complete but for the group it came in.

    Args:
        plan: what to compare.
        result: gets the rows.
        progress: is told of every group.

    Raises:
        EngineError: OpenVINO cannot run a block.
    """
    total = len(plan.mids) + len(plan.networks)
    for done, mid in enumerate(plan.mids):
        progress(f"blocks, M = {mid}", done, total)
        result.blocks += _timed([_block(kind, mid, plan.size) for kind in KINDS], plan, result)
    for done, table in enumerate(plan.networks, len(plan.mids)):
        progress(f"networks, {table}", done, total)
        result.networks += _timed([_network(kind, table, plan.size) for kind in KINDS], plan, result)
    progress("blocks and networks", total, total)


@dataclass(frozen=True, slots=True)
class _Case:
    """A module to be timed, and the row without its times."""

    row: Row
    build: Callable[[], nn.Module]


def _block(kind: Kind, mid: int, size: int) -> _Case:
    block = Block(HEIGHT, IMAGE_CHANNELS, mid, OUT_CHANNELS)

    def build() -> nn.Module:
        return kind.build(block)

    return _Case(
        Row(
            kind=kind.name,
            what=f"({IMAGE_CHANNELS}, {mid}, {OUT_CHANNELS})",
            mid=mid,
            macs=kind.macs(block, size),
            count=count(build, IMAGE_CHANNELS, size),
            receptive_field=kind.receptive_field(block),
        ),
        build,
    )


def _network(kind: Kind, table: ModelName, size: int) -> _Case:
    def build() -> nn.Module:
        return U2Net(TABLES[table], kind.build)

    macs = network_macs(kind, TABLES[table], size)
    return _Case(Row(kind.name, table, None, macs, count(build, IMAGE_CHANNELS, size), None), build)


def network_macs(kind: Kind, table: Sequence[Block], size: int) -> int:
    """Multiply-accumulates of a whole network by the closed forms.

    Args:
        kind: of the block in every stage.
        table: its eleven lines.
        size: side of the input in pixels, a multiple of 32.
    """
    sizes = [size >> level for level in (0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0)]
    stages = sum(kind.macs(block, side) for block, side in zip(table, sizes, strict=True))
    sides = [(table[place].out_channels, sizes[place]) for place in (10, 9, 8, 7, 6, 5)]
    return stages + sum(9 * channels * side * side for channels, side in sides) + len(sides) * size * size


def _timed(cases: Sequence[_Case], plan: Plan, result: Comparison) -> list[Row]:
    """The rows with the times of their modules, one runtime after the other: two would share the cores' threads."""
    times: dict[Runtime, list[tuple[float, ...]]] = {}
    others: dict[Runtime, float | None] = {}
    for runtime in RUNTIMES:
        torch.manual_seed(0)
        runs = [runnable(case.build(), IMAGE_CHANNELS, plan.size, runtime, result.threads) for case in cases]
        monitor = InterferenceMonitor()
        times[runtime] = interleaved(runs, plan.seconds)
        others[runtime] = monitor.busy_cores()
    return [
        replace(
            case.row, samples_ms={runtime: each[place] for runtime, each in times.items()}, others_cores=dict(others)
        )
        for place, case in enumerate(cases)
    ]
