"""Draw what edges and motion look like, naive beside ours: strips of enlarged details, and short clips.

python scripts/readme/draw_comparison.py OUT                          # strips and clips, of the sample clips
python scripts/readme/draw_comparison.py OUT --strip docs/images/edges.jpg --motion docs/images/motion.jpg

Each strip of edges shows from left to right the camera's picture, then ``--refine off`` (bilinear) and ``--refine
fast`` before the beach and before a dark wall, where fringes show best.

In motion the network sees every fourth frame. Each strip shows the second and the third frame after one that it saw:
the camera's picture, the last mask as it stands, scaled bilinearly, and ours: steadied, carried, refined. The clips
play the last two side by side.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.support.clips import read_clip, write_clip
from rtsod.backends import open_engine
from rtsod.composite.backgrounds import open_background
from rtsod.composite.compositor import Compositor
from rtsod.config import EngineConfig, RefineName
from rtsod.frames import Alpha, Compositable, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve
from rtsod.motion.propagate import MaskPropagator
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.refine import refiner, unrefined

SHOWN, SHOWN_IN_MOTION = 288, 208
"""Pixels of the side of a detail, as it is drawn."""
GAP: Final = 6
FPS: Final = 30
DARK: Final = "#1a1f2b"
WAYS: Final[tuple[RefineName, ...]] = ("off", "fast")


@dataclass(frozen=True, slots=True)
class Detail:
    """What is enlarged: a clip, a frame, and the left upper corner of a square in it."""

    clip: str
    frame: int
    left: int
    top: int
    side: int = 96


DETAILS: Final = (
    Detail("book.mkv", 30, 205, 85),
    Detail("book.mkv", 60, 275, 60),
    Detail("no.mkv", 30, 130, 128),
    Detail("thanks.mkv", 20, 185, 105),
    Detail("thanks.mkv", 45, 372, 240),
    Detail("again.mkv", 30, 165, 215),
)
IN_THE_README: Final = (0, 4)
EVERY: Final = 4
"""In motion, the network sees one frame in so many."""
MOMENTS: Final = (
    Detail("thanks.mkv", 4, 150, 285, 192),
    Detail("again.mkv", 8, 150, 215, 192),
)
"""Details in motion; the frame is one that the network sees."""


def composites(image: Image, mask: Alpha, spec: str) -> list[Image]:
    """The frame's subject before a background, one picture for each way."""
    masked = MaskedFrame(Frame(image, 0, 0.0), Mask(mask, 0, 0.0))
    return [Compositor([open_background(spec)], refine=refiner(way)).compose(masked, 0.0).image for way in WAYS]


def strip(clips: Path, detail: Detail, engine: Engine) -> Image:
    """The detail as the camera sees it, then each way before each background."""
    image = read_clip(clips / detail.clip, detail.frame + 1)[detail.frame]
    mask = engine.infer(shrink(image, engine.info.input_size))
    pictures = [image, *composites(image, mask, "beach"), *composites(image, mask, DARK)]
    return enlarged(pictures, detail, SHOWN)


def enlarged(pictures: Sequence[Image], detail: Detail, side: int) -> Image:
    """The detail in each picture, side by side."""
    area = np.s_[detail.top : detail.top + detail.side, detail.left : detail.left + detail.side]
    large = [cv2.resize(p[area], (side, side), interpolation=cv2.INTER_CUBIC) for p in pictures]
    return np.hstack([cv2.copyMakeBorder(p, GAP, GAP, GAP, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3) for p in large])


def in_motion(images: Sequence[Image], engine: Engine) -> Iterator[tuple[Image, Image]]:
    """Naive and ours before the beach, frame by frame, when the network sees every fourth one."""
    stabilizer, propagator = MaskStabilizer(), MaskPropagator()
    backdrops = [open_background("beach")]
    naive, ours = Compositor(backdrops, refine=unrefined), Compositor(backdrops, refine=refiner("fast"))
    last = newest = None
    for index, image in enumerate(images):
        frame = Frame(image, index, index / FPS)
        shown: Compositable | None = None
        if last is not None and newest is not None and index % EVERY:
            shown = propagator.propagate(newest, frame)
        if last is None or shown is None:  # as files do where no motion leads
            last = engine.infer(shrink(image, engine.info.input_size))
            shown = newest = stabilizer.stabilize(MaskedFrame(frame, Mask(last, index, frame.captured_at)))
        as_it_stands = MaskedFrame(frame, Mask(last, index, frame.captured_at))
        yield naive.compose(as_it_stands, 0.0).image, ours.compose(shown, 0.0).image


def motion_strip(clips: Path, moment: Detail, engine: Engine) -> Image:
    """Two frames: the camera's picture, naive, ours."""
    images = read_clip(clips / moment.clip, moment.frame + EVERY)
    shown = list(in_motion(images, engine))
    late = range(moment.frame + EVERY - 2, moment.frame + EVERY)
    return enlarged([picture for i in late for picture in (images[i], *shown[i])], moment, SHOWN_IN_MOTION)


def write(path: Path, image: Image) -> None:
    """Write a picture and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90] if path.suffix == ".jpg" else [])
    print(path)


def main() -> None:
    """Infer, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=Path, default=Path("../shared/samples/clips"))
    parser.add_argument("--model", choices=("full", "lite"), default="lite")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each clip; 0 for strips alone")
    parser.add_argument("--strip", type=Path, help="also write the README's strip of edges here")
    parser.add_argument("--motion", type=Path, help="also write the README's strip of motion here")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    config = EngineConfig(model=options.model)
    with closing(open_engine(config, resolve(config))) as engine:
        strips = [strip(options.clips, detail, engine) for detail in DETAILS]
        for detail, drawn in zip(DETAILS, strips, strict=True):
            write(options.folder / f"{Path(detail.clip).stem}-{detail.frame}-{detail.left}.png", drawn)
        if options.strip is not None:
            write(options.strip, np.vstack([strips[index] for index in IN_THE_README]))
        moving = [motion_strip(options.clips, moment, engine) for moment in MOMENTS]
        for moment, drawn in zip(MOMENTS, moving, strict=True):
            write(options.folder / f"{Path(moment.clip).stem}-{moment.frame}-in-motion.png", drawn)
        if options.motion is not None:
            write(options.motion, np.vstack(moving))
        for name in sorted({detail.clip for detail in DETAILS} if options.seconds else ()):
            images = read_clip(options.clips / name, max(1, round(options.seconds * FPS)))
            path = options.folder / f"{Path(name).stem}.mp4"
            write_clip(path, (np.hstack(pair) for pair in in_motion(images, engine)), FPS)
            print(path)


if __name__ == "__main__":
    main()
