"""How soon a run notices that its small network is out of its depth, and how often it says so without reason.

The run is the program as it is by default, in front of a paced camera. The camera shows what the network knows, then
something that it does not, then what it knows again, several times, each time at another moment of the look's rhythm.
One more run shows nothing but what is known, as a camera sees it: its exposure wavers, and there is noise.

    rtsod learn --source ../shared/samples/clips/again.mkv --train-minutes 2 --name again
    python -m benchmarks.studies.watching --model again --known again --json FILE

*IoU* is of the small network's map with full's, in what is shown after the change: it says how wrong a mask would have
been. *Noticed* is the time from the change to the moment at which the network was doubted; *back*, from the end of the
change until it was trusted again. Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

import numpy as np

from benchmarks.studies.disagreement import Network, dark, elsewhere, holding, map_iou
from benchmarks.support.camera_numbers import losses, numbers_of
from benchmarks.support.camera_run import PICTURES, CameraJob, Observed, observe
from benchmarks.support.clips import read_clip
from benchmarks.support.people import person_from
from benchmarks.support.study import positive_int, positive_seconds, run_study
from rtsod.backends import open_engine
from rtsod.bench.isolation import run_isolated
from rtsod.composite.backgrounds import bundled_backgrounds
from rtsod.config import EngineConfig
from rtsod.data.reading import read_image, read_label
from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.model.weights import resolve
from rtsod.system.files import file_to_write

WIDTH, HEIGHT = 1280, 720
PICTURE_COUNT: Final = 48
"""Of each half. They play forwards and backwards."""
FIRST_CHANGE: Final = 10.0
"""Seconds from the camera's start: by then lite is open."""
CHANGED_SECONDS: Final = 7.0
KNOWN_SECONDS: Final = 13.37
"""Not a multiple of the time between looks, so that each change comes at another moment between two."""
LIGHT: Final = 0.12
"""Of the light is left when it is switched off: a screen's."""
WAVER: Final = 0.08
"""A camera's exposure goes up and down by such a share of a picture's brightness ..."""
WAVER_NOISE: Final = 2.0
"""... with noise of this standard deviation, in levels."""


def noticed(observed: Observed, changes: Sequence[float]) -> dict[str, Any]:
    """What one run noticed of changes that begin and end in turn, in seconds from each."""
    assert observed.camera_started_at is not None
    events = [(at - observed.camera_started_at, event) for at, event in observed.events]

    def first(name: str, since: float, until: float) -> float | None:
        return next((round(at - since, 2) for at, event in events if event == name and since <= at < until), None)

    begins = changes[::2]
    ends = [*changes[1::2], float("inf")][: len(begins)]  # the last change may go on to the end of the run
    return {
        "noticed": [first("network_doubted", begin, end) for begin, end in zip(begins, ends, strict=True)],
        "back": [
            first("network_trusted", end, until) for end, until in zip(ends, [*begins[1:], float("inf")], strict=True)
        ],
        "alarms": sum(event == "network_doubted" for _, event in events),
        "alarms_at": [round(at, 2) for at, event in events if event == "network_doubted"],
        "said": [line for _, line in observed.lines],
    }


def one_run(folder: Path, model: str, seconds: float, changes: tuple[float, ...]) -> dict[str, Any]:
    """One run in a process of its own, ready for JSON."""
    job = CameraJob(folder, model, seconds, time.perf_counter(), changes=changes)
    observed = run_isolated(observe, job)
    return {**noticed(observed, changes), **asdict(numbers_of(observed)), "losses": losses(observed)}


def cases(clips: Path, known: str, full: Network) -> Iterator[tuple[str, list[Image]]]:
    """What the network does not know, with the name of each case."""
    images = _clip(clips, known)
    alphas = [full(image) for image in images]
    strangers = [path.stem for path in sorted(clips.glob("*.mkv")) if path.stem in ("thanks", "book")]
    for name in strangers:
        yield f"another person: {name}", _clip(clips, name)
    room = bundled_backgrounds()[0]
    yield f"another room: {room.stem}", elsewhere(images, alphas, read_image(room))
    yield f"light at {LIGHT:g}", dark(images, LIGHT)
    for name in ("whisk.png", "im_21.png"):
        path = clips.parent / "images" / name
        thing, alpha = read_image(path), read_label(clips.parent / "reference-full" / f"{path.stem}.png")
        rows, columns = np.flatnonzero((alpha > 127).any(axis=1)), np.flatnonzero((alpha > 127).any(axis=0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        yield f"held up: {path.stem}", holding(images, thing[box], alpha[box])
    yield "nobody", [_empty_room(clips / f"{known}.mkv")] * len(images)


def as_a_camera_sees(images: Sequence[Image]) -> list[Image]:
    """The same with wavering exposure and noise."""
    random = np.random.default_rng(1)
    gains = 1 + WAVER * np.sin(2 * np.pi * np.arange(len(images)) / len(images))
    seen = (
        image * gain + random.normal(0, WAVER_NOISE, image.shape) for image, gain in zip(images, gains, strict=True)
    )
    return [np.clip(image, 0, 255).astype(np.uint8) for image in seen]


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Run all cases, then what is known alone, and print each."""
    full, student = (Network(EngineConfig(name, "openvino")) for name in ("full", options.model))
    known = _clip(options.clips, options.known)
    period = CHANGED_SECONDS + KNOWN_SECONDS
    starts = [FIRST_CHANGE + period * number for number in range(options.times)]
    changes = tuple(moment for start in starts for moment in (start, start + CHANGED_SECONDS))
    record["cases"] = {}
    with tempfile.TemporaryDirectory(prefix="rtsod-camera-") as name:
        folder = Path(name)
        for case, images in cases(options.clips, options.known, full):
            if options.only and not any(part in case for part in options.only):
                continue
            np.save(folder / PICTURES, np.stack([*known, *images]))
            found = one_run(folder, options.model, changes[-1] + KNOWN_SECONDS, changes)
            found["iou"] = round(mean(map_iou(student(image), full(image)) for image in images[::4]), 4)
            times = [each for each in found["noticed"] if each is not None]
            found["median"] = round(median(times), 2) if len(times) == options.times else None
            record["cases"][case] = found
            print(
                f"{case:<26} IoU {found['iou']:.3f}, noticed {found['noticed']} s, back {found['back']} s", flush=True
            )
        if options.known_seconds and not options.only:
            np.save(folder / PICTURES, np.stack([*known, *as_a_camera_sees(known)]))
            turns = tuple(np.arange(4.0, options.known_seconds, 8.0).tolist())
            found = one_run(folder, options.model, options.known_seconds, turns)
            alarms = found["alarms"]
            kept = {key: found[key] for key in ("alarms_at", "lost_share", "p95_ms", "cores", "said")}
            record["known"] = {"seconds": options.known_seconds, "alarms": alarms, **kept}
            print(f"known, {options.known_seconds:g} s: {alarms} alarms", flush=True)


def _clip(clips: Path, name: str) -> list[Image]:
    return [cover(image, WIDTH, HEIGHT) for image in read_clip(clips / f"{name}.mkv", PICTURE_COUNT)]


def _empty_room(path: Path) -> Image:
    config = EngineConfig("lite")
    engine = open_engine(config, resolve(config))
    try:
        return cover(person_from(path, engine).room, WIDTH, HEIGHT)
    finally:
        engine.close()


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="me", help="a network of your own (default: %(default)s)")
    parser.add_argument("--known", default="again", metavar="CLIP", help="that it learned (default: %(default)s)")
    parser.add_argument("--times", type=positive_int, default=3, help="each change happens (default: %(default)s)")
    parser.add_argument(
        "--known-seconds", type=positive_seconds, default=600.0, help="of what is known (default: %(default)g)"
    )
    parser.add_argument("--only", action="append", metavar="PART", help="only cases with this in their name")
    parser.add_argument("--clips", type=Path, default=Path("../shared/samples/clips"), help="(default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    job = {name: getattr(options, name) for name in ("model", "known", "times", "known_seconds")}
    return run_study("benchmarks.studies.watching", options.json, {"job": job}, lambda of: measure(options, of))


if __name__ == "__main__":
    sys.exit(main())
