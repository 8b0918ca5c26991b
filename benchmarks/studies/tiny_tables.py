r"""Which table the starter has: what a mask costs with each of two dozen small networks, and how well some learn.

Times are of the whole path from a 1280x720 frame to the map, as a run computes it: scaled, then inferred by OpenVINO in
8 bits, with ranges measured on the drawn scene. The networks' weights are random, which changes no time. Each processor
class, with one thread and with two, is a process of its own, in which the networks take turns; medians of wall time.

    python -m benchmarks.studies.tiny_tables --json benchmarks/results/tiny_tables.json
    python -m benchmarks.studies.tiny_tables --learn --clips ../shared/samples/clips \
        --json benchmarks/results/tiny_learning.json

With ``--learn`` some of them, or those that are named, learn full's maps of two clips, each for the same processor
time. They are compared with full's maps of two other clips: one of the same person, one of somebody else. A candidate
that no table makes (a stride-2 stem, 1x1 input convolutions) is timed alone.

A first call converts the networks, once: about ten seconds for each.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import cv2
import numpy as np
import torch

from benchmarks.support.classes import held_to
from benchmarks.support.clips import read_clip
from benchmarks.support.model_from_torch import openvino_from_torch
from benchmarks.support.student import learned, maps_of
from benchmarks.support.study import positive_int, positive_seconds, run_study
from benchmarks.support.tiny_networks import CANDIDATES, Candidate, network_of
from rtsod.backends.openvino.core import openvino_core, ov
from rtsod.backends.openvino.dynamic_shapes import fix_size
from rtsod.backends.openvino.engine import OpenVinoEngine
from rtsod.backends.openvino.int8_saturation import REDUCED_WEIGHT_MAX, int8_saturates
from rtsod.bench.isolation import run_isolated
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import UsageError
from rtsod.frames import EngineInfo
from rtsod.imaging.fit import cover
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.model.calibration import WEIGHT_MAX, Calibration
from rtsod.model.int8 import int8_from_fp32, measure_ranges
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import fold_batch_norm
from rtsod.sources.demo import CLIP
from rtsod.system.cache_folder import cache_folder
from rtsod.system.files import file_to_write
from rtsod.system.processor_class import ProcessorClass, processor_class

_SCENE_FRAMES: Final = range(0, 240, 60)
TRAINING_CLIPS: Final = ("again.mkv", "book.mkv")
TEST_CLIPS: Final = {"same person": "no.mkv", "unseen person": "thanks.mkv"}
LEARN: Final = ("24/8@192", "16/16@192", "deep@192", "deep low@192")
EVERY: Final = 2
"""One frame in so many is learned or tested: neighbours differ by little."""


def converted(candidate: Candidate, weight_max: int) -> Path:
    """A candidate's 8-bit graph, for any input size, converted if it is not there yet."""
    key = hashlib.sha256(repr((candidate.table, candidate.stem, candidate.pointwise)).encode()).hexdigest()[:12]
    path = cache_folder() / "studies" / f"tiny-{key}-{weight_max}-{ov.__version__.split('-')[0]}.xml"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        network = network_of(candidate).eval()
        fold_batch_norm(network)
        graph = SaliencyGraph(network).eval()
        scene = DrawnScene(640, 480)
        pictures = [torch.from_numpy(shrink(scene.render(each)[0], candidate.size))[None] for each in _SCENE_FRAMES]
        maxima, outliers = measure_ranges(graph, pictures)
        ranges = Calibration("candidate", "", maxima, outliers, (), "the drawn scene", weight_max=weight_max)
        model = openvino_from_torch(int8_from_fp32(graph, ranges, "unsigned"), 320)
        ov.save_model(model, path, compress_to_fp16=False)
    return path


def times(names: Sequence[str], threads: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Time the candidates in turn. Call it in a new process.

    Args:
        names: of the candidates.
        threads: that inference may use.
        rounds: how often each is timed.

    Returns:
        For each: median ``wall_ms`` and ``cpu_ms`` of a frame's way to its map, and how many convolutions are in int8.
    """
    cv2.setNumThreads(threads)
    core = openvino_core()
    weight_max = REDUCED_WEIGHT_MAX if int8_saturates(core) else WEIGHT_MAX
    frame = cover(read_clip(CLIP, 1)[0], 1280, 720)
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": "NO",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    engines = {}
    for name in names:
        size = CANDIDATES[name].size
        model = fix_size(core.read_model(converted(CANDIDATES[name], weight_max)), size)
        info = EngineInfo("openvino", name, "int8", "CPU", size, "random")
        engines[name] = OpenVinoEngine(core.compile_model(model, "CPU", options), info)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds + 2):
        for name, engine in engines.items():
            wall, cpu = time.perf_counter(), time.process_time()
            engine.infer(shrink(frame, engine.info.input_size))
            spent = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
            if turn >= 2:
                found[name].append(spent)
    return {
        name: {
            "wall_ms": round(median(wall for wall, _ in each), 2),
            "cpu_ms": round(median(cpu for _, cpu in each), 2),
            "in_int8": sum(count for kernel, count in engines[name].kernels().items() if kernel.lower().endswith("i8")),
        }
        for name, each in found.items()
    }


def measure_times(names: Sequence[str], rounds: int, record: dict[str, Any]) -> None:
    """Time the candidates on this processor, and held to AVX2, with one thread and two."""
    record["times"] = {}
    for kind in (processor_class(), ProcessorClass.AVX2):
        for threads in (1, 2):
            with held_to(kind):
                found = run_isolated(times, names, threads, rounds)
            record["times"][f"{kind}, {threads} thread{'s' * (threads > 1)}"] = found
    for name in names:
        cells = (f"{found[name]['wall_ms']:7.2f}" for found in record["times"].values())
        print(f"{name:22}{''.join(cells)}", flush=True)


def measure_learning(names: Sequence[str], clips: Path, seconds: float, record: dict[str, Any]) -> None:
    """Let candidates learn full's maps, and compare what they learned with full's maps of other clips."""
    pictures = {name: read_clip(clips / name)[::EVERY] for name in (*TRAINING_CLIPS, *TEST_CLIPS.values())}
    teacher = {name: maps_of(images) for name, images in pictures.items()}
    record["learning"] = {}
    for name in names:
        candidate = CANDIDATES[name]
        if not candidate.is_table:
            raise UsageError(f"--learn {name}: no table makes it: it is timed alone")
        images = [image for clip in TRAINING_CLIPS for image in pictures[clip]]
        labels = [label for clip in TRAINING_CLIPS for label in teacher[clip]]
        steps, spent, infer = learned(candidate.table, candidate.size, images, labels, seconds)
        row: dict[str, Any] = {"steps": steps, "cpu_seconds": round(spent)}
        for who, clip in TEST_CLIPS.items():
            size = len(teacher[clip][0])
            maps = [np.asarray(cv2.resize(infer(image), (size, size)), np.float32) for image in pictures[clip]]
            overlaps = [iou(one, other) for one, other in zip(maps, teacher[clip], strict=True)]
            row[who] = {"mean": round(float(np.mean(overlaps)), 4), "p5": round(float(np.percentile(overlaps, 5)), 4)}
        record["learning"][name] = row
        print(f"{name:22}{row}", flush=True)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, metavar="NAME", help="(default: all)")
    parser.add_argument("--rounds", type=positive_int, default=25, help="(default: %(default)s)")
    parser.add_argument("--learn", nargs="*", metavar="NAME", help=f"let these learn (default: {', '.join(LEARN)})")
    parser.add_argument("--clips", type=Path, help="folder of the sample clips, for --learn")
    parser.add_argument(
        "--seconds", type=positive_seconds, default=60.0, help="of processor time (default: %(default)s)"
    )
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    if options.learn is not None and options.clips is None:
        parser.error("argument --learn: needs --clips")
    if unknown := set(options.learn or ()) - CANDIDATES.keys():
        parser.error(f"argument --learn: {', '.join(unknown)}: choose from {', '.join(CANDIDATES)}")

    def measure(record: dict[str, Any]) -> None:
        if options.learn is not None:
            measure_learning(options.learn or LEARN, options.clips, options.seconds, record)
        else:
            measure_times(options.only or list(CANDIDATES), options.rounds, record)

    return run_study("benchmarks.studies.tiny_tables", options.json, {"frame": [1280, 720]}, measure)


if __name__ == "__main__":
    sys.exit(main())
