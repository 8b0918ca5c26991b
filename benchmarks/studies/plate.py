"""The clean plate's errors: what is left of furniture that a teacher shows, and what is lost of a person.

People are cut out of webcam clips by lite, whose map is their exact alpha from then on, and sit in front of furniture
cut out of a photograph, in a room made of another. A camera looks at both, with noise, compression and exposure of its
own, and moved a little. The teacher is either ideal but for the furniture, which it shows wholly, or full itself, where
it shows some of it.

In the clips themselves nobody leaves the picture. There, the plate is the median of what each pixel shows of the room,
inpainted where it never does: what is lost of a person whose frames are a real camera's.

    python -m benchmarks.studies.plate --samples ../shared/samples --json benchmarks/results/plate.json
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
from numpy.typing import NDArray

from benchmarks.support.people import HEIGHT, WIDTH, Layer, Person, person_from, rooms
from benchmarks.support.study import run_study
from rtsod.backends import open_engine
from rtsod.config import EngineConfig, ModelName
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.imaging.stills.image_file import load
from rtsod.interfaces import Engine
from rtsod.learning.correction import corrected_examples
from rtsod.learning.examples import LABEL_SIDE, Example
from rtsod.learning.labelled import as_levels
from rtsod.learning.recording import Shot
from rtsod.model.weights import resolve
from rtsod.system.files import file_to_write

CLIPS: Final = ("again.mkv", "book.mkv", "thanks.mkv")
EVERY: Final = 12
"""One frame of a clip in so many: neighbours are nearly the same."""
EMPTY: Final = 10
"""Frames of the empty room: five seconds of a minute's recording have more."""
FURNITURE: Final = (150, 230, 500, HEIGHT)
"""Left, top, right and bottom of the furniture, in pixels: a chair or a low shelf behind whoever is there."""
CAMERAS: Final[dict[str, dict[str, Any]]] = {
    "still": {},
    "brighter": {"gain": 1.15, "offset": -6.0},
    "darker": {"gain": 0.8, "offset": 4.0},
    "warmer": {"gain": np.array([0.9, 1.0, 1.1])},
    "nudged": {"moved": (3.0, -2.0)},
    "noisy": {"noise": 7.0},
}
_SHOWN: Final = 0.5
"""Alpha above which a label shows a pixel."""
_LEAST_SHOWN: Final = 0.02
"""Share of the furniture that full must show for a frame to say something about it."""


@dataclass
class Camera:
    """Looks at pictures."""

    gain: Any = 1.0
    offset: float = 0.0
    noise: float = 3.0
    moved: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def moved_by(self, picture: NDArray[Any]) -> NDArray[Any]:
        """A picture or alpha, where this camera sees it."""
        matrix = np.array([[1, 0, self.moved[0]], [0, 1, self.moved[1]]], np.float64)
        return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE))

    def look(self, picture: Image) -> Image:
        """``(HEIGHT, WIDTH, 3)`` uint8 BGR: moved, exposed, noisy and compressed."""
        seen = self.moved_by(picture).astype(np.float32) * self.gain + self.offset
        seen += self._random.normal(0, self.noise, seen.shape)
        _, data = cv2.imencode(".jpg", np.clip(seen, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 88])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def furnished(room: Image, texture: Image) -> tuple[Image, Alpha]:
    """A room with furniture in it, and where that is."""
    left, top, right, bottom = FURNITURE
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.rectangle(alpha, (left, top), (right, bottom), 1.0, -1)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7), np.float32)
    mixed = alpha[..., None] * texture + (1 - alpha[..., None]) * room
    return np.rint(mixed).astype(np.uint8), alpha


def small(picture: NDArray[Any]) -> NDArray[Any]:
    """At the labels' side, area averaged."""
    return np.asarray(cv2.resize(picture, (LABEL_SIDE, LABEL_SIDE), interpolation=cv2.INTER_AREA))


def example(look: Image, label: Alpha, number: int, *, empty: bool) -> Example:
    """What the correction needs of a frame."""
    nothing = np.zeros((1, 1, 3), np.uint8)
    shot = Shot(f"{number}.png", number / 4, 0, empty)
    return Example(shot, nothing, nothing, np.asarray(small(look), np.uint8), as_levels(label), held_out=False)


@dataclass
class Tally:
    """Sums over frames."""

    shown: float = 0.0
    """Of the furniture beside the person, by the label."""
    left: float = 0.0
    person: float = 0.0
    lost: float = 0.0

    def add(self, before: Alpha, after: Alpha, person: Alpha, furniture: Alpha) -> None:
        """Count one frame, all ``(LABEL_SIDE, LABEL_SIDE)`` in [0, 1]."""
        beside = furniture * (1 - person)
        self.shown += float(np.minimum(before, beside).sum())
        self.left += float(np.minimum(after, beside).sum())
        self.person += float(person.sum())
        self.lost += float(np.maximum(np.minimum(person, before) - after, 0).sum())

    def row(self) -> dict[str, float]:
        """Shares, ready for JSON."""
        left = self.left / self.shown if self.shown else 0.0
        return {"furniture_left": round(left, 4), "person_lost": round(self.lost / self.person, 5)}


def composites(person: Person, room: Image, camera: Camera) -> Iterator[tuple[Image, Alpha]]:
    """Frames of somebody in a room, with the exact alpha at the labels' side."""
    for layer in person.layers[::EVERY]:
        yield camera.look(_over(layer, room)), np.asarray(small(camera.moved_by(layer.alpha)), np.float32)


def _over(layer: Layer, room: Image) -> Image:
    alpha = layer.alpha[..., None]
    return np.rint(alpha * layer.colour + (1 - alpha) * room).astype(np.uint8)


def measured(
    person: Person, room: Image, furniture: Alpha, options: dict[str, Any], teacher: Engine | None
) -> tuple[Tally, str, int]:
    """Correct the labels of one recording.

    Args:
        person: who is in it.
        room: with the furniture.
        furniture: where it is.
        options: of the camera, while somebody is there. The empty room is seen by one that stands as it stood.
        teacher: None for one who is ideal but for the furniture.

    Returns:
        The sums, what the correction said, and how many frames counted.
    """
    plain, camera = Camera(seed=1), Camera(**options)
    beside = np.asarray(small(camera.moved_by(furniture)), np.float32)
    soft = np.asarray(cv2.GaussianBlur(beside, (0, 0), 1.5), np.float32)
    examples, truths = [], []
    for number, (frame, truth) in enumerate(composites(person, room, camera)):
        label = np.maximum(truth, soft) if teacher is None else teacher.infer(shrink(frame, LABEL_SIDE))
        examples.append(example(frame, np.clip(label, 0, 1), number, empty=False))
        truths.append(truth)
    for number in range(EMPTY):
        frame = plain.look(room)
        label = (
            np.asarray(small(furniture), np.float32) if teacher is None else teacher.infer(shrink(frame, LABEL_SIDE))
        )
        examples.append(example(frame, label, len(truths) + number, empty=True))
    found = corrected_examples(examples, scripted=True, progress=lambda phase, done, total: None)
    tally, counted = Tally(), 0
    for before, after, truth in zip(examples, found.examples, truths, strict=False):
        there = beside * (1 - truth)
        if float(np.minimum(before.alpha, there).sum()) < _LEAST_SHOWN * float(there.sum()):
            continue  # this teacher shows no furniture here
        counted += 1
        tally.add(before.alpha, after.alpha, truth, beside)
    return tally, found.line, counted


def real_frames(person: Person, frames: Sequence[Image]) -> dict[str, float]:
    """What is lost of a person in a real camera's frames, by a plate of their own room."""
    camera = Camera(noise=1.5, seed=2)
    layers = person.layers[::EVERY]
    truths = [np.asarray(small(layer.alpha), np.float32) for layer in layers]
    examples = [
        example(frame, truth, number, empty=False)
        for number, (frame, truth) in enumerate(zip(frames[::EVERY], truths, strict=True))
    ]
    nobody = np.zeros((LABEL_SIDE, LABEL_SIDE), np.float32)
    examples += [example(camera.look(person.room), nobody, len(truths) + each, empty=True) for each in range(EMPTY)]
    found = corrected_examples(examples, scripted=True, progress=lambda phase, done, total: None)
    tally = Tally()
    for before, after, truth in zip(examples, found.examples, truths, strict=False):
        tally.add(before.alpha, after.alpha, truth, nobody)
    return {"frames": found.frames, "person_lost": tally.row()["person_lost"]}


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="the folder of clips/ and images/")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    return run_study("benchmarks.studies.plate", options.json, {}, lambda record: _measure(options.samples, record))


def _measure(samples: Path, record: dict[str, Any]) -> None:
    from benchmarks.support.clips import read_clip

    cutter = _engine("lite")
    try:
        people = [person_from(samples / "clips" / clip, cutter) for clip in CLIPS]
    finally:
        cutter.close()
    teacher = _engine("full")
    texture = cover(load(samples / "images" / "bike.jpg").image, WIDTH, HEIGHT)
    try:
        record["clips"], record["ideal_teacher"], record["full"] = list(CLIPS), {}, {}
        for name, options in CAMERAS.items():
            total = Tally()
            for person in people:
                for _, room in rooms(samples / "images"):
                    picture, furniture = furnished(room, texture)
                    tally, line, _ = measured(person, picture, furniture, options, None)
                    _add(total, tally)
            record["ideal_teacher"][name] = total.row()
            print(f"{name}: {total.row()} ({line})", flush=True)
        total, frames = Tally(), 0
        for person, (_, room) in zip(people, [*rooms(samples / "images")] * 2, strict=False):
            picture, furniture = furnished(room, texture)
            tally, line, counted = measured(person, picture, furniture, {}, teacher)
            _add(total, tally)
            frames += counted
        record["full"] = {**total.row(), "frames": frames} if frames else {"frames": 0}
        print(f"full: {record['full']}", flush=True)
        record["real_frames"] = {}
        for person, clip in zip(people, CLIPS, strict=True):
            frames_of = [cover(image, WIDTH, HEIGHT) for image in read_clip(samples / "clips" / clip)]
            record["real_frames"][clip] = real_frames(person, frames_of)
            print(f"{clip}: {record['real_frames'][clip]}", flush=True)
    finally:
        teacher.close()


def _engine(model: ModelName) -> Engine:
    config = EngineConfig(model, input_size=LABEL_SIDE)
    return open_engine(config, resolve(config))


def _add(total: Tally, tally: Tally) -> None:
    for name in ("shown", "left", "person", "lost"):
        setattr(total, name, getattr(total, name) + getattr(tally, name))


if __name__ == "__main__":
    sys.exit(main())
