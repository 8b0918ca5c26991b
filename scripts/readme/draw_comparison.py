"""Draw comparisons of edges and motion, naive next to ours: strips of enlarged details, and short clips.

    python scripts/readme/draw_comparison.py OUT      # strips and clips of the sample clips
    python scripts/readme/draw_comparison.py OUT --strip docs/images/edges.jpg --motion docs/images/motion.jpg

A strip of edges shows, from left to right, the camera's frame, then ``--refine off`` (bilinear) and ``--refine fast``
in front of the beach and of a dark wall, where fringes are most visible.

In motion the network sees every fourth frame. A strip shows the second and third frame after one it saw: the camera's
frame, the last mask unchanged and upscaled bilinearly, and ours: stabilized, propagated and refined. The clips play the
last two side by side.
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

EDGE_DETAIL_PX: Final = 288
"""Side of an enlarged detail in a strip of edges."""
MOTION_DETAIL_PX: Final = 208
"""Side of an enlarged detail in a strip of motion."""
GAP_PX: Final = 6
FPS: Final = 30
DARK: Final = "#1a1f2b"
REFINERS: Final[tuple[RefineName, ...]] = ("off", "fast")


@dataclass(frozen=True, slots=True)
class Detail:
    """A square to enlarge: its clip, frame, top left corner and side in pixels."""

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
README_DETAILS: Final = (0, 4)
"""Indices of the details in the README's strip."""
MASK_INTERVAL: Final = 4
"""Frames from one that the network sees to the next, in motion."""
MOTION_DETAILS: Final = (
    Detail("thanks.mkv", 4, 150, 285, 192),
    Detail("again.mkv", 8, 150, 215, 192),
)
"""Details in motion. The network sees the named frame."""


def composites(image: Image, mask: Alpha, spec: str) -> list[Image]:
    """The subject in front of a background, once per refiner."""
    masked = MaskedFrame(Frame(image, 0, 0.0), Mask(mask, 0, 0.0))
    return [Compositor(open_background(spec), refine=refiner(name)).compose(masked, 0.0).image for name in REFINERS]


def strip(clips: Path, detail: Detail, engine: Engine) -> Image:
    """The detail as the camera sees it, then with each background and refiner."""
    image = read_clip(clips / detail.clip, detail.frame + 1)[detail.frame]
    mask = engine.infer(shrink(image, engine.info.input_size))
    pictures = [image, *composites(image, mask, "beach"), *composites(image, mask, DARK)]
    return enlarged(pictures, detail, EDGE_DETAIL_PX)


def enlarged(pictures: Sequence[Image], detail: Detail, side: int) -> Image:
    """The detail in each picture, side by side."""
    area = np.s_[detail.top : detail.top + detail.side, detail.left : detail.left + detail.side]
    large = [cv2.resize(p[area], (side, side), interpolation=cv2.INTER_CUBIC) for p in pictures]
    return np.hstack([cv2.copyMakeBorder(p, *(GAP_PX,) * 4, cv2.BORDER_CONSTANT, value=(255,) * 3) for p in large])


def in_motion(images: Sequence[Image], engine: Engine) -> Iterator[tuple[Image, Image]]:
    """Naive and ours in front of the beach, frame by frame, when the network sees every fourth frame."""
    stabilizer, propagator = MaskStabilizer(), MaskPropagator()
    beach = open_background("beach")
    naive, ours = Compositor(beach, refine=unrefined), Compositor(beach, refine=refiner("fast"))
    last_alpha = last_masked = None
    for index, image in enumerate(images):
        frame = Frame(image, index, index / FPS)
        shown: Compositable | None = None
        if last_masked is not None and index % MASK_INTERVAL:
            shown = propagator.propagate(last_masked, frame)
        if last_alpha is None or shown is None:  # no reliable flow: infer again, as the program does for files
            last_alpha = engine.infer(shrink(image, engine.info.input_size))
            shown = last_masked = stabilizer.stabilize(MaskedFrame(frame, Mask(last_alpha, index, frame.captured_at)))
        unchanged = MaskedFrame(frame, Mask(last_alpha, index, frame.captured_at))
        yield naive.compose(unchanged, 0.0).image, ours.compose(shown, 0.0).image


def motion_strip(clips: Path, detail: Detail, engine: Engine) -> Image:
    """Two frames, each from the camera, naive and ours."""
    images = read_clip(clips / detail.clip, detail.frame + MASK_INTERVAL)
    shown = list(in_motion(images, engine))
    last_two = range(detail.frame + MASK_INTERVAL - 2, detail.frame + MASK_INTERVAL)
    return enlarged([picture for i in last_two for picture in (images[i], *shown[i])], detail, MOTION_DETAIL_PX)


def write(path: Path, image: Image) -> None:
    """Write a picture and print its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90] if path.suffix == ".jpg" else [])
    print(path)


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write strips and clips")
    parser.add_argument("--clips", type=Path, default=Path("../shared/samples/clips"), help="folder of sample clips")
    parser.add_argument("--model", choices=("full", "lite"), default="lite")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each clip; 0 draws only strips")
    parser.add_argument("--strip", type=Path, help="also write the README's strip of edges to this file")
    parser.add_argument("--motion", type=Path, help="also write the README's strip of motion to this file")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    config = EngineConfig(model=options.model)
    with closing(open_engine(config, resolve(config))) as engine:
        strips = [strip(options.clips, detail, engine) for detail in DETAILS]
        for detail, drawn in zip(DETAILS, strips, strict=True):
            write(options.folder / f"{Path(detail.clip).stem}-{detail.frame}-{detail.left}.png", drawn)
        if options.strip is not None:
            write(options.strip, np.vstack([strips[index] for index in README_DETAILS]))
        moving = [motion_strip(options.clips, detail, engine) for detail in MOTION_DETAILS]
        for detail, drawn in zip(MOTION_DETAILS, moving, strict=True):
            write(options.folder / f"{Path(detail.clip).stem}-{detail.frame}-in-motion.png", drawn)
        if options.motion is not None:
            write(options.motion, np.vstack(moving))
        for name in sorted({detail.clip for detail in DETAILS} if options.seconds else ()):
            images = read_clip(options.clips / name, max(1, round(options.seconds * FPS)))
            path = options.folder / f"{Path(name).stem}.mp4"
            write_clip(path, (np.hstack(pair) for pair in in_motion(images, engine)), FPS)
            print(path)


if __name__ == "__main__":
    main()
