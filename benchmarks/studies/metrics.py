"""How much faster the metrics of saliency maps are than PySODMetrics', and whether they are the same.

Drawn maps of ECSSD's usual size, each with its truth. Every contestant has its own process, and they measure the same
maps in turns, so that load from other programs affects all of them equally. PySODMetrics lives in an environment of its
own, which is created on first use. It computes PR, F, E, S, weighted F and MAE; this program computes those, relaxF
with two elements and boundary IoU.

    python -m benchmarks.studies.metrics --json benchmarks/results/metrics.json

``ms`` is by the clock and ``cpu_ms`` the processor time on all cores, both per map, medians over the turns, with each
map's share of the summary at the end. ``times`` is how many times as fast as PySODMetrics a contestant is by the clock,
the median over the turns, ``least_times`` in its worst turn, and ``cpu_times`` how much less processor time it takes,
which other programs disturb less. ``difference`` is the largest one between two metrics of the whole set.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import metrics_worker
from benchmarks.peers.environment import peers_python
from benchmarks.support.study import positive_int, run_study
from benchmarks.support.worker_process import WorkerProcess
from rtsod.system.files import file_to_write
from rtsod.system.machine import thread_count

ROOT: Final = Path(__file__).parents[2]
REQUIREMENTS: Final = Path(metrics_worker.__file__).with_name("requirements-pysodmetrics.txt")
SIZE: Final = (300, 400)
"""Height and width, the most frequent ones in ECSSD."""
THEIRS: Final = metrics_worker.THEIRS


def drawn_pair(number: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A map and its truth: one to three ellipses, found with a soft edge, parts that are missed and false alarms."""
    random = np.random.default_rng(number)
    height, width = SIZE
    truth, found = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    for _ in range(random.integers(1, 4)):
        centre = (int(random.integers(width)), int(random.integers(height)))
        axes = (int(random.integers(15, 110)), int(random.integers(15, 110)))
        cv2.ellipse(truth, centre, axes, float(random.uniform(0, 180)), 0, 360, (255,), cv2.FILLED)
    off = random.integers(-6, 7, 2)
    found = np.roll(truth, off, (0, 1))
    for _ in range(random.integers(0, 4)):
        spot = (int(random.integers(width)), int(random.integers(height)))
        cv2.circle(found, spot, int(random.integers(3, 25)), (int(random.integers(256)),), cv2.FILLED)
    soft = cv2.GaussianBlur(found, (0, 0), float(random.uniform(0.8, 5)))
    grain = random.uniform(0.9, 1.0, SIZE)  # where something is found, as in a network's maps
    return (soft * grain).astype(np.uint8), truth > 0


class Contestant:
    """A contestant's process."""

    def __init__(self, name: str, folder: Path) -> None:
        python = str(peers_python(REQUIREMENTS)) if name == THEIRS else sys.executable
        self.name = name
        self.turns: list[tuple[float, float]] = []
        command = [python, metrics_worker.__file__, name, str(folder / "maps.npy"), str(folder / "truths.npy")]
        self.process = WorkerProcess(name, command)

    def take_turn(self, first: int, last: int) -> None:
        """Make it measure some maps."""
        self.turns.append(self.process.ask(f"{first} {last}"))

    def finish(self) -> dict[str, float]:
        """Make it summarise the metrics of all its maps; each turn gets its share of the time."""
        found = self.process.ask("end")
        self.turns = [(ms + found["ms"][0], cpu_ms + found["ms"][1]) for ms, cpu_ms in self.turns]
        metrics: dict[str, float] = found["metrics"]
        return metrics


def compare(names: list[str], count: int, each: int, record: dict[str, Any]) -> None:
    """Run the contestants in turns and fill the record.

    Args:
        names: of the contestants, PySODMetrics first.
        count: maps.
        each: maps per turn.
        record: gets ``contestants``.
    """
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rtsod-metrics-")))
        maps, truths = zip(*map(drawn_pair, range(count)), strict=True)
        np.save(folder / "maps.npy", np.stack(maps))
        np.save(folder / "truths.npy", np.stack(truths))
        contestants = []
        for name in names:
            contestants.append(Contestant(name, folder))
            opened.callback(contestants[-1].process.end)
            contestants[-1].process.receive()  # wait, so that no two contestants warm up at the same time
        for number, first in enumerate(range(0, count, each)):
            for contestant in contestants[:: 1 if number % 2 == 0 else -1]:
                contestant.take_turn(first, min(first + each, count))
        theirs = contestants[0]
        expected = theirs.finish()
        record["contestants"] = {theirs.name: _summary(theirs, theirs)}
        for contestant in contestants[1:]:
            found = contestant.finish()
            difference = max(abs(found[name] - value) for name, value in expected.items())
            record["contestants"][contestant.name] = {**_summary(contestant, theirs), "difference": difference}


def _summary(one: Contestant, theirs: Contestant) -> dict[str, float]:
    times = [b[0] / a[0] for a, b in zip(one.turns, theirs.turns, strict=True)]
    cpu_times = [b[1] / a[1] for a, b in zip(one.turns, theirs.turns, strict=True)]
    return {
        "ms": round(median(ms for ms, _ in one.turns), 3),
        "cpu_ms": round(median(ms for _, ms in one.turns), 3),
        "times": round(median(times), 2),
        "least_times": round(min(times), 2),
        "cpu_times": round(median(cpu_times), 2),
    }


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=positive_int, default=500, help="(default: %(default)s)")
    parser.add_argument("--turn", type=positive_int, default=25, help="maps of a turn (default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {
        "maps": options.maps,
        "size": list(SIZE[::-1]),
        "peers": REQUIREMENTS.read_text(encoding="utf-8").splitlines()[1:],
    }
    return run_study("benchmarks.studies.metrics", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    workers = sorted({1, thread_count()})
    compare([THEIRS, *(f"{metrics_worker.OURS}:{n}" for n in workers)], options.maps, options.turn, record)
    for name, row in record["contestants"].items():
        print(f"{name:<14}" + "  ".join(f"{key} {value:.3g}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
