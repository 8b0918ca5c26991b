"""What a comparison found, ready for JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import numpy as np

from rtsod.blocks.counting import Count
from rtsod.blocks.timing import Runtime

VERSION: Final = 1
"""Increased whenever the meaning of the file changes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One module: a block alone, or the whole network with that block in every stage."""

    kind: str
    """Name of a :class:`rtsod.blocks.kinds.Kind`."""
    what: str
    """The block, ``RSU-7 (3, 16, 64)``, or the table of the network, ``lite``."""
    mid: int | None
    """M of the block; None for a network, whose stages have several."""
    macs: int
    """Multiply-accumulates by the closed form; for a network, the sum over its stages and its side convolutions."""
    count: Count
    receptive_field: int | None
    """Side in pixels; None for a network."""
    samples_ms: Mapping[Runtime, tuple[float, ...]] = field(default_factory=dict)
    """Milliseconds of one pass in every round, by what ran it."""
    others_cores: Mapping[Runtime, float | None] = field(default_factory=dict)
    """Cores that other programs kept busy meanwhile, see :mod:`rtsod.system.interference`."""

    @property
    def gflop(self) -> float:
        """10^9 floating-point operations, two per multiply-accumulate."""
        return 2 * self.macs / 1e9

    def percentile(self, runtime: Runtime, percent: float) -> float | None:
        """Milliseconds that this share of the passes did not exceed; None if it was not timed."""
        samples = self.samples_ms.get(runtime)
        return None if not samples else float(np.percentile(samples, percent))

    def gflop_per_second(self, runtime: Runtime) -> float | None:
        """At the median time; None if it was not timed."""
        median = self.percentile(runtime, 50)
        return None if median is None else 1e3 * self.gflop / median


@dataclass(frozen=True, slots=True)
class TrainedKind:
    """What networks of one kind reached on the validation pictures, one network for each seed."""

    kind: str
    seeds: tuple[int, ...]
    max_f: tuple[float, ...]
    """maxF (F of the mean precision and recall) after the last step."""
    mae: tuple[float, ...]
    """Mean absolute error after the last step."""
    seconds: tuple[float, ...]
    """Of each training."""
    parameters: int
    macs: int
    """Of one inference at the size of training."""


@dataclass(frozen=True, slots=True)
class Training:
    """A comparison of trained networks: the same data, steps, order and seeds for every kind."""

    data: str
    steps: int
    batch: int
    size: int
    table: str
    """The network's table, in words."""
    preset: str
    kinds: tuple[TrainedKind, ...]


@dataclass(slots=True)
class Comparison:
    """Everything that one call of the command found."""

    command: str
    machine: Mapping[str, Any]
    threads: int
    size: int
    """S: blocks and networks see S x S pixels."""
    seconds: float
    """How long each group of modules was timed."""
    end: str = "done"
    """``done``, ``interrupted``, or the error that ended it."""
    blocks: list[Row] = field(default_factory=list)
    networks: list[Row] = field(default_factory=list)
    training: Training | None = None
    version: int = VERSION

    @property
    def others_cores(self) -> float | None:
        """The most cores that other programs kept busy while a group was timed; None if unknown."""
        counts = [count for row in (*self.blocks, *self.networks) for count in row.others_cores.values()]
        return max((count for count in counts if count is not None), default=None)

    @property
    def empty(self) -> bool:
        """Whether nothing was measured yet."""
        return not (self.blocks or self.networks or self.training)

    def to_json(self) -> dict[str, Any]:
        """Ready for :mod:`json`; percentiles are added for readers."""
        record = asdict(self)
        for rows, stored in ((self.blocks, record["blocks"]), (self.networks, record["networks"])):
            for row, each in zip(rows, stored, strict=True):
                each["gflop"] = round(row.gflop, 3)
                each["ms"] = {
                    runtime: {f"p{percent}": _rounded(row.percentile(runtime, percent)) for percent in (50, 95)}
                    for runtime in row.samples_ms
                }
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` made.

        Raises:
            ValueError: it is of another version.
        """
        if record.get("version") != VERSION:
            raise ValueError(f"not a comparison of version {VERSION}")
        values = {**record, "blocks": _rows(record["blocks"]), "networks": _rows(record["networks"])}
        if record["training"] is not None:
            kinds = tuple(TrainedKind(**_with_tuples(each)) for each in record["training"]["kinds"])
            values["training"] = Training(**{**record["training"], "kinds": kinds})
        return cls(**values)


def _rows(stored: list[dict[str, Any]]) -> list[Row]:
    return [
        Row(
            count=Count(**each["count"]),
            samples_ms={runtime: tuple(samples) for runtime, samples in each["samples_ms"].items()},
            **{name: each[name] for name in ("kind", "what", "mid", "macs", "receptive_field", "others_cores")},
        )
        for each in stored
    ]


def _with_tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
