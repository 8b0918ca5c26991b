"""What a mask costs beside the network: steadying, tracking, edges and blending, by the frame's size, on one core.

A clip's person with U²-Net-lite's maps, enlarged, and the drawn subject with loose hair, whose outline is long, before
a photograph that moves. A map comes with every fourth frame; the frames between are carried, as the program does it.

    python -m benchmarks.studies.mask_cost --clips ../shared/samples/clips --json benchmarks/results/mask_cost.json

Milliseconds of processor time, medians over the frames: ``steady`` of each map; ``carry`` of each frame between;
``compose`` of every frame (the map refined, the background, the blend) before a picture and, by ``blur``, before its
own background out of focus; ``best`` with that refinement; ``light wrap`` with that. ``frame`` is carried and
composited with ``fast`` before a picture: a frame whose own map is steadied need not be carried.
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
from benchmarks.support.study import at_least_one, carry_out
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
START: Final = 20
"""First frame: everybody is in the middle of a movement."""
EVERY: Final = 4
BEHIND: Final = "beach"
_FPS: Final = 30


@dataclass(frozen=True, slots=True)
class Scene:
    """Pictures and their maps."""

    name: str
    pictures: list[tuple[Image, Alpha]]

    def at(self, width: int, height: int) -> Iterator[MaskedFrame]:
        """Frame by frame at a size, each with its map."""
        for index, (image, alpha) in enumerate(self.pictures):
            frame = Frame(cover(image, width, height), index, index / _FPS)
            yield MaskedFrame(frame, Mask(alpha, index, frame.captured_at))


class Timed:
    """Processor times by what they were spent on."""

    def __init__(self) -> None:
        self._ms: dict[str, list[float]] = {}

    def __call__(self, what: str, work: Any) -> Any:
        """Do something, and take its time."""
        started = time.thread_time()
        result = work()
        self._ms.setdefault(what, []).append((time.thread_time() - started) * 1e3)
        return result

    def medians(self) -> dict[str, float]:
        """Of each, without its first."""
        return {what: round(median(ms[1:]), 2) for what, ms in self._ms.items()}


def of_a_clip(path: Path, frames: int) -> Scene:
    """A webcam's pictures, cut to the shape of the others, with the maps that U²-Net-lite makes of them."""
    config = EngineConfig(model="lite")
    images = [cover(image, *SIZES[1]) for image in read_clip(path, START + frames)[START:]]
    with closing(open_engine(config, resolve(config))) as engine:
        return Scene(path.stem, [(image, engine.infer(shrink(image, engine.info.input_size))) for image in images])


def of_loose_hair(frames: int, width: int, height: int) -> Scene:
    """The drawn subject with its exact alpha, scaled down, as maps."""
    forest = next(path for path in bundled_backgrounds() if path.stem == "forest")
    photograph, subject = cv2.imread(str(forest)), SoftSubject(width, height)
    assert photograph is not None
    pictures = []
    for index in range(START, START + frames):
        behind = moving_background(np.asarray(photograph, np.uint8), width, height, index)
        image, alpha = subject.render(index, behind)
        small = np.clip(cv2.resize(alpha, (320, 320), interpolation=cv2.INTER_AREA), 0, 1)
        pictures.append((image, np.asarray(small, np.float32)))
    return Scene("loose hair", pictures)


def cost(scene: Scene, width: int, height: int) -> dict[str, float]:
    """Of one scene at one size."""
    took, stabilizer, propagator = Timed(), MaskStabilizer(), MaskPropagator()
    fast, best = refiner("fast"), refiner("best")
    compositor = Compositor([open_background(BEHIND)], refine=fast)
    newest: MaskedFrame | None = None
    seen: list[Compositable] = []
    for masked in scene.at(width, height):
        shown: Compositable | None
        if newest is None or masked.frame.index % EVERY == 0:
            shown = newest = took("steady", partial(stabilizer.stabilize, masked))
        else:
            shown = took("carry", partial(propagator.propagate, newest, masked.frame))
        if shown is None:
            raise RuntimeError(f"{scene.name}: motion is not believed at frame {masked.frame.index}")
        took("compose", partial(compositor.compose, shown, 0.0))
        seen.append(shown)
    others = {
        "blur": Compositor([open_background("blur")], refine=fast),
        "best": Compositor([open_background(BEHIND)], refine=best),
        "light wrap": Compositor([open_background(BEHIND)], refine=fast, light_wrap=True),
    }
    for name, other in others.items():  # one after the other: in turns, each would find its memory cold
        for shown in seen:
            took(name, partial(other.compose, shown, 0.0))
    row = took.medians()
    return {**row, "frame": round(row["carry"] + row["compose"], 2)}


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help=f"a folder that holds {CLIP}")
    parser.add_argument("--frames", type=at_least_one, default=24, help="of each scene")
    parser.add_argument("--json", type=file_to_write)
    options = parser.parse_args()
    about = {"frames": options.frames, "every": EVERY, "cores_used": 1}
    return carry_out("benchmarks.studies.mask_cost", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    clip = of_a_clip(options.clips / CLIP, options.frames)
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table: dict[str, Any] = record.setdefault("cost_ms", {})
    for width, height in SIZES:
        for scene in (clip, of_loose_hair(options.frames, width, height)):
            row = cost(scene, width, height)
            table.setdefault(scene.name, {})[f"{width}x{height}"] = row
            print(
                f"{scene.name:<12}{width}x{height:<6}" + "  ".join(f"{k} {v:.1f}" for k, v in row.items()), flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
