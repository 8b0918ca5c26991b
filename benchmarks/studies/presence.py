"""Whether people appear and vanish at once, an empty room stays background, and the subject lock keeps to the first.

Real people in front of real rooms: the people of webcam clips, cut out by the program's own masks, are put in front of
their clip's room (the median of what is visible of it, inpainted where it never is) and in front of parts of
photographs without a subject. Camera noise is added. So the exact alpha is known, while U²-Net-lite infers every frame.

    python -m benchmarks.studies.presence --json benchmarks/results/presence.json

Somebody comes and goes:

* *empty*: the share of frames of the empty room that show something (half a percent of the frame or more) before
  anybody came; *left*: the same after somebody had been there;
* *appears*, *vanishes*: the most frames until the IoU with the exact alpha is 0.8 (0 means at once), and until nothing
  is shown, when the person is there or gone from one frame to the next;
* *walker*: the share that is shown of somebody who walks in or out, mean over frames; *gap*: the most frames in a row
  in which less than half is shown of what the network sees of them.

One more room is counted separately: the bundled office, whose shelf the network is sure of while nobody is there.

Somebody walks past behind the first:

* *passer-by*: the share of them that is shown, mean over the frames in which they are visible; *apart*: the same while
  they stand apart from the first;
* *first*: the share that is shown of the first, mean; *least*: its minimum.

Each is measured *locked*, with a mask for every frame, and *tracked*, with a mask for every fourth frame that arrives
two frames late.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.support.people import HEIGHT, WIDTH, Layer, Person, person_from, rooms
from benchmarks.support.photographs import bundled
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve
from rtsod.motion.propagate import MaskPropagator
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.system.files import file_to_write

PEOPLE: Final = ("again", "book", "no", "thanks")
"""The clips, without the suffix."""
NOISE_LEVELS: Final = 2.0
"""Standard deviation of the camera's noise, in levels of 255."""
EMPTY, THERE, GONE, WALK = 75, 75, 15, 30
"""Frames of the parts of a scene: long enough to learn a room, too short to forget somebody."""
LONG: Final = 180
"""Frames for which somebody is there until a room is learnt that the network was sure of."""
STROLL: Final = 180
"""Frames of somebody who walks past slowly: six seconds instead of two."""
ALONE: Final = 12
"""Frames of the first alone, before somebody else comes."""
MASK_INTERVAL, MASK_DELAY = 4, 2
"""Tracked: one frame in this many has a mask, and it arrives this many frames late."""
_FPS: Final = 30
_SHOWN_ALPHA: Final = 0.05
"""Above this alpha a pixel shows something."""
_NOTHING_SHARE: Final = 0.005
"""Share of the frame. A frame that shows less shows nothing."""
_ALIKE_IOU: Final = 0.8
"""IoU with the exact alpha from which somebody has appeared."""
_WALKER_SHARE: Final = 0.05
"""Share of the frame. A walker is counted while they cover more."""
_PASSER_BY_SHARE: Final = 0.005
"""Share of the frame. A passer-by is counted while more of them is visible."""
_PASSER_BY_SCALE: Final = 0.7
"""The size of a passer-by relative to the first."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Frames, the network's maps, and the visible alpha of the first and of the second person."""

    images: list[Image]
    maps: list[Alpha]
    first: list[Alpha]
    second: list[Alpha]


def scene(room: Image, layers: Sequence[Sequence[Layer]], engine: Engine) -> Scene:
    """Render a scene and infer its maps.

    Args:
        room: the background.
        layers: per frame at most two people; the first stands in front of the second.
        engine: makes the maps.
    """
    images, maps, firsts, seconds = [], [], [], []
    nothing = np.zeros((HEIGHT, WIDTH), np.float32)
    for index, here in enumerate(layers):
        picture = room.astype(np.float32)
        for layer in reversed(here):
            picture += layer.alpha[..., None] * (layer.colour - picture)
        picture += np.random.default_rng(index).normal(0, NOISE_LEVELS, picture.shape).astype(np.float32)
        image = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
        first = here[0].alpha if here else nothing
        images.append(image)
        maps.append(engine.infer(shrink(image, engine.info.input_size)))
        firsts.append(first)
        seconds.append(here[1].alpha * (1 - first) if len(here) > 1 else nothing)
    return Scene(images, maps, firsts, seconds)


def locked(what: Scene, stabilizer: MaskStabilizer) -> list[Alpha]:
    """Show each frame with its own mask."""
    return [stabilizer.stabilize(_masked(what, index)).alpha for index in range(len(what.images))]


def tracked(what: Scene, stabilizer: MaskStabilizer) -> list[Alpha]:
    """Show propagated masks, as live. A frame that no reliable flow reaches is replaced by the one before it."""
    propagator, shown = MaskPropagator(), [np.zeros_like(what.maps[0])]
    newest: MaskedFrame | None = None
    for index, image in enumerate(what.images[1:], 1):
        frame = Frame(image, index, index / _FPS)
        if index >= MASK_DELAY and (index - MASK_DELAY) % MASK_INTERVAL == 0:
            newest = stabilizer.stabilize(_masked(what, index - MASK_DELAY))
        if newest is None:
            propagator.observe(frame)
            shown.append(shown[-1])
        else:
            propagated = propagator.propagate(newest, frame)
            shown.append(shown[-1] if propagated is None else propagated.alpha)
    return shown


PAIRINGS: Final[dict[str, Callable[[Scene, MaskStabilizer], list[Alpha]]]] = {"locked": locked, "tracked": tracked}


def _masked(what: Scene, index: int) -> MaskedFrame:
    return MaskedFrame(Frame(what.images[index], index, index / _FPS), Mask(what.maps[index], index, index / _FPS))


def comes_and_goes(person: Person, room: Image, engine: Engine, there: int = THERE) -> dict[str, dict[str, float]]:
    """Nobody, then somebody at once, nobody at once, and somebody who walks in and out again."""
    here = [[person.at(i)] for i in range(there)]
    ways_in = [1 - i / WALK for i in range(WALK)]
    walk = [[person.at(i).moved(x)] for i, x in enumerate([*ways_in, *(-x for x in reversed(ways_in))])]
    layers: list[list[Layer]] = [*([[]] * EMPTY), *here, *([[]] * GONE), *walk, *([[]] * GONE)]
    what = scene(room, layers, engine)
    gone = EMPTY + there
    walking = range(gone + GONE, gone + GONE + 2 * WALK)
    # Tracked, an empty room counts only once a mask of it has arrived; until then somebody is vanishing.
    empty = [
        i
        for i, people in enumerate(layers)
        if not people and not any(layers[max(0, i - MASK_DELAY - MASK_INTERVAL) : i])
    ]
    seen = [index for index in walking if what.first[index].mean() > _WALKER_SHARE]
    of_network = [_share(what.maps[index], what.first[index]) for index in seen]
    result = {}
    for name, shown in {
        "network": what.maps,
        **{name: show(what, MaskStabilizer()) for name, show in PAIRINGS.items()},
    }.items():
        alike = [iou(_at(alpha, first), first) for alpha, first in zip(shown, what.first, strict=True)]
        area = [float(np.mean(alpha > _SHOWN_ALPHA)) for alpha in shown]
        of_walker = [_share(shown[index], what.first[index]) for index in seen]
        result[name] = {
            "empty": round(mean(area[index] >= _NOTHING_SHARE for index in empty if index < EMPTY), 4),
            "left": round(mean(area[index] >= _NOTHING_SHARE for index in empty if index > EMPTY), 4),
            "appears": _until(alike[EMPTY:gone], lambda value: value >= _ALIKE_IOU),
            "vanishes": _until(area[gone : gone + GONE], lambda value: value < _NOTHING_SHARE),
            "walker": round(mean(of_walker), 4),
            "gap": _longest([ours < 0.5 * theirs for ours, theirs in zip(of_walker, of_network, strict=True)]),
        }
    return result


def walks_past(first: Person, second: Person, room: Image, engine: Engine, frames: int) -> dict[str, dict[str, float]]:
    """Somebody walks past behind the first, from the left to the right."""
    layers = []
    for index in range(ALONE + frames):
        behind = second.at(index).moved(1.6 * (index - ALONE) / frames - 0.8, _PASSER_BY_SCALE)
        layers.append([first.at(index), behind] if index >= ALONE else [first.at(index)])
    what = scene(room, layers, engine)
    seen = [index for index in range(ALONE, len(layers)) if what.second[index].mean() > _PASSER_BY_SHARE]
    apart = [index for index in seen if not _touch(layers[index])]
    result = {}
    for name, show in PAIRINGS.items():
        for lock in (False, True):
            shown = show(what, MaskStabilizer(subject_lock=lock))
            of_passer_by = {index: _share(shown[index], what.second[index]) for index in seen}
            of_first = [_share(shown[index], what.first[index]) for index in range(ALONE, len(layers))]
            result[f"{name}, lock" if lock else name] = {
                "passer-by": round(mean(of_passer_by.values()), 4),
                "apart": round(mean(of_passer_by[index] for index in apart), 4),
                "first": round(mean(of_first), 4),
                "least": min(of_first),
            }
    return result


def _touch(layers: Sequence[Layer]) -> bool:
    """Whether two people touch, or all but do."""
    one, other = (cv2.dilate((layer.alpha > 0.5).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0 for layer in layers)
    return bool(np.any(np.logical_and(one, other)))


def _at(alpha: Alpha, like: Alpha) -> Alpha:
    """A map at the size of another."""
    return np.asarray(cv2.resize(alpha, like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _share(shown: Alpha, of: Alpha) -> float:
    """The share of somebody that is shown; 1 if nothing of them is visible."""
    theirs = of > 0.5
    return round(float(np.mean(_at(shown, of)[theirs] > 0.5)), 4) if theirs.any() else 1.0


def _until(values: Sequence[float], enough: Callable[[float], bool]) -> int:
    """The index of the first value that is enough; the number of values if none is."""
    return next((index for index, value in enumerate(values) if enough(value)), len(values))


def _longest(flags: Sequence[bool]) -> int:
    """The most True values in a row."""
    most = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        most = max(most, run)
    return most


def summary(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Summarize all scenes: the means of shares, the worst of everything else."""
    over: dict[str, Callable[[list[float]], float]] = {
        "empty": mean, "left": mean, "walker": mean, "passer-by": mean, "apart": mean, "first": mean, "least": min,
    }  # fmt: skip
    return {
        name: {what: round(float(over.get(what, max)([row[name][what] for row in rows])), 4) for what in rows[0][name]}
        for name in rows[0]
    }


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--clips",
        type=Path,
        default=Path("../shared/samples/clips"),
        help="the folder of the sample clips (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        default=Path("../shared/samples/images"),
        help="the folder of the sample photographs (default: %(default)s)",
    )
    parser.add_argument("--people", type=positive_int, default=len(PEOPLE), help="how many people (default: all)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    return run_study("benchmarks.studies.presence", options.json, {}, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    config = EngineConfig(model="lite")
    with closing(open_engine(config, resolve(config))) as engine:
        people = [person_from(options.clips / f"{name}.mkv", engine) for name in PEOPLE[: options.people]]
        coming: dict[str, Any] = record.setdefault("comes and goes", {})
        sure: dict[str, Any] = record.setdefault("a room that the network is sure of", {})
        passing: dict[str, Any] = record.setdefault("walks past", {})
        strolling: dict[str, Any] = record.setdefault("walks past slowly", {})
        office = bundled("office", WIDTH, HEIGHT)
        for index, person in enumerate(people):
            for name, room in [("own room", person.room), *rooms(options.images)]:
                coming[f"{person.name}, {name}"] = row = comes_and_goes(person, room, engine)
                print(f"{person.name}, {name}: {row}", flush=True)
            sure[person.name] = row = comes_and_goes(person, office, engine, LONG)
            print(f"{person.name}, office: {row}", flush=True)
            other = people[index - 1]
            for rows, frames in ((passing, 2 * WALK), (strolling, STROLL)):
                rows[f"{person.name}, then {other.name}"] = row = walks_past(person, other, person.room, engine, frames)
                print(f"{person.name}, then {other.name}, {frames} frames: {row}", flush=True)
    tables = {"comes": coming, "sure": sure, "passes": passing, "strolls": strolling}
    record["summary"] = {name: summary(list(rows.values())) for name, rows in tables.items()}
    for rows in record["summary"].values():
        for name, row in rows.items():
            print(f"{name:<14}" + "  ".join(f"{what} {value:g}" for what, value in row.items()))


if __name__ == "__main__":
    sys.exit(main())
