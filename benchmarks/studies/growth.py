"""How time and memory grow with the network's input, the frame size, the number of sinks and the length of a run.

python -m benchmarks.studies.growth --json benchmarks/results/growth.json
python -m benchmarks.studies.growth --only length --seconds 600 --json benchmarks/results/growth_length.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from benchmarks.support.study import positive_seconds, run_study
from rtsod.bench.end_to_end import Case, EndToEndResult, Resources, measure_end_to_end
from rtsod.bench.isolation import run_isolated
from rtsod.bench.network import measure_network, prepare
from rtsod.bench.target import Target
from rtsod.config import MODELS, EngineConfig, SourceConfig
from rtsod.system.files import file_to_write

INPUT_SIZES: Final = (160, 192, 224, 256, 320, 384, 448, 512)
"""Side of the network's input, in pixels."""
FRAME_SIZES: Final = ((640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
SINKS: Final = (1, 2, 4, 8)
"""Numbers of sinks."""
SETTLING_SHARE: Final = 0.2
"""Share of a long run. What grows before is caches that fill, what grows after is a leak."""


@dataclass(frozen=True, slots=True)
class Study:
    """What all parts of the study share."""

    target: Target
    seconds: float
    """How long each point is measured; for the length of a run, that length."""

    def case(self, width: int = 1280, height: int = 720, **options: Any) -> Case:
        """A whole run on the drawn scene."""
        return Case(self.target, SourceConfig("scene", width, height), seconds=self.seconds, **options)


def over_input_size(study: Study) -> Iterator[dict[str, Any]]:
    """The network alone, by the size of its input."""
    for size in INPUT_SIZES:
        target = replace(study.target, config=replace(study.target.config, input_size=size))
        run_isolated(prepare, target)
        network = run_isolated(measure_network, target, study.seconds, time.time())
        p50 = network.percentiles["p50"]
        # The work of convolutions grows with the number of pixels. If time does, too, the time per pixel is constant.
        per_pixel = round(p50 * 1e6 / size**2, 1)
        print(f"input {size:>4}: {p50:>8.1f} ms, {per_pixel:>7.1f} ns per pixel", flush=True)
        yield {"input_size": size, "p50_ms": p50, "ns_per_pixel": per_pixel}


def over_frame_size(study: Study) -> Iterator[dict[str, Any]]:
    """Everything but the network, from VGA to 4K: the engine returns a constant mask."""
    free = replace(study, target=replace(study.target, constant=True))
    for width, height in FRAME_SIZES:
        run = run_isolated(measure_end_to_end, free.case(width, height, paced=False))
        cpu = run.snapshot["stage_cpu_ms"]
        beside = cpu["preprocess"] + cpu["compose"] + cpu["write"]
        print(f"frame {width}x{height}: {beside:>7.2f} ms of CPU, {run.peak_memory_mb:>5.0f} MB", flush=True)
        yield {"size": [width, height], "cpu_ms": round(beside, 2), **_whole(run)}


def over_sinks(study: Study) -> Iterator[dict[str, Any]]:
    """Everything but the network, by the number of sinks."""
    free = replace(study, target=replace(study.target, constant=True))
    for count in SINKS:
        run = run_isolated(measure_end_to_end, free.case(paced=False, sinks=count))
        print(
            f"sinks {count}: write {run.snapshot['stage_ms']['write']:.3f} ms, {run.peak_memory_mb:.0f} MB", flush=True
        )
        yield {"sinks": count, **_whole(run)}


def over_length(study: Study) -> Iterator[dict[str, Any]]:
    """One long run at the pace of a camera; memory, threads and descriptors must not grow."""
    run = run_isolated(measure_end_to_end, study.case(paced=True))
    growth = growth_after_settling(run.resources)
    print(f"{run.snapshot['seconds']:.0f} s, {run.snapshot['composited']} pictures: {growth}", flush=True)
    stride = max(1, len(run.resources) // 60)
    yield {
        **_whole(run),
        "seconds": run.snapshot["seconds"],
        "composited": run.snapshot["composited"],
        "after_settling": growth,
        "memory_mb": [[round(r.at), r.memory_mb] for r in run.resources[::stride]],
    }


def growth_after_settling(resources: tuple[Resources, ...]) -> dict[str, float]:
    """What a run gained after its caches were filled: the slope and difference of memory, differences of counts."""
    settled = [r for r in resources if r.at >= SETTLING_SHARE * resources[-1].at]
    slope = np.polyfit([r.at for r in settled], [r.memory_mb for r in settled], 1)[0] if len(settled) > 1 else 0.0
    return {
        "memory_mb_per_minute": round(float(slope) * 60, 3),
        "memory_mb": round(settled[-1].memory_mb - settled[0].memory_mb, 1),
        "threads": settled[-1].threads - settled[0].threads,
        "descriptors": settled[-1].descriptors - settled[0].descriptors,
    }


def _whole(run: EndToEndResult) -> dict[str, Any]:
    return {
        "fps": run.snapshot["output_fps"],
        "stage_ms": run.snapshot["stage_ms"],
        "stage_cpu_ms": run.snapshot["stage_cpu_ms"],
        "peak_memory_mb": run.peak_memory_mb,
    }


PARTS: Final[dict[str, Callable[[Study], Iterator[dict[str, Any]]]]] = {
    "input": over_input_size,
    "frame": over_frame_size,
    "sinks": over_sinks,
    "length": over_length,
}


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=tuple(PARTS), action="append", help="this part only; may be repeated (default: all)"
    )
    parser.add_argument("--model", default="lite", choices=MODELS)
    parser.add_argument("--constant", action="store_true", help="no network at all, for a quick look")
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=5.0,
        help="duration of each point, or of the long run, in seconds (default: %(default)g)",
    )
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    study = Study(Target(EngineConfig(model=options.model), options.constant), options.seconds)

    def measure(record: dict[str, Any]) -> None:
        for part in options.only or PARTS:
            for point in PARTS[part](study):
                record.setdefault(part, []).append(point)

    about = {"model": options.model, "seconds": options.seconds}
    return run_study("benchmarks.studies.growth", options.json, about, measure)


if __name__ == "__main__":
    sys.exit(main())
