"""Real people and real rooms, taken apart: the persons of webcam clips with their alpha, and rooms without anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.studies.edges import PHOTOGRAPHS
from benchmarks.support.clips import read_clip
from rtsod.errors import SourceError
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.refine import refiner

WIDTH, HEIGHT = 640, 480
ROOMS: Final = ("horse.jpg", "boat.jpg")
"""Of the photographs' parts, those that the network sees no subject in, either: it is quite sure of a tree line."""
_TRACE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Layer:
    """Somebody cut out."""

    colour: Image
    alpha: Alpha

    def moved(self, x: float, scale: float = 1.0) -> Layer:
        """To the right by a share of the width, and smaller, standing on the picture's lower edge."""
        shift = np.array([[scale, 0, WIDTH * (x + (1 - scale) / 2)], [0, scale, HEIGHT * (1 - scale)]], np.float64)
        size = (WIDTH, HEIGHT)
        return Layer(
            np.asarray(cv2.warpAffine(self.colour, shift, size, borderMode=cv2.BORDER_REPLICATE), np.uint8),
            np.asarray(cv2.warpAffine(self.alpha, shift, size), np.float32),
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a clip."""

    name: str
    layers: list[Layer]
    room: Image

    def at(self, index: int) -> Layer:
        """There and back through the clip."""
        last = len(self.layers) - 1
        return self.layers[last - abs(index % (2 * last) - last)]


def person_from(path: Path, engine: Engine) -> Person:
    """Cut somebody out of a clip, and the clip's room."""
    refine, layers = refiner("fast"), []
    images = [cover(image, WIDTH, HEIGHT) for image in read_clip(path)]
    for image in images:
        matte = refine(image, engine.infer(shrink(image, engine.info.input_size)))
        layers.append(Layer(matte.foreground, matte.alpha))
    return Person(path.stem, layers, _room_of(images, layers))


def _room_of(images: Sequence[Image], layers: Sequence[Layer]) -> Image:
    away = [cv2.dilate((layer.alpha > _TRACE).astype(np.uint8), np.ones((15, 15), np.uint8)) for layer in layers]
    hidden = np.asarray(away, np.bool_)
    pictures = np.where(hidden[..., None], np.float32(np.nan), np.stack(images).astype(np.float32))
    never = np.asarray(hidden.all(axis=0), np.uint8)
    pictures[:, never > 0] = 0
    room = np.asarray(np.nanmedian(pictures, axis=0), np.uint8)
    return np.asarray(cv2.inpaint(room, never, 9, cv2.INPAINT_TELEA), np.uint8)


def rooms(images: Path) -> Iterator[tuple[str, Image]]:
    """Parts of photographs that hold no subject."""
    for name in ROOMS:
        left, top, right, bottom = PHOTOGRAPHS[name]
        photograph = cv2.imread(str(images / name))
        if photograph is None:
            raise SourceError(f"{images / name}: cannot be read: --images takes the folder of the sample photographs")
        h, w = photograph.shape[:2]
        part = photograph[int(top * h) : int(bottom * h), int(left * w) : int(right * w)]
        yield name, cover(np.ascontiguousarray(part, np.uint8), WIDTH, HEIGHT)
