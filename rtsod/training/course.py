"""What a run's log says, as arrays: what the report draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_POINTS: Final = 500
"""Points of a curve: about as many as it has pixels. More would only make the page large and the line a band."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Numbers over steps. What was not finite is NaN."""

    steps: Numbers
    """``(N,)``, rising."""
    values: Numbers
    """``(N,)``."""

    def thinned(self, most: int = MOST_POINTS) -> Curve:
        """At most so many points, each the mean of equally many finite ones that follow each other.

        Args:
            most: at least 1.
        """
        size = math.ceil(len(self.steps) / most)
        if size <= 1:
            return self
        firsts = np.arange(0, len(self.steps), size)
        finite = np.isfinite(self.values)
        counts = np.add.reduceat(finite.astype(np.float64), firsts)
        sums = np.add.reduceat(np.where(finite, self.values, 0.0), firsts)
        means = np.divide(sums, counts, out=np.full(len(firsts), np.nan), where=counts > 0)
        lengths = np.diff(np.append(firsts, len(self.steps)))
        return Curve(np.add.reduceat(self.steps, firsts) / lengths, means)


@dataclass(frozen=True, slots=True)
class Judged:
    """One validation."""

    step: int
    mae: float
    max_f: float


@dataclass(frozen=True, slots=True)
class Course:
    """A run as its log tells it. Whatever a log lacks is empty."""

    start: Mapping[str, Any]
    losses: Mapping[str, Curve]
    """``total``, and each head's."""
    curves: Mapping[str, Curve]
    """``lr``, ``gradient_norm``, ``samples_per_second`` and ``waiting_share``."""
    validations: tuple[Judged, ...]
    events: tuple[Mapping[str, Any], ...]
    end: Mapping[str, Any] | None
    """None while the run goes on, and after it was killed."""
    step: int
    """The last one that the log knows of."""

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Course:
        """Sort a log's records. If a step is there twice, because a run was resumed, the later one counts.

        Args:
            records: of :func:`rtsod.training.log.read_log`.
        """
        steps: dict[int, Mapping[str, Any]] = {}
        judged: dict[int, Judged] = {}
        start: Mapping[str, Any] = {}
        end: Mapping[str, Any] | None = None
        events = []
        for record in records:
            kind, step = record.get("kind"), record.get("step")
            end = record if kind == "end" else None  # what follows an end was resumed
            if kind == "start":
                start = record
            elif kind == "event":
                events.append(record)
            elif kind == "step" and isinstance(step, int):
                steps[step] = record
            elif kind == "validation" and isinstance(step, int):
                judged[step] = Judged(step, _number(record.get("mae")), _number(record.get("max_f")))
        ordered = sorted(steps.items())
        heads = dict.fromkeys(name for _, record in ordered for name in _mapping(record.get("losses")))
        losses = {head: _curve((step, _mapping(record.get("losses")).get(head)) for step, record in ordered)
                  for head in heads}  # fmt: skip
        names = ("lr", "gradient_norm", "samples_per_second", "waiting_share")
        curves = {name: _curve((step, record.get(name)) for step, record in ordered) for name in names}
        last = (end or {}).get("steps")
        known = [0, *steps, *judged, *([last] if isinstance(last, int) else [])]
        return cls(
            start, losses, curves, tuple(judged[step] for step in sorted(judged)), tuple(events), end, max(known)
        )

    @property
    def best(self) -> Judged | None:
        """The validation with the lowest error; the first of equal ones, as the run has it."""
        return min((one for one in self.validations if math.isfinite(one.mae)), key=lambda one: one.mae, default=None)

    @property
    def config(self) -> Mapping[str, Any]:
        """What the run was told."""
        return _mapping(self.start.get("config"))

    @property
    def waiting(self) -> float:
        """The mean share of time spent waiting for samples; NaN if it is not known."""
        values = self.curves["waiting_share"].values
        finite = values[np.isfinite(values)]
        return float(finite.mean()) if len(finite) else math.nan


def _curve(points: Iterable[tuple[int, object]]) -> Curve:
    pairs = [(step, _number(value)) for step, value in points]
    both = np.array(pairs, np.float64).reshape(-1, 2)
    return Curve(both[:, 0], both[:, 1])


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else math.nan


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
