"""Measures maps with one program, in its own process.

    python metrics_worker.py CONTESTANT MAPS.npy TRUTHS.npy

``pysodmetrics`` is that program; ``rtsod:N`` is this one on N threads, which measures relaxF and boundary IoU as well.
Both stretch each map to its minimum and maximum. For every line ``FIRST LAST`` on stdin the worker measures those maps
and writes the milliseconds by the clock, and of processor time, per map. After ``end`` it writes its metrics of all,
and the milliseconds per map that it took to summarise them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
THEIRS: Final = "pysodmetrics"
OURS: Final = "rtsod"


class Contestant(Protocol):
    """A program that measures maps."""

    def measure(self, maps: Array, truths: Array) -> None:
        """Measure ``(N, H, W)`` maps, uint8, with their truths, bool."""

    def results(self) -> dict[str, float]:
        """The metrics of all maps measured so far."""


class PySodMetrics:
    """PySODMetrics as its manual describes."""

    def __init__(self) -> None:
        import warnings

        import py_sod_metrics as theirs

        warnings.simplefilter("ignore")  # its Fmeasure is deprecated; FmeasureV2 is slower
        self._f, self._e, self._s = theirs.Fmeasure(), theirs.Emeasure(), theirs.Smeasure()
        self._mae, self._weighted = theirs.MAE(), theirs.WeightedFmeasure()

    def measure(self, maps: Array, truths: Array) -> None:
        """One map after the other, each by all meters."""
        for prediction, truth in zip(maps, truths.view(np.uint8) * np.uint8(255), strict=True):
            for meter in (self._f, self._e, self._s, self._mae, self._weighted):
                meter.step(prediction, truth)

    def results(self) -> dict[str, float]:
        """Its metrics by the names they have here."""
        f, e = self._f.get_results()["fm"], self._e.get_results()["em"]
        return {
            "fan_max_f": float(f["curve"].max()),
            "fan_mean_f": float(f["curve"].mean()),
            "adaptive_f": float(f["adp"]),
            "max_e": float(e["curve"].max()),
            "mean_e": float(e["curve"].mean()),
            "adaptive_e": float(e["adp"]),
            "s": float(self._s.get_results()["sm"]),
            "mae": float(self._mae.get_results()["mae"]),
            "weighted_f": float(self._weighted.get_results()["wfm"]),
        }


class Rtsod:
    """What this package measures, on threads."""

    def __init__(self, workers: int) -> None:
        from rtsod.evaluation.scores import PairScores, measure

        self._measure, self._workers = measure, workers
        self._scores: list[PairScores] = []

    def measure(self, maps: Array, truths: Array) -> None:
        """Several maps at once, each by all metrics."""
        from rtsod.evaluation.parallel import in_order

        jobs = (partial(self._one, *pair) for pair in zip(maps, truths, strict=True))
        self._scores += in_order(jobs, self._workers)

    def results(self) -> dict[str, float]:
        """All metrics of the set."""
        from rtsod.evaluation.scores import summarise

        return summarise(self._scores).numbers()

    def _one(self, prediction: Array, truth: Array) -> Any:
        low, high = prediction.min() / 255, prediction.max() / 255
        values = np.arange(256) / 255
        if low < high:
            values = np.clip((values - low) / (high - low), 0, 1)
        return self._measure(prediction, truth, values=values)


def contestant(name: str) -> Contestant:
    """The contestant of a name."""
    return PySodMetrics() if name == THEIRS else Rtsod(int(name.partition(":")[2]))


def per_map(work: Callable[[], None], count: int) -> tuple[float, float]:
    """Milliseconds per map by the clock, and of the process's time on all cores."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - started) / count * 1e3, (time.process_time() - used) / count * 1e3


def main(name: str, maps_file: str, truths_file: str) -> None:
    """Measure what is asked for, until ``end``."""
    maps, truths = np.load(maps_file), np.load(truths_file)
    contestant(name).measure(maps[:2], truths[:2])  # imports and first calls take longer
    chosen = contestant(name)
    measured = 0
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        first, last = map(int, line.split())
        measured += last - first
        print(
            json.dumps(per_map(partial(chosen.measure, maps[first:last], truths[first:last]), last - first)), flush=True
        )
    found: dict[str, float] = {}
    cost = per_map(lambda: found.update(chosen.results()), measured)
    print(json.dumps({"metrics": found, "ms": cost}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
