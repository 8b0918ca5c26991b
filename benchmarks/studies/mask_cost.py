"""What a mask costs besides the network: stabilizing, propagating, refining and blending, by frame size, on one core.

Two scenes: the person of a clip with U²-Net-lite's maps, enlarged; and a drawn subject with loose hair, whose outline
is long, in front of a photograph that moves. Every fourth frame has a map of its own. The masks of the frames in
between are propagated, as the program does it.

    python -m benchmarks.studies.mask_cost --clips ../shared/samples/clips --json benchmarks/results/mask_cost.json

All times are processor time in ms, medians over the frames:

* ``steady``: to stabilize a map;
* ``carry``: to propagate a mask to a frame in between;
* ``compose``: to refine the mask of any frame with ``--refine fast``, prepare the background and blend, in front of a
  picture; ``blur``, ``best`` and ``light wrap`` are the same with that option;
* ``frame``: ``carry`` plus ``compose``. A frame with its own stabilized map needs no propagation.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.studies.edges import SIZES
from benchmarks.support.clips import read_clip
from benchmarks.support.soft_subject import SoftSubject, moving_background
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.composite.backgrounds import bundled_backgrounds, open_background
from rtsod.composite.compositor import Compositor
from rtsod.config import EngineConfig
from rtsod.frames import Alpha, Compositable, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.model.weights import resolve
from rtsod.motion.propagate import MaskPropagator
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.refine import refiner
from rtsod.system.files import file_to_write

CLIP: Final = "again.mkv"
START_FRAME: Final = 20
"""First frame of each scene, with everybody in the middle of a movement."""
MASK_INTERVAL: Final = 4
"""One frame in this many has a map of its own."""
BACKGROUND: Final = "beach"
_FPS: Final = 30
_MAP_SIDE: Final = 320
"""Side of the drawn subject's maps, in pixels."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Frames and their maps."""

    name: str
    pictures: list[tuple[Image, Alpha]]

    def at(self, width: int, height: int) -> Iterator[MaskedFrame]:
        """The frames at a size, each with its map."""
        for index, (image, alpha) in enumerate(self.pictures):
            frame = Frame(cover(image, width, height), index, index / _FPS)
            yield MaskedFrame(frame, Mask(alpha, index, frame.captured_at))


class Stopwatch:
    """Processor times by what they were spent on."""

    def __init__(self) -> None:
        self._ms: dict[str, list[float]] = {}

    def __call__(self, what: str, work: Any) -> Any:
        """Do some work and time it; returns its result."""
        started = time.thread_time()
        result = work()
        self._ms.setdefault(what, []).append((time.thread_time() - started) * 1e3)
        return result

    def medians(self) -> dict[str, float]:
        """The median of each in ms, without its first time."""
        return {what: round(median(ms[1:]), 2) for what, ms in self._ms.items()}


def scene_from_clip(path: Path, frames: int) -> Scene:
    """The frames of a webcam clip, cropped to 16:9, with the maps that U²-Net-lite makes of them."""
    config = EngineConfig(model="lite")
    images = [cover(image, *SIZES[1]) for image in read_clip(path, START_FRAME + frames)[START_FRAME:]]
    with closing(open_engine(config, resolve(config))) as engine:
        return Scene(path.stem, [(image, engine.infer(shrink(image, engine.info.input_size))) for image in images])


def scene_with_loose_hair(frames: int, width: int, height: int) -> Scene:
    """The drawn subject; its maps are the exact alpha scaled down."""
    photograph, subject = _photograph("forest"), SoftSubject(width, height)
    pictures = []
    for index in range(START_FRAME, START_FRAME + frames):
        behind = moving_background(photograph, width, height, index)
        image, alpha = subject.render(index, behind)
        scaled = np.clip(cv2.resize(alpha, (_MAP_SIDE, _MAP_SIDE), interpolation=cv2.INTER_AREA), 0, 1)
        pictures.append((image, np.asarray(scaled, np.float32)))
    return Scene("loose hair", pictures)


def _photograph(name: str) -> Image:
    """A bundled background at its own size."""
    path = next(path for path in bundled_backgrounds() if path.stem == name)
    photograph = cv2.imread(str(path))
    assert photograph is not None
    return np.asarray(photograph, np.uint8)


def cost(scene: Scene, width: int, height: int) -> dict[str, float]:
    """The medians of one scene at one size, in ms."""
    timed, stabilizer, propagator = Stopwatch(), MaskStabilizer(), MaskPropagator()
    fast, best = refiner("fast"), refiner("best")
    compositor = Compositor(open_background(BACKGROUND), refine=fast)
    newest: MaskedFrame | None = None
    seen: list[Compositable] = []
    for masked in scene.at(width, height):
        shown: Compositable | None
        if newest is None or masked.frame.index % MASK_INTERVAL == 0:
            shown = newest = timed("steady", partial(stabilizer.stabilize, masked))
        else:
            shown = timed("carry", partial(propagator.propagate, newest, masked.frame))
        if shown is None:
            raise RuntimeError(f"{scene.name}: no reliable flow reaches frame {masked.frame.index}")
        timed("compose", partial(compositor.compose, shown, 0.0))
        seen.append(shown)
    others = {
        "blur": Compositor(open_background("blur"), refine=fast),
        "best": Compositor(open_background(BACKGROUND), refine=best),
        "light wrap": Compositor(open_background(BACKGROUND), refine=fast, light_wrap=True),
    }
    for name, other in others.items():  # one after the other, because in turns each would find its memory cold
        for shown in seen:
            timed(name, partial(other.compose, shown, 0.0))
    row = timed.medians()
    return {**row, "frame": round(row["carry"] + row["compose"], 2)}


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help=f"the folder that holds {CLIP}")
    parser.add_argument("--frames", type=positive_int, default=24, help="frames of each scene (default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    if options.frames <= MASK_INTERVAL:  # the first map is not timed, so there must be a second one
        parser.error(f"argument --frames: {options.frames}: must be more than {MASK_INTERVAL}")
    about = {"frames": options.frames, "every": MASK_INTERVAL, "cores_used": 1}
    return run_study("benchmarks.studies.mask_cost", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    clip = scene_from_clip(options.clips / CLIP, options.frames)
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table: dict[str, Any] = record.setdefault("cost_ms", {})
    for width, height in SIZES:
        for scene in (clip, scene_with_loose_hair(options.frames, width, height)):
            row = cost(scene, width, height)
            table.setdefault(scene.name, {})[f"{width}x{height}"] = row
            print(
                f"{scene.name:<12}{width}x{height:<6}" + "  ".join(f"{k} {v:.1f}" for k, v in row.items()), flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
