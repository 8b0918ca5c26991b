"""How far a small network agrees with its teacher: on what it knows, and where it is out of its depth.

The small network knows one person in one room. Each case changes one thing: another person, other rooms (the person cut
out by full's maps, in front of the bundled backgrounds), less light, a thing that is held up. For every frame the
study takes the agreement with each possible teacher, as :func:`rtsod.masking.doubt.agreement` and as plain IoU; the IoU
with full's map counts as the truth. A threshold is good if no two looks at what is known fall below it, and nearly all
looks at frames that are shown wrong do.

    python -m benchmarks.studies.disagreement --weights me.safetensors --known again --known no --json FILE
    python -m benchmarks.studies.disagreement --model me --known again --known no
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.support.clips import read_clip
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.composite.backgrounds import bundled_backgrounds
from rtsod.config import EngineConfig, Precision
from rtsod.data.reading import read_image, read_label
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import lay_over, shrink
from rtsod.interfaces import Engine
from rtsod.masking.doubt import CONFIRMING_LOOKS, agreement
from rtsod.model.weights import resolve
from rtsod.sources.demo import CLIP
from rtsod.system.files import file_to_write

THRESHOLDS: Final = (0.75, 0.8, 0.85, 0.875, 0.9, 0.925, 0.95)
WRONG_IOU: Final = 0.9
"""A mask whose IoU with full's is lower is wrong: people see it. Lite's lowest on the known clips is .97."""
TEACHERS: Final = ("lite", "full")
GAINS: Final = (0.5, 0.25, 0.12, 0.06)
"""How much light is left."""
_NOISE: Final = 4.0
"""Standard deviation of a camera's noise in the dark, in levels of 255."""
_EVERY: Final = 2
"""Of frames that follow each other, one in this many is looked at."""
_CONFIRMING_FRAMES: Final = 3
"""The second look is at most so many of these after the first: a fifth of a second."""


@dataclass(frozen=True, slots=True)
class Case:
    """Frames with one thing changed."""

    name: str
    images: Sequence[Image]
    in_order: bool = True
    """Whether the frames follow each other, as looks do."""


class Network:
    """One network, on pictures of any size."""

    def __init__(self, config: EngineConfig) -> None:
        self._engine: Engine = open_engine(config, resolve(config))

    def __call__(self, image: Image) -> Alpha:
        """The map of a picture, ``(S, S)``."""
        info = self._engine.info
        return lay_over(self._engine.infer(shrink(image, info.input_size, info.fitting)), image, info.fitting)


def dark(images: Sequence[Image], gain: float) -> list[Image]:
    """The same with less light, and a camera's noise."""
    random = np.random.default_rng(0)
    noise = [random.normal(0, _NOISE, images[0].shape).astype(np.float32) for _ in range(4)]
    changed = (np.rint(image * np.float32(gain) + noise[index % 4]) for index, image in enumerate(images))
    return [np.clip(image, 0, 255).astype(np.uint8) for image in changed]


def elsewhere(images: Sequence[Image], alphas: Sequence[Alpha], room: Image) -> list[Image]:
    """The subject in front of another room."""
    return [
        _blended(image, cover(room, image.shape[1], image.shape[0]), alpha)
        for image, alpha in zip(images, alphas, strict=True)
    ]


def holding(images: Sequence[Image], thing: Image, alpha: Image) -> list[Image]:
    """A thing, two fifths of the picture high or wide, held up beside the shoulder."""
    height, width = images[0].shape[:2]
    scale = 0.4 * height / max(thing.shape[:2])
    rows, columns = (round(scale * side) for side in thing.shape[:2])
    small, cut = (cv2.resize(each, (columns, rows), interpolation=cv2.INTER_AREA) for each in (thing, alpha))
    place = (slice(height // 5, height // 5 + rows), slice(round(0.73 * width - columns / 2), None))
    held = [image.copy() for image in images]
    for image in held:
        behind = image[place][:, :columns]
        behind[:] = _blended(np.asarray(small[:, : behind.shape[1]], np.uint8), behind, cut[:, : behind.shape[1]] / 255)
    return held


def _blended(front: Image, back: Image, alpha: Any) -> Image:
    opacity = cv2.resize(np.asarray(alpha, np.float32), front.shape[1::-1])[..., None]
    return np.rint(front * opacity + back * (1 - opacity)).astype(np.uint8)


def cases(clips: Path, known: Sequence[str], full: Network, step: int) -> Iterator[Case]:
    """All cases, the known ones first."""
    frames = {name: read_clip(clips / f"{name}.mkv")[::_EVERY] for name in known}
    for name, images in frames.items():
        yield Case(f"known: {name}", images)
        random = np.random.default_rng(1)
        gains = 1 + 0.1 * np.sin(np.arange(len(images)) / 10)
        wavering = [
            np.clip(image * gain + random.normal(0, 2, image.shape), 0, 255)
            for image, gain in zip(images, gains, strict=True)
        ]
        yield Case(f"known: {name}, exposure wavers", [image.astype(np.uint8) for image in wavering])
    some = [image for images in frames.values() for image in images[::step]]
    alphas = [full(image) for image in some]
    for path in sorted(clips.glob("*.mkv")):
        if path.stem not in known:
            yield Case(f"stranger in the room: {path.stem}", read_clip(path)[::_EVERY])
    yield Case("stranger elsewhere: demo", read_clip(CLIP)[::_EVERY])
    for path in bundled_backgrounds():
        yield Case(f"another room: {path.stem}", elsewhere(some, alphas, read_image(path)), in_order=False)
    for gain in GAINS:
        yield Case(f"light at {gain:g}", dark(some, gain), in_order=False)
    for name in ("whisk.png", "im_21.png", "lamp2_meitu_1.jpg", "bike.jpg"):
        path = clips.parent / "images" / name
        thing, alpha = read_image(path), read_label(clips.parent / "reference-full" / f"{path.stem}.png")
        rows, columns = np.flatnonzero((alpha > 127).any(axis=1)), np.flatnonzero((alpha > 127).any(axis=0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        yield Case(f"held up: {path.stem}", holding(some, thing[box], alpha[box]), in_order=False)


def judge(case: Case, student: Network, teachers: dict[str, Network]) -> dict[str, Any]:
    """How far student and teachers agree in a case, and how often that says that the student is wrong."""
    values: dict[str, list[float]] = {}
    for image in case.images:
        own, maps = student(image), {name: network(image) for name, network in teachers.items()}
        values.setdefault("lite's IoU with full", []).append(map_iou(maps["lite"], maps["full"]))
        for name, seen in maps.items():
            values.setdefault(f"agreement with {name}", []).append(agreement(own, seen))
            values.setdefault(f"IoU with {name}", []).append(map_iou(own, seen))
    wrong = np.array(values["IoU with full"]) < WRONG_IOU
    result: dict[str, Any] = {"case": case.name, "frames": len(case.images), "wrong": int(wrong.sum())}
    for key, numbers in values.items():
        result[key] = [round(float(number), 4) for number in np.percentile(numbers, (0, 5, 50))]
    for measure in ("agreement", "IoU"):
        for name in teachers:
            agreed = np.array(values[f"{measure} with {name}"])
            result[f"alarms by {measure} with {name}"] = [
                round(_alarms(case, agreed < limit), 3) for limit in THRESHOLDS
            ]
    return result


def _alarms(case: Case, below: Any) -> float:
    """Share of the frames at which a look would raise an alarm: it, and a second one soon after, fall below."""
    if not case.in_order:
        return float(below.mean())
    later = [below[index + 1 : index + 1 + _CONFIRMING_FRAMES] for index in range(len(below))]
    assert CONFIRMING_LOOKS == 2
    return float(np.mean([first and second.any() for first, second in zip(below, later, strict=True)]))


def map_iou(one: Alpha, other: Alpha) -> float:
    """The IoU of two maps, at the smaller one's size."""
    size = min(len(one), len(other))
    small = [cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA) for alpha in (one, other)]
    return iou(*(np.asarray(alpha, np.float32) for alpha in small))


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/samples/clips"), help="(default: %(default)s)")
    parser.add_argument(
        "--known", action="append", required=True, help="a clip that the network knows; may be repeated"
    )
    parser.add_argument("--model", help="the small network by name")
    parser.add_argument("--weights", type=Path, help="the same by file")
    parser.add_argument(
        "--step", type=positive_int, default=4, help="changed cases: every so many frames (default: %(default)s)"
    )
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()

    def measure(record: dict[str, Any]) -> None:
        if not all((options.clips / f"{name}.mkv").is_file() for name in options.known):
            raise UsageError(f"--clips {options.clips}: does not hold {', '.join(options.known)}")

        def network(model: str | None, precision: Precision = "auto", **more: Any) -> Network:
            return Network(EngineConfig(model, "openvino", precision, **more))

        student = network(options.model, weights=options.weights)
        teachers = {name: network(name) for name in TEACHERS}
        record["cases"] = []
        for case in cases(options.clips, options.known, teachers["full"], options.step):
            result = judge(case, student, teachers)
            record["cases"].append(result)
            print(f"{result['case']:<34} {result['frames']:>4} frames, {result['wrong']} wrong", flush=True)
            for key, value in result.items():
                if isinstance(value, list):
                    print(f"    {key:<34} {' '.join(f'{number:.3f}' for number in value)}", flush=True)

    about = {"thresholds": THRESHOLDS, "wrong_iou": WRONG_IOU, "columns": ["minimum", "5th percentile", "median"]}
    return run_study("benchmarks.studies.disagreement", options.json, about, measure)


if __name__ == "__main__":
    sys.exit(main())
