"""What inferring a region of interest (ROI) saves and costs: masks per second, and their IoU with the best masks.

The best masks are those of the whole frame in float32 at 320 x 320. Frames come from memory. The time is that of the
masker alone: scaling, inference, full-frame refreshes, pasting. Every frame counts, also those with a refresh.

    python -m benchmarks.studies.region --clips ../shared/samples/clips
    python -m benchmarks.studies.region --only variants --frames 40     # shifted, zoomed, far, dark, hasty
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import cv2
import numpy as np

import rtsod.masking.roi
import rtsod.masking.roi_masker
from benchmarks.support.clips import clip_from_video, read_clip
from benchmarks.support.study import positive_int, positive_seconds, run_study
from rtsod.app.assembly import leave_cores_to_the_network
from rtsod.backends import open_engine
from rtsod.bench.end_to_end import Case, measure_end_to_end
from rtsod.bench.isolation import run_isolated
from rtsod.bench.target import Target
from rtsod.config import ENGINES, MODELS, PRECISIONS, EngineConfig, Precision, SourceConfig
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Frame, Image
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine, Masker
from rtsod.masking.refresh import InPlaceRefresher
from rtsod.masking.roi_masker import RoiMasker
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Drop, Metrics
from rtsod.model.weights import resolve
from rtsod.system.files import file_to_write

FPS: Final = 30
FULL_SIZE: Final = 320
"""Input size of the network for the best masks, in pixels."""
SIZES: Final = (192, 160, 128)
"""Input sizes of the network for the ROI, in pixels."""
TARGETS: Final = ((40.0, 0.99, 0.98), (60.0, 0.985, 0.965))
"""What the ROI was built for: masks per second, mean IoU, and its 5th percentile."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames, and their best masks."""

    name: str
    images: list[Image]
    best: list[Alpha]


@dataclass(frozen=True, slots=True)
class Method:
    """One method to make masks."""

    name: str
    size: int = FULL_SIZE
    """Input size of the network, in pixels."""
    region: bool = True
    """False: the whole frame at ``size``."""
    gain: float = rtsod.masking.roi.MAX_GAIN
    """The largest factor by which full-frame refreshes correct the odds; 1 for no correction."""
    look_seconds: float = rtsod.masking.roi_masker.FULL_FRAME_REFRESH_SECONDS


METHODS: Final = (
    *(Method(f"whole {size}", size, region=False) for size in (320, 256, 224, 192, 160, 128)),
    *(Method(f"region {size}, nothing learned", size, gain=1.0) for size in SIZES),
    *(
        Method(f"region {size}, looks each {seconds:g} s", size, look_seconds=seconds)
        for size in SIZES
        for seconds in (1, 0.25)
    ),
    *(Method(f"region {size}", size) for size in SIZES),
)
"""The whole frame, the ROI without its corrections or with other intervals between refreshes, and the ROI as it is."""


class Engines:
    """Opens engines as they are needed."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._opened: dict[EngineConfig, Engine] = {}

    def at(self, size: int, precision: Precision | None = None) -> Engine:
        """A warm engine with this input size."""
        config = replace(self._config, input_size=size, precision=precision or self._config.precision)
        if config not in self._opened:
            engine = self._opened[config] = open_engine(config, resolve(config))
            for _ in range(3):
                engine.infer(np.zeros((size, size, 3), np.uint8))
        return self._opened[config]

    def masker(self, method: Method) -> Masker:
        """A new masker for a method."""
        if method.region:
            metrics = Metrics()
            refresher = InPlaceRefresher(lambda: self.at(FULL_SIZE), metrics)
            return RoiMasker(FULL_SIZE, self.at(method.size), refresher, metrics)
        return WholeFrame(self.at(method.size), Metrics())


def mask_clip(masker: Masker, clip: Clip) -> tuple[list[float], float]:
    """The IoU of every mask of a clip with the best one, and the seconds that they took."""
    overlaps, seconds = [], 0.0
    for index, (image, best) in enumerate(zip(clip.images, clip.best, strict=True)):
        frame = Frame(image, index, index / FPS, Fraction(index, FPS))
        started = time.perf_counter()
        alpha = masker.mask(frame).alpha
        masker.run_deferred()
        seconds += time.perf_counter() - started
        same_size = alpha if alpha.shape == best.shape else cv2.resize(alpha, best.shape[::-1])
        overlaps.append(iou(np.asarray(same_size, np.float32), best))
    return overlaps, seconds


def measure(engines: Engines, method: Method, clips: Sequence[Clip]) -> dict[str, Any]:
    """Measure one method, with a new masker for each clip."""
    overlaps: dict[str, list[float]] = {}
    total = 0.0
    with (
        patch.object(rtsod.masking.roi, "MAX_GAIN", method.gain),
        patch.object(rtsod.masking.roi_masker, "FULL_FRAME_REFRESH_SECONDS", method.look_seconds),
    ):
        for clip in clips:
            overlaps[clip.name], seconds = mask_clip(engines.masker(method), clip)
            total += seconds
    all_overlaps = [value for values in overlaps.values() for value in values]
    mean, low = float(np.mean(all_overlaps)), float(np.percentile(all_overlaps, 5))
    rate = len(all_overlaps) / total
    print(
        f"{method.name:<34}{rate:>7.1f} /s   IoU {mean:.4f}, 5th percentile {low:.4f}, least {min(all_overlaps):.3f}",
        flush=True,
    )
    return {
        "way": method.name,
        "masks_per_second": round(rate, 2),
        "mean_iou": round(mean, 4),
        "p5_iou": round(low, 4),
        "least_iou": round(min(all_overlaps), 4),
        "clips": {
            name: [round(float(np.mean(values)), 4), round(float(np.percentile(values, 5)), 4)]
            for name, values in overlaps.items()
        },
    }


def best_masks(engines: Engines, name: str, images: list[Image]) -> Clip:
    """A clip with its best masks."""
    engine = engines.at(FULL_SIZE, "fp32")
    return Clip(name, images, [engine.infer(shrink(image, FULL_SIZE)) for image in images])


def variants(images: list[Image]) -> Iterator[tuple[str, list[Image]]]:
    """The frames of a clip as another camera would see them, with the name of the variant."""
    height, width = images[0].shape[:2]
    shifted = np.array([[1, 0, 0.2 * width], [0, 1, 0]])
    yield "shifted", [_warped(image, shifted) for image in images]
    closer = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1.4)
    yield "zoomed", [_warped(image, closer) for image in images]
    away = cv2.getRotationMatrix2D((width / 2, height), 0, 0.6)
    yield "far", [_warped(image, away) for image in images]
    yield "dark", [np.asarray(image * 0.5, np.uint8) for image in images]
    yield "hasty", images[::2]


def _warped(image: Image, matrix: Any) -> Image:
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


class Study:
    """What all parts of the study share."""

    def __init__(self, config: EngineConfig, paths: Sequence[Path], frames: int | None, seconds: float) -> None:
        self.config, self.paths, self.frames, self.seconds = config, paths, frames, seconds
        self.engines = Engines(config)

    def clips(self) -> list[Clip]:
        """The clips in memory, with their best masks."""
        return [best_masks(self.engines, path.stem, read_clip(path, self.frames)) for path in self.paths]


def steps(study: Study) -> Iterator[dict[str, Any]]:
    """All methods on the clips as they are."""
    clips = study.clips()
    for method in METHODS:
        yield measure(study.engines, method, clips)


def on_variants(study: Study) -> Iterator[dict[str, Any]]:
    """The ROI as it is, on variants of the clips."""
    changed: dict[str, list[Clip]] = {}
    for path in study.paths:
        for name, images in variants(read_clip(path, study.frames)):
            changed.setdefault(name, []).append(best_masks(study.engines, path.stem, images))
    for name, clips in changed.items():
        for size in SIZES:
            yield {"variant": name, **measure(study.engines, Method(f"region {size}, {name}", size), clips)}


def whole_path(study: Study) -> Iterator[dict[str, Any]]:
    """The whole pipeline as ``--sync auto`` runs it, from a 720p file read at the pace of a camera to a sink."""
    target = Target(study.config)
    with tempfile.TemporaryDirectory(prefix="rtsod-bench-") as folder:
        for path in study.paths:
            clip = clip_from_video(Path(folder) / f"{path.stem}.mp4", path, 1280, 720, round(study.seconds * FPS), FPS)
            case = Case(target, SourceConfig(str(clip)), sync="auto", seconds=2 * study.seconds)
            run = run_isolated(measure_end_to_end, case)
            numbers = run.snapshot
            lost = sum(count for reason, count in numbers["dropped"].items() if reason != Drop.STOPPED)
            share, latency = lost / numbers["captured"], numbers["latency_ms"]
            assert latency is not None
            print(
                f"{path.stem:<18} {numbers['output_fps']:.1f} fps, {share:.1%} lost, p95 {latency['p95']:.0f} ms, "
                f"{run.sync}, {numbers['rung']}, {run.peak_memory_mb:.0f} MB",
                flush=True,
            )
            yield {
                "clip": path.stem,
                "lost_share": round(share, 4),
                "sync": run.sync,
                "peak_memory_mb": run.peak_memory_mb,
                "cpu_cores": run.cpu_cores,
                **numbers,
            }


PARTS: Final[dict[str, Callable[[Study], Iterator[dict[str, Any]]]]] = {
    "steps": steps,
    "variants": on_variants,
    "whole_path": whole_path,
}


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--clips",
        type=Path,
        default=Path("../shared/samples/clips"),
        help="the folder of videos (default: %(default)s)",
    )
    parser.add_argument("--pattern", default="*.mkv", help="which of them (default: %(default)s)")
    parser.add_argument("--frames", type=positive_int, help="frames of each clip (default: all)")
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=8.0,
        help="length of the clip of each whole run, in seconds (default: %(default)g)",
    )
    parser.add_argument("--model", choices=MODELS, default="lite")
    parser.add_argument("--engine", choices=ENGINES, default="openvino")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part only; may be repeated (default: all)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()

    def measure_all(record: dict[str, Any]) -> None:
        paths = sorted(options.clips.glob(options.pattern))
        if not paths:
            raise UsageError(f"--clips {options.clips}: contains no file {options.pattern}")
        leave_cores_to_the_network()
        config = EngineConfig(model=options.model, engine=options.engine, precision=options.precision)
        study = Study(config, paths, options.frames, options.seconds)
        for part in options.only or PARTS:
            record[part] = []
            record[part].extend(PARTS[part](study))

    about = {"model": options.model, "precision": options.precision, "targets": TARGETS}
    return run_study("benchmarks.studies.region", options.json, about, measure_all)


if __name__ == "__main__":
    sys.exit(main())
