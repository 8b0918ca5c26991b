"""Draw the README's picture with the program's own parts: ``python scripts/readme/draw_picture.py``.

It shows a frame of the demo clip, its saliency map from U²-Net lite, and the subject in front of a beach, of its own
room blurred, of mountains and of nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.composite.backgrounds import open_background
from rtsod.composite.compositor import Compositor
from rtsod.frames import Frame, Image, Mask, MaskedFrame
from rtsod.refine import refiner
from rtsod.segmenter import Segmenter
from rtsod.sinks.preview import view
from rtsod.sources.demo import DemoSource

OUTPUT: Final = Path(__file__).parents[2] / "docs" / "images" / "demo.jpg"
WIDTH, HEIGHT = 480, 270
"""Pixels of each of the six pictures."""


def draw(output: Path) -> None:
    """Draw the picture and write it."""
    image = _first_frame()
    with Segmenter.open(model="lite") as segmenter:
        alpha = segmenter(image, stream=True)
    small = np.ascontiguousarray(cv2.resize(alpha, (320, 320), interpolation=cv2.INTER_AREA), np.float32)
    masked = MaskedFrame(Frame(image, 0, 0.0), Mask(np.clip(small, 0, 1), 0, 0.0))
    pictures: list[Image] = [image, np.repeat(np.rint(alpha * 255).astype(np.uint8)[..., None], 3, axis=2)]
    for spec in ("beach", "blur", "mountains", "transparent"):
        composited = Compositor(open_background(spec), refine=refiner("auto")).compose(masked, 0.0)
        pictures.append(view(composited))
    rows = [np.hstack(pictures[at : at + 3]) for at in (0, 3)]
    sheet = cv2.resize(np.vstack(rows), (3 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_AREA)
    output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(output), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f"{output}: {output.stat().st_size // 1000} kB")


def _first_frame() -> Image:
    clip = DemoSource()
    frame = clip.read()
    clip.close()
    assert frame is not None
    return frame.image


def main() -> None:
    """Draw to where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, nargs="?", default=OUTPUT, help="(default: docs/images/demo.jpg)")
    draw(parser.parse_args().output)


if __name__ == "__main__":
    main()
