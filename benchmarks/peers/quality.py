"""Compares masks of people: MediaPipe's selfie segmentation, rembg, and this program, on the same frames.

    python -m benchmarks.peers.quality --json benchmarks/results/people.json

Three materials, each with its own bias:

* ``cutouts``: people cut out of the webcam clips, over the rooms of other clips. The alpha is exact, since it made the
  composite. The outline is where both full and MediaPipe see the person, holes filled, drawn in by a few pixels, so
  neither network's own errors are in it. Hair has no strands there.
* ``drawn``: a drawn person with loose hair over moving photographs, whose alpha is exact. MediaPipe has learned from
  photographs, so a drawing is harder for it.
* ``clips``: the clips as they are, against full's own refined maps in float32. This is agreement, not accuracy: it
  favours full, and lite, which was trained on the same masks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.peers.__main__ import CLIPS, ROOT, launch
from benchmarks.support.clips import read_clip
from benchmarks.support.mask_errors import mask_errors
from benchmarks.support.people import HEIGHT, WIDTH, person_from
from benchmarks.support.photographs import PARTS, photograph_part
from benchmarks.support.soft_subject import SoftSubject, moving_background
from benchmarks.support.study import run_study
from rtsod import Segmenter
from rtsod.app.assembly import leave_cores_to_the_network
from rtsod.backends import open_engine
from rtsod.config import EngineConfig, ModelName
from rtsod.errors import SourceError
from rtsod.frames import Alpha, Frame, Image
from rtsod.imaging.fit import cover
from rtsod.masking.refresh import InPlaceRefresher
from rtsod.masking.roi_masker import RoiMasker
from rtsod.metrics import Metrics
from rtsod.model.weights import fetch, published, resolve
from rtsod.refine import refiner
from rtsod.system.files import file_to_write

IMAGES: Final = ROOT.parent / "shared" / "samples" / "images"
PEERS: Final = ("mediapipe", "rembg")
SHOWN: Final = ("mediapipe", "lite, region 192", "full, whole frame")
"""The contestants in the picture."""
EVERY: Final = 6
"""Of the frames of a clip, one in this many is taken, so that the study takes two minutes."""
FRAMES: Final = 10
"""The most frames of one clip."""
ROI: Final = 192
"""Side of the network's input for the region of interest, in pixels."""
ERODED_PX: Final = 4
"""By how much a cut-out's outline is drawn in, in pixels, so that none of the old room is left."""
SOFT_PX: Final = 1.2
"""Standard deviation of the cut-out's soft edge, in pixels."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Consecutive frames with the alpha that masks are compared with."""

    images: list[Image]
    truth: list[Alpha]


def main() -> int:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=file_to_write, help="save the result to this file")
    parser.add_argument("--sheet", type=file_to_write, help="save a picture of some masks to this file")
    options = parser.parse_args()
    about = {"size": [WIDTH, HEIGHT], "roi": ROI}
    return run_study("benchmarks.peers.quality", options.json, about, lambda record: measure(record, options.sheet))


def measure(record: dict[str, Any], sheet: Path | None = None) -> None:
    """Fill the record, and draw the picture.

    Raises:
        RtsodError: a contestant cannot be started, or the clips are missing.
    """
    leave_cores_to_the_network()
    clips = sorted(CLIPS.glob("*.mkv"))
    if len(clips) < 2:
        raise SourceError(f"{CLIPS}: this study needs the webcam clips of a person")
    frames = [[cover(image, WIDTH, HEIGHT) for image in read_clip(clip)[::EVERY][:FRAMES]] for clip in clips]
    everything = [image for images in frames for image in images]
    full = list(full_maps(everything))
    people = list(peer_masks("mediapipe", everything))
    starts = [sum(map(len, frames[:number])) for number in range(len(frames))]
    materials = {
        "clips": [Shot(images, full[at : at + len(images)]) for images, at in zip(frames, starts, strict=False)],
        "cutouts": list(cutouts(clips, frames, full, people, starts)),
        "drawn": drawn(),
    }
    record["materials"] = {}
    shown = []
    for name, sequences in materials.items():
        masks = dict(contestants(sequences))
        truth = [alpha for sequence in sequences for alpha in sequence.truth]
        record["materials"][name] = {
            "frames": len(truth),
            "contestants": {contestant: mask_errors(found, truth) for contestant, found in masks.items()},
        }
        for contestant, errors in record["materials"][name]["contestants"].items():
            print(name, f"{contestant:<24}", errors, flush=True)
        shown += pictures_of(sequences, masks)
    if sheet is not None:
        cv2.imwrite(str(sheet), np.vstack(shown), [cv2.IMWRITE_JPEG_QUALITY, 80])


def full_maps(images: Sequence[Image]) -> Iterator[Alpha]:
    """Full's maps in float32, refined as a stream's are."""
    with Segmenter.open("full", precision="fp32") as segmenter:
        for image in images:
            yield segmenter(image, stream=True, refine="fast")


def peer_masks(name: str, images: Sequence[Image]) -> Iterator[Alpha]:
    """Another program's masks, from its own process."""
    with tempfile.TemporaryDirectory(prefix="rtsod-peers-") as folder:
        np.save(Path(folder) / "frames.npy", np.stack(images))
        contestant = launch(name, "lite", fetch(published("lite")), Path(folder))
        try:
            contestant.process.receive()
            yield from np.load(contestant.masks).astype(np.float32) / 255
        finally:
            contestant.process.end()


def contestants(sequences: Sequence[Shot]) -> Iterator[tuple[str, list[Alpha]]]:
    """Every contestant's masks of all frames."""
    images = [image for sequence in sequences for image in sequence.images]
    refine = refiner("fast")
    for name in PEERS:
        masks = list(peer_masks(name, images))
        yield name, masks
        if name == "mediapipe":
            yield "mediapipe, refined", [refine(image, mask).alpha for image, mask in zip(images, masks, strict=True)]
    models: tuple[ModelName, ...] = ("lite", "full")
    for model in models:
        with Segmenter.open(model, precision="auto") as segmenter:
            yield f"{model}, whole frame", [segmenter(image, stream=True, refine="fast") for image in images]
        yield f"{model}, region {ROI}", [alpha for part in sequences for alpha in region_masks(model, part.images)]


def region_masks(model: ModelName, images: Sequence[Image]) -> Iterator[Alpha]:
    """Masks from the region of interest, refined, as the program makes them of a stream that shows these frames."""
    configs = [EngineConfig(model, precision="auto", input_size=size) for size in (320, ROI)]
    whole, part = (open_engine(config, resolve(config)) for config in configs)
    metrics, refine = Metrics(), refiner("fast")
    # A clock that stands still: refreshes then cost nothing, and fall on the same frames on every machine.
    refresher = InPlaceRefresher(lambda: whole, metrics, clock=lambda: 0.0)
    masker = RoiMasker(whole.info.input_size, part, refresher, metrics)
    for index, image in enumerate(images):
        masker.run_deferred()
        yield refine(image, masker.mask(Frame(image, index, index * EVERY / 30)).alpha).alpha
    whole.close()
    part.close()


def cutouts(
    clips: Sequence[Path],
    frames: Sequence[Sequence[Image]],
    full: Sequence[Alpha],
    people: Sequence[Alpha],
    starts: Sequence[int],
) -> Iterator[Shot]:
    """People of each clip in the room of the next one."""
    engine_config = EngineConfig("lite", precision="auto")
    engine = open_engine(engine_config, resolve(engine_config))
    rooms = [person_from(clip, engine).room for clip in clips]
    engine.close()
    for number, images in enumerate(frames):
        room = rooms[(number + 1) % len(rooms)]
        own = range(starts[number], starts[number] + len(images))
        truth = [agreed_alpha(full[index], people[index]) for index in own]
        yield Shot([over(image, alpha, room) for image, alpha in zip(images, truth, strict=True)], truth)


def agreed_alpha(one: Alpha, other: Alpha) -> Alpha:
    """The alpha of a cut-out: where both masks see the person, holes filled, drawn in, and soft at the edge."""
    both = ((one > 0.5) & (other > 0.5)).astype(np.uint8)
    closed = cv2.morphologyEx(both, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    person = np.zeros(both.shape, np.uint8)
    if outlines:
        cv2.drawContours(person, [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    side = 2 * ERODED_PX + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    inner = cv2.erode(person, disc, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(inner.astype(np.float32), (0, 0), SOFT_PX), np.float32)


def over(image: Image, alpha: Alpha, room: Image) -> Image:
    """The subject of a picture in front of another room."""
    a = alpha[..., None]
    return np.rint(image * a + room * (1 - a)).astype(np.uint8)


def drawn() -> list[Shot]:
    """The drawn person over each photograph."""
    subject = SoftSubject(WIDTH, HEIGHT)
    sequences = []
    for name in PARTS:
        photograph = photograph_part(IMAGES, name)
        rendered = [
            subject.render(index, moving_background(photograph, WIDTH, HEIGHT, index))
            for index in range(0, FRAMES * EVERY, EVERY)
        ]
        sequences.append(Shot([image for image, _ in rendered], [alpha for _, alpha in rendered]))
    return sequences


def pictures_of(sequences: Sequence[Shot], masks: dict[str, list[Alpha]]) -> list[Image]:
    """One row: a frame, and its subject over green as some contestants see it."""
    at = len(sequences[0].images) // 2
    image = sequences[0].images[at]
    green = np.full_like(image, (80, 177, 0))
    row = [
        image,
        *(over(image, masks[name][at], green) for name in ("mediapipe", "lite, region 192", "full, whole frame")),
    ]
    return [np.hstack([cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA) for picture in row])]


if __name__ == "__main__":
    sys.exit(main())
