"""The paper's table 1: what a network consists of, as numbers. Any table makes a network; three have names.

A table of your own is a TOML file with a line for each stage: see ``rtsod/assets/tables/small.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from rtsod.config import INPUT_SIZE_STEP
from rtsod.errors import UsageError
from rtsod.system.files import read_text

STAGES: Final = ("En_1", "En_2", "En_3", "En_4", "En_5", "En_6", "De_5", "De_4", "De_3", "De_2", "De_1")
"""Names of the stages in a table's order, as in the paper."""
MAX_CHANNELS: Final = 1024
"""Largest middle or output channels of a block. The full model's largest are 512; a larger number is a mistake, and
would ask for more memory than there is."""
_DILATED_HEIGHT: Final = 4
"""RSU-4F has four dilations, 1, 2, 4 and 8: the paper has no other dilated block."""
_IMAGE_CHANNELS: Final = 3
_BLOCK: Final = re.compile(r"RSU-(\d{1,2})(F?)", re.ASCII)


class Block(NamedTuple):
    """One entry of the paper's table 1: RSU-``height`` (``in_channels``, ``mid_channels``, ``out_channels``)."""

    height: int
    in_channels: int
    mid_channels: int
    out_channels: int
    dilated: bool = False
    """True for RSU-4F: dilated convolutions instead of pooling."""

    def __str__(self) -> str:
        kind = f"RSU-{self.height}{'F' if self.dilated else ''}"
        return f"{kind} ({self.in_channels}, {self.mid_channels}, {self.out_channels})"


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
TINY: Final[tuple[Block, ...]] = (
    Block(7, 3, 8, 16),
    Block(6, 16, 8, 16),
    Block(5, 16, 16, 32),
    Block(4, 32, 16, 32),
    Block(4, 32, 16, 48, dilated=True),
    Block(4, 48, 16, 48, dilated=True),
    Block(4, 96, 16, 48, dilated=True),
    Block(4, 80, 16, 32),
    Block(5, 64, 16, 32),
    Block(6, 48, 8, 16),
    Block(7, 32, 8, 16),
)
"""Not the paper's: the starter's, for one person in one room. See docs/decisions/network.md for how it was chosen."""
TABLES: Final = {"full": FULL, "lite": LITE, "tiny": TINY}


def check_table(table: Sequence[Block]) -> None:
    """Check that a network can be built of a table, and that its poolings fit the input sizes that are allowed.

    Raises:
        ValueError: it cannot; the message names the stage, its numbers, and the fix.
    """
    if len(table) != len(STAGES):
        raise ValueError(f"a table has {len(STAGES)} blocks, {STAGES[0]} to {STAGES[-1]}, not {len(table)}")
    for stage, block in zip(STAGES, table, strict=True):
        for what, channels in (("mid", block.mid_channels), ("out", block.out_channels)):
            if not 1 <= channels <= MAX_CHANNELS:
                raise ValueError(f"{stage}: {what} = {channels}: must be 1 to {MAX_CHANNELS} channels")
        _check_height(stage, block)
    for stage, block, (channels, origin) in zip(STAGES, table, _inputs(table), strict=True):
        if block.in_channels != channels:
            raise ValueError(f"{stage}: in = {block.in_channels}, but {origin} {channels}: write in = {channels}")


def _check_height(stage: str, block: Block) -> None:
    if block.dilated:
        if block.height != _DILATED_HEIGHT:
            raise ValueError(f"{stage}: RSU-{block.height}F: the only dilated block is RSU-{_DILATED_HEIGHT}F")
        return
    # Stage n sees the input halved n - 1 times, and a block of height L halves it L - 2 times more. Sides are multiples
    # of INPUT_SIZE_STEP, 2^5, so that each halving is even and the coarsest level of the smallest input has two pixels.
    halvings = INPUT_SIZE_STEP.bit_length() - 1
    tallest = halvings + 3 - int(stage[-1])
    if not 2 <= block.height <= tallest:
        allowed = "RSU-2" if tallest == 2 else f"RSU-2 to RSU-{tallest}"
        raise ValueError(f"{stage}: RSU-{block.height}: at this stage's size choose {allowed}, or RSU-4F")


def _inputs(table: Sequence[Block]) -> list[tuple[int, str]]:
    """For each stage, the channels that reach it, and who gives them, in words that end in a verb."""
    outs = dict(zip(STAGES, (block.out_channels for block in table), strict=True))
    inputs = [(_IMAGE_CHANNELS, "the picture has")]
    for below, stage in pairwise(STAGES):
        if stage.startswith("En"):
            inputs.append((outs[below], f"{below} gives"))
        else:
            beside = f"En{stage[2:]}"
            words = f"{below} and {beside} give {outs[below]} + {outs[beside]} ="
            inputs.append((outs[below] + outs[beside], words))
    return inputs


def table_from_toml(path: Path) -> tuple[Block, ...]:
    """Read a table of your own.

    Each stage is one line, ``En_1 = { block = "RSU-7", mid = 16, out = 64 }``. The input channels follow from the
    stages before; ``in = 3`` may be given, and must then be right.

    Raises:
        UsageError: the file cannot be read, or is not a table that makes a network. The message names the stage and the
            fix.
    """
    import tomllib  # late: a run need not wait for it

    try:
        given = tomllib.loads(read_text(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a TOML file: {' '.join(str(error).split())}") from error
    try:
        return table_from_lines(given)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def lines_from_table(table: Sequence[Block]) -> dict[str, dict[str, str | int]]:
    """A table as lines by stage, each with ``block``, ``in``, ``mid`` and ``out``: what TOML and JSON hold."""
    return {
        stage: {
            "block": f"RSU-{block.height}{'F' if block.dilated else ''}",
            "in": block.in_channels,
            "mid": block.mid_channels,
            "out": block.out_channels,
        }
        for stage, block in zip(STAGES, table, strict=True)
    }


def table_from_lines(given: Mapping[str, Any]) -> tuple[Block, ...]:
    """The reverse of :func:`lines_from_table`; ``in`` may be left out.

    Raises:
        ValueError: it is not a table that makes a network; the message names the stage and the fix.
    """
    if unknown := [name for name in given if name not in STAGES]:
        raise ValueError(f"{unknown[0]}: is no stage: the stages are {', '.join(STAGES)}")
    if missing := [stage for stage in STAGES if stage not in given]:
        raise ValueError(f'{missing[0]}: is missing: add {missing[0]} = {{ block = "RSU-4F", mid = 16, out = 64 }}')
    blocks = [_block_from(stage, given[stage]) for stage in STAGES]
    inputs = _inputs(blocks)
    table = tuple(
        block if "in" in given[stage] else block._replace(in_channels=channels)
        for stage, block, (channels, _) in zip(STAGES, blocks, inputs, strict=True)
    )
    check_table(table)
    return table


def _block_from(stage: str, line: object) -> Block:
    """A block whose input channels are 0 where the line does not give them."""
    fix = f'write {stage} = {{ block = "RSU-4F", mid = 16, out = 64 }}'
    if not isinstance(line, dict) or not {"block", "mid", "out"} <= line.keys() <= {"block", "in", "mid", "out"}:
        raise ValueError(f"{stage}: needs block, mid and out, and takes in: {fix}")
    kind = _BLOCK.fullmatch(line["block"]) if isinstance(line["block"], str) else None
    if kind is None:
        raise ValueError(f"{stage}: block = {line['block']!r}: is none: {fix}")
    numbers = [line.get(key, 0) for key in ("in", "mid", "out")]
    if not all(type(number) is int for number in numbers):
        raise ValueError(f"{stage}: in, mid and out are whole numbers: {fix}")
    channels, mid, out = numbers
    return Block(int(kind[1]), channels, mid, out, dilated=bool(kind[2]))
