"""What each part of a live run costs on one core, and how many masks that leaves time for.

The demo clip at 1280x720, 30 frames a second, in a process that may use one core. Each part is timed alone, in
processor time of the whole process, as medians; so their sum is what the core must do at least. Waiting, handing over
and what programs do to each other's caches come on top: the table says what is out of reach, not what is reached
(:mod:`benchmarks.studies.camera_rate` measures that).

    python -m benchmarks.studies.one_core --json benchmarks/results/one_core.json

A mask of its own is stabilized; the frames in between get one that is carried (propagated). The whole frame is looked
at twice a second, or more rarely where that would take a fifth of the time; looks give way, so masks come before them.
A busy neighbour leaves half of the core.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from typing import Any, Final

import cv2

from benchmarks.studies.recording import HEIGHT, RECORDINGS, WIDTH, record_once
from benchmarks.support.clips import read_clip
from benchmarks.support.laptops import LOADS, Load
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.bench.isolation import run_isolated
from rtsod.bench.sources import DEFAULT_BACKGROUND
from rtsod.composite.backgrounds import open_background
from rtsod.composite.compositor import Compositor
from rtsod.config import EngineConfig, ModelName
from rtsod.frames import Composited, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.masking.initial_quality import ROI_SIZES
from rtsod.masking.roi_masker import FULL_FRAME_REFRESH_SECONDS, FULL_FRAME_REFRESH_SHARE
from rtsod.model.weights import resolve
from rtsod.motion.propagate import MaskPropagator
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.refine import refiner
from rtsod.sources.demo import CLIP, FPS
from rtsod.system.files import file_to_write

_MODELS: Final[tuple[ModelName, ...]] = ("lite", "full")
WHOLE: Final = 320
"""Input size of a look at the whole frame, in pixels."""
MASK_INTERVAL: Final = 4
"""One frame in this many has a mask of its own, where the frames' way is timed."""
JPEG_QUALITY: Final = 95
"""As in :mod:`benchmarks.studies.camera_rate`."""
INFERENCES: Final = 15
"""Of each network, timed."""
LEAST_MASKS_PER_SECOND: Final = float(FPS) / 8
"""On the last rung of the ladder, at 128 pixels."""


@dataclass(frozen=True, slots=True)
class FrameParts:
    """Processor time in ms of each part of a frame's way besides the network."""

    decode: float
    carry: float
    steady: float
    compose: float
    encode: float

    def per_frame(self, load: Load) -> float:
        """What every frame needs under a load: a mask carried to it, its picture, decoding and encoding."""
        return self.carry + self.compose + self.decode * load.mjpg + self.encode * load.recording


@dataclass(frozen=True, slots=True)
class Share:
    """How a second of the core is spent, in ms, and what is left for masks."""

    there_is: float
    frames: float
    left: float
    """For masks, and then for looks."""
    looks: float
    """What looks take where there is time for all of them."""
    masks_per_second: dict[str, float]
    """How many are possible, by the network's input size in pixels; all frames' masks at most."""
    within_reach: bool
    """Whether the last rung's masks fit in what is left."""


def share(parts: FrameParts, inference_ms: dict[str, float], load: Load) -> Share:
    """Divide a second of one core.

    Args:
        parts: of a frame's way.
        inference_ms: of one inference, by input size in pixels, ``WHOLE`` among them.
        load: what happens beside the run, or in it.
    """
    there_is = 500.0 if load.neighbour else 1000.0
    frames = float(FPS) * parts.per_frame(load)
    look = inference_ms[str(WHOLE)]
    looks = min(look / FULL_FRAME_REFRESH_SECONDS, FULL_FRAME_REFRESH_SHARE * 1000)
    left = there_is - frames
    possible = {
        size: round(min(float(FPS), max(0.0, left) / (milliseconds + parts.steady)), 1)
        for size, milliseconds in inference_ms.items()
        if size != str(WHOLE)
    }
    reach = possible[str(min(ROI_SIZES))] >= LEAST_MASKS_PER_SECOND
    return Share(there_is, round(frames, 1), round(left, 1), round(looks, 1), possible, reach)


def cpu_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of the whole process, and the result."""
    started = time.process_time()
    result = work()
    return (time.process_time() - started) * 1e3, result


def hold_to_one_core() -> None:
    """Let this process use one core. Before it imports what counts them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)


def frame_parts(frames: int) -> dict[str, float]:
    """Time a frame's way besides the network; the fields of :class:`FrameParts`. Call it in a new process."""
    hold_to_one_core()
    images = [cover(image, WIDTH, HEIGHT) for image in read_clip(CLIP, frames)]
    config = EngineConfig(model="lite")
    with closing(open_engine(config, resolve(config))) as engine:
        maps = [engine.infer(shrink(image, engine.info.input_size)) for image in images]
    jpegs = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1] for image in images]
    stabilizer, propagator = MaskStabilizer(), MaskPropagator()
    compositor = Compositor(open_background(DEFAULT_BACKGROUND), refine=refiner("fast"))
    times: dict[str, list[float]] = {"decode": [], "carry": [], "steady": [], "compose": []}
    pictures: list[Composited] = []
    newest: MaskedFrame | None = None
    for index, (image, alpha, jpeg) in enumerate(zip(images, maps, jpegs, strict=True)):
        times["decode"].append(cpu_ms(partial(cv2.imdecode, jpeg, cv2.IMREAD_COLOR))[0])
        frame = Frame(image, index, index / float(FPS))
        if newest is None or index % MASK_INTERVAL == 0:
            masked = MaskedFrame(frame, Mask(alpha, index, frame.captured_at))
            spent, newest = cpu_ms(partial(stabilizer.stabilize, masked))
            times["steady"].append(spent)
            shown: Any = newest
        else:
            spent, shown = cpu_ms(partial(propagator.propagate, newest, frame))
            times["carry"].append(spent)
        spent, picture = cpu_ms(partial(compositor.compose, shown or newest, frame.captured_at, stands_for=frame))
        times["compose"].append(spent)
        pictures.append(picture)
    mp4 = RECORDINGS[0]
    encoding = [record_once(mp4, pictures)["cpu_ms"] for _ in range(3)]
    return {name: round(median(ms[1:]), 2) for name, ms in {**times, "encode": encoding}.items()}


def inferences(model: ModelName, sizes: Sequence[int]) -> dict[str, float]:
    """Time one inference at each input size, scaling included, in ms. Call it in a new process."""
    hold_to_one_core()
    image: Image = cover(read_clip(CLIP, 1)[0], WIDTH, HEIGHT)
    found = {}
    for size in sizes:
        config = replace(EngineConfig(model=model), input_size=size)
        with closing(open_engine(config, resolve(config))) as engine:
            times = [cpu_ms(lambda: engine.infer(shrink(image, size)))[0] for _ in range(INFERENCES + 1)]  # noqa: B023
        found[str(size)] = round(median(times[1:]), 1)
    return found


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Measure all parts, then divide the core; fill the record and print it."""
    parts = FrameParts(**run_isolated(frame_parts, options.frames))
    record["frame_ms"] = asdict(parts)
    print("  ".join(f"{name} {value:.2f}" for name, value in record["frame_ms"].items()), flush=True)
    record["inference_ms"], record["cells"] = {}, {}
    for model in _MODELS:
        milliseconds = run_isolated(inferences, model, [WHOLE, *ROI_SIZES])
        record["inference_ms"][model] = milliseconds
        print(f"{model}: " + "  ".join(f"{size}: {value:.1f}" for size, value in milliseconds.items()), flush=True)
        for load in LOADS:
            cell = share(parts, milliseconds, load)
            record["cells"][f"{model}/{load.name}"] = asdict(cell)
            print(f"{model}/{load.name}: {cell}", flush=True)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=positive_int, default=48, help="of the clip (default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    if options.frames <= 2 * MASK_INTERVAL:  # the first mask is not timed
        parser.error(f"argument --frames: {options.frames}: must be more than {2 * MASK_INTERVAL}")
    about = {"size": [WIDTH, HEIGHT], "frames": options.frames, "cores_used": 1}
    return run_study("benchmarks.studies.one_core", options.json, about, lambda record: measure(options, record))


if __name__ == "__main__":
    sys.exit(main())
