"""Edges against exact alpha: MAD, gradient error, dtSSD, colour fringe, and what each way costs.

Frames whose exact alpha is known: the demo scene in its room, and it and a subject with loose hair over photographs
that move. Each way gets two maps of each frame at 320 x 320: the exact alpha scaled down, which is the best a network
could say, and what U²-Net really says. Beside what ``--refine`` names stand the naive ways: bilinear upsampling, an
unguided feather, a running average.

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

from benchmarks.support.matte_errors import dtssd, fringe, gradient_error, mad
from benchmarks.support.soft_subject import SoftSubject, moving_background
from benchmarks.support.study import at_least_one, carry_out
from rtsod.backends import open_engine
from rtsod.composite.backgrounds import ImageBackground, bundled_backgrounds
from rtsod.composite.compositor import blend
from rtsod.config import EngineConfig, RefineName
from rtsod.demo.scene import DemoScene
from rtsod.errors import SourceError
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve
from rtsod.refine import Matte, Refine, refiner, unrefined
from rtsod.system.files import file_to_write

WIDTH, HEIGHT = 1280, 720
SIZES: Final = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
COSTED: Final[tuple[RefineName, ...]] = ("off", "fast", "best")
START: Final = 40
"""First frame of each scene: everybody is in the middle of a movement."""
PHOTOGRAPHS: Final = {
    "bike.jpg": (0.0, 0.0, 0.17, 0.17),
    "horse.jpg": (0.35, 0.0, 1.0, 0.32),
    "sailboat3.jpg": (0.0, 0.25, 0.5, 0.7),
    "boat.jpg": (0.72, 0.12, 1.0, 0.6),
}
"""Parts (left, top, right, bottom) without a subject of their own: foliage, sky, trees, water."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Something whose alpha is exactly known, before something that may move."""

    name: str
    render: Callable[[int, Image | None], tuple[Image, Alpha]]
    """From an index, and a background that takes the place of the scene's own, to frame and alpha."""


def feathered(image: Image, mask: Alpha) -> Matte:
    """The usual feather: cut at a half, then blurred, whatever the picture shows."""
    plain = unrefined(image, mask)
    hard = (plain.alpha > 0.5).astype(np.float32)
    return Matte(np.asarray(cv2.GaussianBlur(hard, (0, 0), 3.0 * image.shape[0] / 720), np.float32), image)


class RunningAverage:
    """Half of the newest map, half of what was shown before."""

    def __init__(self) -> None:
        self._mask: Alpha | None = None

    def __call__(self, image: Image, mask: Alpha) -> Matte:
        """As :data:`rtsod.refine.Refine`, but for its memory."""
        self._mask = mask if self._mask is None else np.asarray(0.5 * self._mask + 0.5 * mask, np.float32)
        return unrefined(image, self._mask)


def uncleaned(refine: Refine, image: Image, mask: Alpha) -> Matte:
    """A refinement's alpha with the frame's own colours."""
    return Matte(refine(image, mask).alpha, image)


def ways() -> dict[str, Refine]:
    """What is compared, fresh for each scene."""
    fast, best = refiner("fast"), refiner("best")
    return {
        "bilinear (--refine off)": unrefined,
        "feather": feathered,
        "running average": RunningAverage(),
        "--refine fast": fast,
        "fast, colours as they are": partial(uncleaned, fast),
        "--refine best": best,
    }


def scenes(images: Path) -> Iterator[Scene]:
    """The demo scene, then both subjects over the photographs."""
    demo, soft = DemoScene(WIDTH, HEIGHT), SoftSubject(WIDTH, HEIGHT)
    yield Scene("demo scene", lambda index, over: demo.render(index, over=over))
    for name, (left, top, right, bottom) in PHOTOGRAPHS.items():
        photograph = cv2.imread(str(images / name))
        if photograph is None:
            raise SourceError(f"{images / name}: cannot be read: --images takes the folder of the sample photographs")
        h, w = photograph.shape[:2]
        part = np.ascontiguousarray(
            photograph[int(top * h) : int(bottom * h), int(left * w) : int(right * w)], np.uint8
        )
        behind = partial(moving_background, part, WIDTH, HEIGHT)

        def person(index: int, over: Image | None, behind: Callable[[int], Image] = behind) -> tuple[Image, Alpha]:
            return demo.render(index, over=behind(index) if over is None else over)

        def hair(index: int, over: Image | None, behind: Callable[[int], Image] = behind) -> tuple[Image, Alpha]:
            return soft.render(index, behind(index) if over is None else over, noise=over is None)

        yield Scene(f"demo figure over {name}", person)
        yield Scene(f"loose hair over {name}", hair)


def measure_scene(scene: Scene, frames: int, engine: Engine) -> dict[str, dict[str, Any]]:
    """The errors of all ways, means over the frames: by the map they were given, then by way."""
    behind = bundled("beach", WIDTH, HEIGHT)
    taken = [scene.render(index, None) for index in range(START, START + frames + 1)]
    wanted = [scene.render(index, behind)[0] for index in range(START, START + frames + 1)]
    size = engine.info.input_size
    maps = {
        "exact": [_scaled_down(alpha, size) for _, alpha in taken],
        "network": [engine.infer(shrink(image, size)) for image, _ in taken],
    }
    return {
        kind: {name: _errors(refine, taken, wanted, masks, behind) for name, refine in ways().items()}
        for kind, masks in maps.items()
    }


def _errors(
    refine: Refine, taken: list[tuple[Image, Alpha]], wanted: list[Image], masks: list[Alpha], behind: Image
) -> dict[str, float]:
    mattes = [refine(image, mask) for (image, _), mask in zip(taken, masks, strict=True)]
    alphas, exact = [matte.alpha for matte in mattes], [alpha for _, alpha in taken]
    shown = [blend(matte.foreground, behind, matte.alpha) for matte in mattes]
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
    """Milliseconds of one core for a frame, medians: refining and blending, by frame size."""
    cv2.setNumThreads(1)
    result: dict[str, dict[str, float]] = {}
    for width, height in SIZES:
        scene, behind = SoftSubject(width, height), bundled("beach", width, height)
        image, exact = scene.render(START, bundled("forest", width, height))
        mask = _scaled_down(exact, 320)
        row: dict[str, float] = {}
        for name in COSTED:
            refine = refiner(name)
            matte = refine(image, mask)
            row[name] = _milliseconds(partial(refine, image, mask), rounds)
            row[f"{name}, blend"] = _milliseconds(partial(blend, matte.foreground, behind, matte.alpha), rounds)
        result[f"{width}x{height}"] = row
    return result


def _scaled_down(alpha: Alpha, size: int) -> Alpha:
    return np.asarray(np.clip(cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA), 0, 1), np.float32)


def bundled(name: str, width: int, height: int) -> Image:
    """A picture that comes with the program, in this size."""
    path = next(path for path in bundled_backgrounds() if path.stem == name)
    return ImageBackground(path).picture(width, height, 0.0)


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 2):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1e3)
    return round(median(times[2:]), 3)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=Path("../shared/samples/images"))
    parser.add_argument("--model", default="lite", choices=("full", "lite"))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--frames", type=at_least_one, default=8, help="of each scene, beside the first")
    parser.add_argument("--rounds", type=at_least_one, default=40, help="of each timing")
    parser.add_argument("--json", type=file_to_write)
    options = parser.parse_args()
    about = {"model": options.model, "frames": options.frames, "size": [WIDTH, HEIGHT]}
    return carry_out("benchmarks.studies.edges", options.json, about, lambda record: _measure(options, record))


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
