"""What an evaluation found, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.data.dataset import Dataset
from rtsod.data.published import PUBLISHED_SETS
from rtsod.evaluation.contact_sheet import Tile
from rtsod.evaluation.intervals import Intervals, SetNumbers, intervals
from rtsod.evaluation.paper_numbers import paper_numbers
from rtsod.evaluation.protocols import Protocol
from rtsod.evaluation.scores import PairScores, SetScores, summarise

DONE: Final = "done"
"""The outcome of a complete evaluation."""
_DIGITS: Final = 9
"""Of numbers in JSON: what a sum of a thousand pictures holds for sure, and no noise of the last bits."""


@dataclass(eq=False)
class MethodResult:
    """One method on one data set."""

    name: str
    origin: str
    """What made the maps, or the folder that they are in."""
    scores: list[PairScores] = field(default_factory=list)
    """In the order of the pairs; fewer than those if the run was interrupted."""
    resized: int = 0
    """How many maps had another size than their mask, and were scaled."""

    @cached_property
    def summary(self) -> SetScores:
        """Over all pictures. Ask for it when they are all there."""
        return summarise(self.scores)

    @cached_property
    def without_empty(self) -> SetScores | None:
        """Over the pictures whose mask is not empty; None if there is none."""
        return None if all(one.is_empty for one in self.scores) else summarise(self.scores, with_empty=False)


@dataclass(eq=False)
class SetResult:
    """All methods on one data set."""

    dataset: Dataset
    methods: list[MethodResult] = field(default_factory=list)
    """The evaluated one first."""
    intervals: Intervals | None = None
    """None until all are measured, and for a single picture."""
    complaints: list[str] = field(default_factory=list)
    worst: list[Tile] = field(default_factory=list)
    """The worst maps of the evaluated method, the worst first."""

    @property
    def names(self) -> list[str]:
        """Of the pictures."""
        return [pair.name for pair in self.dataset.pairs]

    @property
    def empty(self) -> int:
        """How many masks are empty."""
        return self.methods[0].summary.empty

    def published(self, protocol: Protocol) -> dict[str, dict[str, float]]:
        """The paper's numbers for this set; none if they cannot be compared with these.

        They can if the protocol is the paper's, and the set is one of the paper's six and complete.
        """
        complete = any(one.name == self.dataset.name and one.pairs == len(self.dataset.pairs) for one in PUBLISHED_SETS)
        return (paper_numbers(self.dataset.name) or {}) if protocol.name == "paper" and complete else {}

    def draw_intervals(self, resamples: int, seed: int) -> None:
        """Compute :attr:`intervals`, once all methods are measured."""
        if len(self.methods[0].scores) > 1:
            rows = {method.name: SetNumbers(method.scores) for method in self.methods}
            self.intervals = intervals(rows, resamples=resamples, seed=seed)


@dataclass(eq=False)
class Evaluation:
    """A whole run."""

    protocol: Protocol
    command: str
    machine: dict[str, object]
    """See :func:`rtsod.system.provenance.describe`."""
    resamples: int
    seed: int
    outcome: str = DONE
    """Or why it ended early."""
    sets: list[SetResult] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return not any(method.scores for one in self.sets for method in one.methods)

    def summary(self) -> dict[str, object]:
        """Ready for JSON: every set and method, its numbers, intervals, differences and curves."""
        return {
            "protocol": {"name": self.protocol.name, "summary": self.protocol.summary},
            "outcome": self.outcome,
            "command": self.command,
            "machine": self.machine,
            "bootstrap": {"resamples": self.resamples, "seed": self.seed, "level": 0.95},
            "sets": [self._set(one) for one in self.sets],
        }

    def _set(self, result: SetResult) -> dict[str, object]:
        drawn, count = result.intervals, len(result.names)
        methods: list[dict[str, object]] = []
        for method in result.methods:
            row: dict[str, object] = {"name": method.name, "origin": method.origin, "measured": len(method.scores)}
            if len(method.scores) == count:
                row |= {"resized_maps": method.resized, "numbers": _rounded(method.summary.numbers())}
                if (without := method.without_empty) is not None and without.count < count:
                    row["without_empty_masks"] = {"count": without.count, "numbers": _rounded(without.numbers())}
                row["curves"] = _curves(method.summary)
            if drawn is not None:
                row["intervals"] = {key: [one.low, one.high] for key, one in drawn.own[method.name].items()}
                if method.name in drawn.differences:
                    row["difference_to_first"] = {
                        key: [one.low, one.high] for key, one in drawn.differences[method.name].items()
                    }
            methods.append(row)
        return {
            "name": result.dataset.name,
            "folder": str(result.dataset.folder),
            "layout": result.dataset.layout,
            "pictures": count,
            "complaints": result.complaints,
            "methods": methods,
            "published": result.published(self.protocol),
        }


def per_picture(result: SetResult) -> dict[str, object]:
    """Ready for JSON: the numbers of each picture of a set, by method."""
    return {
        "set": result.dataset.name,
        "methods": {
            method.name: {
                name: {**_rounded(one.numbers()), "max_f": round(float(one.curves.f.max()), _DIGITS),
                       "empty_mask": one.is_empty}
                for name, one in zip(result.names, method.scores, strict=False)
            }
            for method in result.methods
        },
    }  # fmt: skip


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in numbers.items()}


def _curves(scores: SetScores) -> dict[str, list[float]]:
    def values(curve: NDArray[np.float64]) -> list[float]:
        return [round(float(value), 6) for value in curve]

    return {
        "precision": values(scores.precision),
        "recall": values(scores.recall),
        "f": values(scores.f),
        "f_of_means": values(scores.f_of_means),
        "e": values(scores.e),
    }
