"""Refinement against the exact alpha: MAD, gradient error, dtSSD, colour fringe, and what each method costs.

The frames have an exactly known alpha: the drawn scene in its room, and its figure and a subject with loose hair over
photographs that move. Each method gets two maps of each frame at 320 x 320: the exact alpha scaled down, which is the
best that a network could return, and the map that U²-Net returns. Besides the methods that ``--refine`` names there are
the naive ones: bilinear upsampling, an unguided feather, a running average.

    python -m benchmarks.studies.edges --images PHOTOGRAPHS --json benchmarks/results/edges.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.support.fringe import fringe
from benchmarks.support.photographs import PARTS, bundled, photograph_part
from benchmarks.support.soft_subject import SoftSubject, moving_background
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.config import EngineConfig, RefineName
from rtsod.drawing.scene import DrawnScene
from rtsod.evaluation.matting import dtssd, gradient_error, mad
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve
from rtsod.refine import DenseMatte, Matte, Refine, refiner, unrefined
from rtsod.system.files import file_to_write

WIDTH, HEIGHT = 1280, 720
"""Size of the frames whose errors are measured, in pixels."""
SIZES: Final = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
"""Sizes of the frames whose costs are measured, in pixels."""
COSTED: Final[tuple[RefineName, ...]] = ("off", "fast", "best")
"""Methods whose costs are measured."""
START_FRAME: Final = 40
"""First frame of each scene, with everybody in the middle of a movement."""
_FEATHER_SIGMA_PX: Final = 3.0
"""Standard deviation of the unguided feather, in pixels of a frame of 720 lines."""
_MAP_SIDE: Final = 320
"""Side of the maps whose refinement is timed, in pixels."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A subject whose alpha is exactly known, in front of a background that may move."""

    name: str
    render: Callable[[int, Image | None], tuple[Image, Alpha]]
    """Render the frame and the alpha of an index, in front of the given background or, for None, the scene's own."""


def feathered(image: Image, mask: Alpha) -> Matte:
    """An unguided feather: the map cut at one half and blurred, whatever the frame shows."""
    plain = unrefined(image, mask)
    hard = (plain.alpha > 0.5).astype(np.float32)
    return DenseMatte(
        np.asarray(cv2.GaussianBlur(hard, (0, 0), _FEATHER_SIGMA_PX * image.shape[0] / 720), np.float32), image
    )


class RunningAverage:
    """The mean of the new map and the average before it."""

    def __init__(self) -> None:
        self._mask: Alpha | None = None

    def __call__(self, image: Image, mask: Alpha) -> Matte:
        """Like :data:`rtsod.refine.Refine`, but with a memory."""
        self._mask = mask if self._mask is None else np.asarray(0.5 * self._mask + 0.5 * mask, np.float32)
        return unrefined(image, self._mask)


def with_frame_colours(refine: Refine, image: Image, mask: Alpha) -> Matte:
    """The alpha of a refinement with the frame's own colours."""
    return DenseMatte(refine(image, mask).alpha, image)


def methods() -> dict[str, Refine]:
    """The methods to compare, created again for each scene."""
    fast, best = refiner("fast"), refiner("best")
    return {
        "bilinear (--refine off)": unrefined,
        "feather": feathered,
        "running average": RunningAverage(),
        "--refine fast": fast,
        "fast, colours as they are": partial(with_frame_colours, fast),
        "--refine best": best,
    }


def scenes(images: Path) -> Iterator[Scene]:
    """The drawn scene in its room, then both subjects over each photograph."""
    drawn, soft = DrawnScene(WIDTH, HEIGHT), SoftSubject(WIDTH, HEIGHT)
    yield Scene("drawn scene", lambda index, over: drawn.render(index, over=over))
    for name in PARTS:
        behind = partial(moving_background, photograph_part(images, name), WIDTH, HEIGHT)

        def person(index: int, over: Image | None, behind: Callable[[int], Image] = behind) -> tuple[Image, Alpha]:
            return drawn.render(index, over=behind(index) if over is None else over)

        def hair(index: int, over: Image | None, behind: Callable[[int], Image] = behind) -> tuple[Image, Alpha]:
            return soft.render(index, behind(index) if over is None else over, noise=over is None)

        yield Scene(f"figure over {name}", person)
        yield Scene(f"loose hair over {name}", hair)


def measure_scene(scene: Scene, frames: int, engine: Engine) -> dict[str, dict[str, Any]]:
    """The errors of all methods, means over the frames, by map and method.

    Args:
        scene: what to measure on.
        frames: how many, after the first.
        engine: makes the maps of the kind ``"network"``.
    """
    behind = bundled("beach", WIDTH, HEIGHT)
    rendered = [scene.render(index, None) for index in range(START_FRAME, START_FRAME + frames + 1)]
    wanted = [scene.render(index, behind)[0] for index in range(START_FRAME, START_FRAME + frames + 1)]
    size = engine.info.input_size
    maps = {
        "exact": [_scaled_down(alpha, size) for _, alpha in rendered],
        "network": [engine.infer(shrink(image, size)) for image, _ in rendered],
    }
    return {
        kind: {name: _errors(refine, rendered, wanted, masks, behind) for name, refine in methods().items()}
        for kind, masks in maps.items()
    }


def _errors(
    refine: Refine, rendered: list[tuple[Image, Alpha]], wanted: list[Image], masks: list[Alpha], behind: Image
) -> dict[str, float]:
    mattes = [refine(image, mask) for (image, _), mask in zip(rendered, masks, strict=True)]
    alphas, exact = [matte.alpha for matte in mattes], [alpha for _, alpha in rendered]
    shown = [matte.over(behind) for matte in mattes]
    pairs = list(zip(alphas, exact, strict=True))
    steps = zip(alphas[1:], alphas, exact[1:], exact, strict=False)
    values = {
        "mad": mean(mad(a, e) for a, e in pairs),
        "gradient": mean(gradient_error(a, e) for a, e in pairs),
        "dtssd": mean(dtssd(*step) for step in steps),
        "fringe": mean(fringe(s, w, e) for s, w, e in zip(shown, wanted, exact, strict=True)),
    }
    return {key: round(value, 4) for key, value in values.items()}


def cost(rounds: int) -> dict[str, dict[str, float]]:
    """Processor time of refining and of blending one frame on one core, in ms: medians over rounds, by frame size."""
    cv2.setNumThreads(1)
    result: dict[str, dict[str, float]] = {}
    for width, height in SIZES:
        scene, behind = SoftSubject(width, height), bundled("beach", width, height)
        image, exact = scene.render(START_FRAME, bundled("forest", width, height))
        mask = _scaled_down(exact, _MAP_SIDE)
        row: dict[str, float] = {}
        for name in COSTED:
            refine = refiner(name)
            matte = refine(image, mask)
            row[name] = _milliseconds(partial(refine, image, mask), rounds)
            row[f"{name}, blend"] = _milliseconds(partial(matte.over, behind), rounds)
        result[f"{width}x{height}"] = row
    return result


def _scaled_down(alpha: Alpha, size: int) -> Alpha:
    return np.asarray(np.clip(cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA), 0, 1), np.float32)


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 2):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1e3)
    return round(median(times[2:]), 3)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--images",
        type=Path,
        default=Path("../shared/samples/images"),
        help="the folder of the sample photographs (default: %(default)s)",
    )
    parser.add_argument("--model", default="lite", choices=("full", "lite"))
    parser.add_argument("--precision", default="auto")
    parser.add_argument(
        "--frames", type=positive_int, default=8, help="frames of each scene, after the first (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=positive_int, default=40, help="rounds of each timing (default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {"model": options.model, "frames": options.frames, "size": [WIDTH, HEIGHT]}
    return run_study("benchmarks.studies.edges", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    record["cost_ms"] = cost(options.rounds)
    for size, row in record["cost_ms"].items():
        print(f"{size:<12}" + "  ".join(f"{name} {value:.1f} ms" for name, value in row.items()), flush=True)
    config = EngineConfig(model=options.model, precision=options.precision)
    engine = open_engine(config, resolve(config))
    try:
        found = {scene.name: measure_scene(scene, options.frames, engine) for scene in scenes(options.images)}
    finally:
        engine.close()
    record["scenes"] = found
    record["mean"] = {kind: _over_scenes(found, kind) for kind in ("exact", "network")}
    for kind, rows in record["mean"].items():
        print(f"{kind} map: MAD, gradient error (share of bilinear), dtSSD, fringe")
        first = next(iter(rows.values()))
        for name, row in rows.items():
            share = row["gradient"] / first["gradient"]
            values = f"{row['mad']:7.2f}{row['gradient']:8.2f} ({share:4.0%}){row['dtssd']:7.2f}{row['fringe']:7.2f}"
            print(f"  {name:<26}{values}")


def _over_scenes(found: dict[str, Any], kind: str) -> dict[str, dict[str, float]]:
    tables = [table[kind] for table in found.values()]
    return {
        name: {key: round(mean(table[name][key] for table in tables), 4) for key in tables[0][name]}
        for name in tables[0]
    }


if __name__ == "__main__":
    sys.exit(main())
