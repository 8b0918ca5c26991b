"""Bootstrap intervals of a set's numbers, and of the differences between two methods on the same pictures.

A resample draws as many pictures as there are, with replacement, and every number of the set is computed anew from it
(Efron, "Bootstrap methods: another look at the jackknife", 1979). An interval reaches from the 2.5th to the 97.5th
percentile of the resamples' numbers. All methods are computed on the same resamples, so that a difference's interval
is that of a paired comparison: what is hard in a picture is hard for both and drops out.

An interval says how much a number depends on which pictures happen to be in the set. It says nothing about other
training runs, and nothing about other kinds of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.evaluation.alignment import e_curve
from rtsod.evaluation.curves import f_measure
from rtsod.evaluation.scores import PairScores

RESAMPLES: Final = 2000
"""With so many, an interval's ends vary by about 2 % of its width from seed to seed."""
LEVEL: Final = 0.95
"""Share of the resamples within an interval."""
_CHUNK: Final = 64
"""Resamples computed at a time: enough for fast matrix products, at 5000 pictures 3 MB."""

Numbers = NDArray[np.float64]
"""``(B,)`` float64: a number of each of B resamples."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The range that holds 95 % of the resamples' numbers."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference is larger than what the choice of pictures explains."""
        return self.low > 0 or self.high < 0


class SetNumbers:
    """What the numbers of a set are computed from: a row for each picture.

    Args:
        scores: of the pictures. Pass the same pictures in the same order for methods that are compared.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, scores: Sequence[PairScores]) -> None:
        if not scores:
            raise ValueError("a mean needs at least one picture")
        curves = [one.curves for one in scores]
        self._precision = np.array([one.precision for one in curves])  # (n, 256), as the next three
        self._recall = np.array([one.recall for one in curves])
        self._f = f_measure(self._precision, self._recall)
        self._e = np.array([e_curve(one) for one in curves])
        plain = [one.numbers() for one in scores]
        # (n,) each; NaN where a picture has no alpha, and so no matting errors
        names = sorted({name for numbers in plain for name in numbers})
        self._means = {name: np.array([numbers.get(name, np.nan) for numbers in plain]) for name in names}

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self._f)

    def of(self, weights: NDArray[np.float64]) -> dict[str, Numbers]:
        """The numbers of weighted sets, by their names in ``SetScores.numbers()``.

        Args:
            weights: ``(B, n)``, how often each picture counts in each of B sets.

        Returns:
            ``(B,)`` each; NaN where a set holds no picture that has the number.
        """
        shares = weights / weights.sum(axis=1, keepdims=True)
        f_of_means = f_measure(shares @ self._precision, shares @ self._recall)
        f, e = shares @ self._f, shares @ self._e
        return {
            "max_f": f_of_means[:, :-1].max(axis=1),  # the authors' tool has no threshold 255
            "fan_max_f": f.max(axis=1),
            "fan_mean_f": f.mean(axis=1),
            "max_e": e.max(axis=1),
            "mean_e": e.mean(axis=1),
            **{name: _mean(weights, values) for name, values in self._means.items()},
        }


@dataclass(frozen=True, slots=True)
class Intervals:
    """The intervals of several methods on one set."""

    own: dict[str, dict[str, Interval]]
    """For each method, by the number's name."""
    differences: dict[str, dict[str, Interval]]
    """For each method but the first: the first's number less its number."""


def intervals(methods: Mapping[str, SetNumbers], *, resamples: int = RESAMPLES, seed: int = 0) -> Intervals:
    """Bootstrap the numbers of methods on the same pictures.

    Args:
        methods: by name; the first is compared with each of the others.
        resamples: how many.
        seed: of the resamples; the same seed gives the same intervals.

    Raises:
        ValueError: the methods have different numbers of pictures.
    """
    counts = {numbers.count for numbers in methods.values()}
    if len(counts) != 1:
        raise ValueError("methods are compared on the same pictures")
    drawn: dict[str, dict[str, list[Numbers]]] = {name: {} for name in methods}
    for weights in _weights(counts.pop(), resamples, seed):
        for name, numbers in methods.items():
            for key, values in numbers.of(weights).items():
                drawn[name].setdefault(key, []).append(values)
    joined = {name: {key: np.concatenate(parts) for key, parts in of.items()} for name, of in drawn.items()}
    first, *others = joined
    return Intervals(
        {name: {key: _interval(values) for key, values in of.items()} for name, of in joined.items()},
        {
            name: {
                key: _interval(values - joined[name][key])
                for key, values in joined[first].items()
                if key in joined[name]
            }
            for name in others
        },
    )


def _weights(pictures: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each picture is drawn in each resample: ``(<= 64, pictures)`` at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = rng.integers(pictures, size=(rows, pictures)) + np.arange(rows)[:, None] * pictures
        yield np.bincount(drawn.ravel(), minlength=rows * pictures).reshape(rows, pictures).astype(np.float64)


def _mean(weights: NDArray[np.float64], values: NDArray[np.float64]) -> Numbers:
    known = np.isfinite(values)
    total = weights @ known
    mean = (weights @ np.where(known, values, 0)) / np.where(total > 0, total, 1)
    return np.asarray(np.where(total > 0, mean, np.nan))


def _interval(values: Numbers) -> Interval:
    tail = 100 * (1 - LEVEL) / 2
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [tail, 100 - tail])
    return Interval(float(low), float(high))
