"""What the pipeline costs besides the network, on one 720p file.

Three numbers, each with its bound:

* CPU time per frame of everything but inference and decoding: at most 8 ms. The pipeline runs with an engine that
  replays the real masks. The CPU time of the whole process, less that of decoding alone, is the pipeline's: scaling,
  compositing, handing over, counting.
* Its rate: at least 95 % of the bare engine's (resize and infer, nothing else) on the same frames in memory.
* Peak memory with the lite network, reading the file: below 1 GB.

    python -m benchmarks.studies.pipeline_overhead --json benchmarks/results/pipeline_overhead.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.support.clips import clip_from_scene, clip_from_video, read_clip
from benchmarks.support.study import positive_int, run_study
from rtsod.app.assembly import build_run, leave_cores_to_the_network
from rtsod.backends import open_engine
from rtsod.backends.constant import ConstantEngine
from rtsod.bench.isolation import run_isolated
from rtsod.bench.sources import DEFAULT_BACKGROUND, LoopedSource
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine, Source
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Snapshot
from rtsod.model.weights import resolve
from rtsod.sinks.null import NullSink
from rtsod.sources.video import video_from_file
from rtsod.system.files import file_to_write

MAX_CPU_MS: Final = 8.0
"""Per frame, without inference and decoding."""
MIN_RATE_SHARE: Final = 0.95
"""Of the bare engine's rate."""
MAX_MEMORY_MB: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure, and on which file."""

    clip: Path
    frames: int
    rounds: int
    model: str
    precision: str
    engine: str


def cpu_per_frame(job: Job) -> dict[str, Any]:
    """CPU time per frame of the pipeline without inference and decoding, in ms: medians over rounds."""
    masks = _masks(job)
    decoding, whole, stages = [], [], []
    _play(video_from_file(job.clip), ConstantEngine(answer=_replay(masks)))
    for _ in range(job.rounds):
        decoding.append(_cpu_ms(lambda: _drain(video_from_file(job.clip))) / job.frames)
        numbers: list[Snapshot] = []
        engine = ConstantEngine(answer=_replay(masks))
        whole.append(_cpu_ms(lambda: numbers.append(_play(video_from_file(job.clip), engine))) / job.frames)  # noqa: B023
        stages.append(numbers[0]["stage_cpu_ms"])
    return {
        "decode_ms": _rounded(decoding),
        "pipeline_and_decode_ms": _rounded(whole),
        "pipeline_ms": [round(w - d, 3) for w, d in zip(whole, decoding, strict=True)],
        "median_ms": round(median(w - d for w, d in zip(whole, decoding, strict=True)), 3),
        "stage_cpu_ms": {
            stage: round(median(s[stage] for s in stages), 3) for stage in ("preprocess", "compose", "write")
        },
    }


def rate_against_bare(job: Job) -> dict[str, Any]:
    """Frames per second of the bare engine and of the pipeline, in turns on the same frames in memory."""
    images = read_clip(job.clip, job.frames)
    engine = _open(job)
    shares, bare_fps, pipeline_fps, stages = [], [], [], []
    for index in range(-1, job.rounds):
        bare = _seconds(lambda: _bare(engine, images))
        numbers: list[Snapshot] = []
        source = LoopedSource(images, Fraction(30), frames=len(images))
        seconds = _seconds(lambda: numbers.append(_play(source, engine)))  # noqa: B023
        if index < 0:
            continue  # warm-up
        bare_fps.append(len(images) / bare)
        pipeline_fps.append(len(images) / seconds)
        shares.append(bare / seconds)
        stages.append(numbers[0]["stage_cpu_ms"])
    engine.close()
    return {
        "bare_fps": _rounded(bare_fps),
        "pipeline_fps": _rounded(pipeline_fps),
        "shares": _rounded(shares),
        "median_share": round(median(shares), 4),
        "stage_cpu_ms": {stage: round(median(s[stage] for s in stages), 3) for stage in stages[0]},
    }


def rate_from_file(job: Job) -> dict[str, Any]:
    """Frames per second of the pipeline when it reads and decodes the file, and its peak memory."""
    engine = _open(job)
    fps = [
        job.frames / _seconds(lambda: _play(video_from_file(job.clip), engine)) for _ in range(max(1, job.rounds // 2))
    ]
    engine.close()
    return {"pipeline_fps": _rounded(fps), "peak_memory_mb": round(peak_memory() / 1e6)}


def peak_memory() -> int:
    """The peak resident memory of this process so far, in bytes. Linux only."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _open(job: Job) -> Engine:
    leave_cores_to_the_network()
    config = EngineConfig(model=job.model, engine=job.engine, precision=job.precision)  # type: ignore[arg-type]
    return open_engine(config, resolve(config))


def _masks(job: Job) -> list[Alpha]:
    engine = _open(job)
    masks = [engine.infer(shrink(image, engine.info.input_size)) for image in read_clip(job.clip, job.frames)]
    engine.close()
    return masks


def _replay(masks: list[Alpha]) -> Callable[[Image], Alpha]:
    following = chain(masks, repeat(masks[-1]))
    return lambda image: next(following).copy()


def _play(source: Source, engine: Engine) -> Snapshot:
    config = AppConfig(picture=PictureConfig(backgrounds=(DEFAULT_BACKGROUND,), steady=False))
    plan = MaskPlan((Rung(engine.info.input_size),), max_mask_age=60.0)
    sink = NullSink()
    try:
        with build_run(config, source=source, sinks=[sink], pool=EnginePool(engine), plan=plan) as run:
            run.pipeline.run()
            numbers = run.metrics.snapshot()
    finally:
        source.close()
    assert sink.slates == 0
    return numbers


def _bare(engine: Engine, images: list[Image]) -> None:
    for image in images:
        engine.infer(shrink(image, engine.info.input_size))


def _drain(source: Source) -> None:
    try:
        while source.read() is not None:
            pass
    finally:
        source.close()


def _cpu_ms(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1e3


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite", choices=("full", "lite"))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--input", type=Path, help="a video, which is brought to 720p (default: the drawn scene)")
    parser.add_argument("--frames", type=positive_int, default=60, help="frames of the file (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=positive_int, default=5, help="rounds of each measurement (default: %(default)s)"
    )
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {
        "input": {"name": "drawn scene" if options.input is None else options.input.name, "size": [1280, 720]},
        "job": {name: getattr(options, name) for name in ("model", "engine", "precision", "frames", "rounds")},
    }
    return run_study(
        "benchmarks.studies.pipeline_overhead", options.json, about, lambda record: _measure(options, record)
    )


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Measure part by part; fill the record and print it."""
    with tempfile.TemporaryDirectory(prefix="rtsod-bench-") as folder:
        clip = Path(folder) / "clip.mp4"
        if options.input is None:
            clip_from_scene(clip, 1280, 720, options.frames)
        else:
            clip_from_video(clip, options.input, 1280, 720, options.frames)
        job = Job(clip, options.frames, options.rounds, options.model, options.precision, options.engine)
        cpu = record["cpu"] = run_isolated(cpu_per_frame, job)
        _report("CPU per frame without inference and decoding", cpu["median_ms"], "ms", MAX_CPU_MS)
        rate = record["rate"] = run_isolated(rate_against_bare, job)
        _report("time against the bare engine's", 100 / rate["median_share"], "%", 100 / MIN_RATE_SHARE)
        file = record["file"] = run_isolated(rate_from_file, job)
        _report("peak memory from the file", file["peak_memory_mb"], "MB", MAX_MEMORY_MB)


def _report(what: str, value: float, unit: str, bound: float) -> None:
    verdict = "within" if value <= bound else "NOT WITHIN"
    print(f"{what:<46}{value:>9.2f} {unit:<3}{verdict} {bound:.4g} {unit}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
