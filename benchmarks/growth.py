"""How time and memory grow: with the network's input, with the frame, with the number of sinks, with the run's length.

python -m benchmarks.growth --json benchmarks/results/growth.json
python -m benchmarks.growth --only length --seconds 600 --json benchmarks/results/growth_length.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from rtsod.bench.fresh import in_fresh_process
from rtsod.bench.machine import describe, load
from rtsod.bench.network import measure_network, prepare
from rtsod.bench.record import command_line, write_json
from rtsod.bench.subject import Subject
from rtsod.bench.whole import Case, Resources, WholeResult, measure_whole
from rtsod.config import EngineConfig, SourceConfig
from rtsod.errors import RtsodError
from rtsod.text_file import check_writable

INPUT_SIZES: Final = (160, 192, 224, 256, 320, 384, 448, 512)
FRAME_SIZES: Final = ((640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
SINKS: Final = (1, 2, 4, 8)
SETTLED: Final = 0.2
"""Of a long run: what grows in its first fifth is caches filling, what grows after it is a leak."""


@dataclass(frozen=True, slots=True)
class Study:
    """What all parts share."""

    subject: Subject
    seconds: float
    """For each point; for the run's length, the length."""

    def case(self, width: int = 1280, height: int = 720, **options: Any) -> Case:
        """A whole run over the demo scene."""
        return Case(self.subject, SourceConfig("demo", width, height), seconds=self.seconds, **options)


def over_input_size(study: Study) -> list[dict[str, Any]]:
    """The network alone, 160 to 512."""
    points = []
    for size in INPUT_SIZES:
        subject = replace(study.subject, config=replace(study.subject.config, input_size=size))
        in_fresh_process(prepare, subject)
        network = in_fresh_process(measure_network, subject, study.seconds, time.time())
        p50 = network.percentiles["p50"]
        # Convolutions grow with the square: what is left per pixel tells whether time does, too.
        points.append({"input_size": size, "p50_ms": p50, "ns_per_pixel": round(p50 * 1e6 / size**2, 1)})
        print(f"input {size:>4}: {p50:>8.1f} ms, {points[-1]['ns_per_pixel']:>7.1f} ns per pixel", flush=True)
    return points


def over_frame_size(study: Study) -> list[dict[str, Any]]:
    """Everything but the network, VGA to 4K: the engine is one that knows its answer."""
    free = replace(study, subject=replace(study.subject, constant=True))
    points = []
    for width, height in FRAME_SIZES:
        run = in_fresh_process(measure_whole, free.case(width, height, paced=False))
        cpu = run.numbers["stage_cpu_ms"]
        beside = cpu["preprocess"] + cpu["compose"] + cpu["write"]
        points.append({"size": [width, height], "cpu_ms": round(beside, 2), **_whole(run)})
        print(f"frame {width}x{height}: {beside:>7.2f} ms of CPU, {run.peak_memory_mb:>5.0f} MB", flush=True)
    return points


def over_sinks(study: Study) -> list[dict[str, Any]]:
    """Everything but the network, with more and more sinks."""
    free = replace(study, subject=replace(study.subject, constant=True))
    points = []
    for count in SINKS:
        run = in_fresh_process(measure_whole, free.case(paced=False, sinks=count))
        points.append({"sinks": count, **_whole(run)})
        print(
            f"sinks {count}: write {run.numbers['stage_ms']['write']:.3f} ms, {run.peak_memory_mb:.0f} MB", flush=True
        )
    return points


def over_length(study: Study) -> dict[str, Any]:
    """One long run, paced like a camera: memory, threads and descriptors must not grow."""
    run = in_fresh_process(measure_whole, study.case(paced=True))
    growth = growth_after_settling(run.resources)
    print(f"{run.numbers['seconds']:.0f} s, {run.numbers['composited']} pictures: {growth}", flush=True)
    every = max(1, len(run.resources) // 60)
    return {
        **_whole(run),
        "seconds": run.numbers["seconds"],
        "composited": run.numbers["composited"],
        "after_settling": growth,
        "memory_mb": [[round(r.at), r.memory_mb] for r in run.resources[::every]],
    }


def growth_after_settling(resources: tuple[Resources, ...]) -> dict[str, float]:
    """What a run gained between its first fifth and its end: slope for memory, differences for what is counted."""
    settled = [r for r in resources if r.at >= SETTLED * resources[-1].at]
    slope = np.polyfit([r.at for r in settled], [r.memory_mb for r in settled], 1)[0] if len(settled) > 1 else 0.0
    return {
        "memory_mb_per_minute": round(float(slope) * 60, 3),
        "memory_mb": round(settled[-1].memory_mb - settled[0].memory_mb, 1),
        "threads": settled[-1].threads - settled[0].threads,
        "descriptors": settled[-1].descriptors - settled[0].descriptors,
    }


def _whole(run: WholeResult) -> dict[str, Any]:
    return {
        "fps": run.numbers["output_fps"],
        "stage_ms": run.numbers["stage_ms"],
        "stage_cpu_ms": run.numbers["stage_cpu_ms"],
        "peak_memory_mb": run.peak_memory_mb,
    }


PARTS: Final[dict[str, Callable[[Study], Any]]] = {
    "input": over_input_size,
    "frame": over_frame_size,
    "sinks": over_sinks,
    "length": over_length,
}


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="some parts (default: all)")
    parser.add_argument("--model", default="lite", choices=("full", "lite"))
    parser.add_argument("--constant", action="store_true", help="no network at all: for a quick look")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each point (default: %(default)g)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    study = Study(Subject(EngineConfig(model=options.model), options.constant), options.seconds)
    record: dict[str, Any] = {"command": command_line("benchmarks.growth"), "machine": describe(), "end": "done"}
    record |= {"model": options.model, "seconds": options.seconds}
    try:
        if options.json is not None:
            check_writable("--json", options.json)
        for part in options.only or PARTS:
            record[part] = PARTS[part](study)
    except RtsodError as error:
        record["end"] = str(error)
        print(f"benchmarks.growth: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        record["end"] = "interrupted"
        print("benchmarks.growth: interrupted; what was measured is kept", file=sys.stderr)
    record["load_at_end"] = load()
    if options.json is not None:
        write_json(options.json, record)
    return 0 if record["end"] == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
