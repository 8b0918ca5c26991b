"""What a run with a network of one's own costs, from a camera to a virtual camera.

The program as it is by default, in a process of its own, in front of a 720p camera of 30 frames a second that waits for
nobody, with a virtual camera whose device takes everything: on two cores, on this machine's class of processor and held
to AVX2, alone and beside a process that keeps one core busy. Lite looks at its frames now and then, as it does in every
such run.

    rtsod learn --source ../shared/samples/clips/again.mkv --train-minutes 2 --name again
    python -m benchmarks.studies.own_network --model again --clip again --json FILE

*Lost* and *p95* are those of :mod:`benchmarks.studies.camera_rate`; *cores* is processor time per second, from the
third second on; *mask* is the time from a frame to its map, alone in a process of its own. Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.support.camera_numbers import CameraNumbers, Targets, losses, medians, numbers_of, rungs
from benchmarks.support.camera_run import PICTURES, CameraJob, observe
from benchmarks.support.classes import held_to
from benchmarks.support.clips import read_clip
from benchmarks.support.laptops import neighbour
from benchmarks.support.study import positive_int, positive_seconds, run_study
from rtsod.backends import open_engine
from rtsod.bench.isolation import run_isolated
from rtsod.config import EngineConfig
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.metrics import Event
from rtsod.model.weights import resolve, with_size
from rtsod.system.files import file_to_write
from rtsod.system.processor_class import ProcessorClass, processor_class

WIDTH, HEIGHT = 1280, 720
PICTURE_COUNT: Final = 90
TARGETS: Final = Targets(lost_share=0.005, p95_ms=40.0)
CORES: Final = 0.8
MEMORY_MB: Final = 400.0
WARM_UP: Final = 30
MASKS: Final = 300


def one_run(folder: Path, model: str, seconds: float) -> dict[str, Any]:
    """One run in a process of its own, ready for JSON."""
    job = CameraJob(folder, model, seconds, time.perf_counter(), virtual_camera=True)
    observed = run_isolated(observe, job)
    return {
        **asdict(numbers_of(observed)), "losses": losses(observed), "engine": observed.engine,
        "doubted": sum(event == Event.NETWORK_DOUBTED for _, event in observed.events), "rungs": rungs(observed),
        "stage_ms": observed.stage_ms, "stage_cpu_ms": observed.stage_cpu_ms,
    }  # fmt: skip


def mask_ms(model: str, folder: Path) -> float:
    """Milliseconds from a frame to its map, the median of many, in a process of its own."""
    return round(run_isolated(_time_masks, (model, folder)), 2)


def _time_masks(job: tuple[str, Path]) -> float:
    model, folder = job
    images = np.load(folder / PICTURES, mmap_mode="r")
    config = with_size(EngineConfig(model))
    engine = open_engine(config, resolve(config))
    times = []
    try:
        for number in range(WARM_UP + MASKS):
            image = np.ascontiguousarray(images[number % len(images)])
            began = time.perf_counter()
            engine.infer(shrink(image, engine.info.input_size, engine.info.fitting))
            times.append(1e3 * (time.perf_counter() - began))
    finally:
        engine.close()
    return float(np.median(times[WARM_UP:]))


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Take turns between all cells, and print each run and the medians."""
    kinds = dict.fromkeys([processor_class(), ProcessorClass.AVX2])
    cells = [(kind, beside) for kind in kinds for beside in ("alone", "beside")]
    runs: dict[str, list[dict[str, Any]]] = {f"{kind}/{beside}": [] for kind, beside in cells}
    record["runs"] = runs
    images = [cover(image, WIDTH, HEIGHT) for image in read_clip(options.clips / f"{options.clip}.mkv", PICTURE_COUNT)]
    with tempfile.TemporaryDirectory(prefix="rtsod-camera-") as name:
        folder = Path(name)
        np.save(folder / PICTURES, np.stack(images))
        record["mask_ms"] = {}
        for kind in kinds:  # what is compiled for a class is compiled once
            with held_to(kind):
                one_run(folder, options.model, 6.0)
                record["mask_ms"][str(kind)] = mask_ms(options.model, folder)
        for number in range(options.runs):
            for kind, beside in cells:
                with held_to(kind), neighbour() if beside == "beside" else nullcontext():
                    found = one_run(folder, options.model, options.seconds)
                runs[f"{kind}/{beside}"].append(found)
                print(f"{number + 1}/{options.runs} {kind}/{beside:<6} {_line(found)}", flush=True)
    record["median"] = {cell: _median(of) for cell, of in runs.items()}
    for cell, row in record["median"].items():
        print(f"{cell:<12} {_line(row)}; misses {', '.join(row['misses']) or 'nothing'}", flush=True)
    print(f"a mask alone: {record['mask_ms']} ms", flush=True)


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    names = CameraNumbers.__dataclass_fields__
    numbers = medians([CameraNumbers(**{name: run[name] for name in names}) for run in runs])
    misses = [name for name in numbers.misses(TARGETS) if name in ("lost_share", "p95_ms")]
    misses += ["cores"] if numbers.cores > CORES else []
    misses += ["peak_memory_mb"] if numbers.peak_memory_mb > MEMORY_MB else []
    return {**asdict(numbers), "losses": {}, "misses": misses}


def _line(run: dict[str, Any]) -> str:
    return (
        f"lost {_or_none(run['lost_share'], '.2%')} {run['losses']}, p50 {_or_none(run['p50_ms'])} ms, "
        f"p95 {_or_none(run['p95_ms'])} ms, "
        f"{run['cores']:.2f} cores, {run.get('doubted', 0)} times doubted, {run['peak_memory_mb']:.0f} MB"
    )


def _or_none(value: float | None, form: str = ".0f") -> str:
    """A number, or what stands for one that a run without pictures has not."""
    return "-" if value is None else format(value, form)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="me", help="a network of your own (default: %(default)s)")
    parser.add_argument("--clip", default="again", help="that it learned (default: %(default)s)")
    parser.add_argument("--runs", type=positive_int, default=2, help="of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=positive_seconds, default=30.0, help="of a run (default: %(default)g)")
    parser.add_argument("--clips", type=Path, default=Path("../shared/samples/clips"), help="(default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    job = {name: getattr(options, name) for name in ("model", "clip", "runs", "seconds")}
    return run_study("benchmarks.studies.own_network", options.json, {"job": job}, lambda of: measure(options, of))


if __name__ == "__main__":
    sys.exit(main())
