"""Real people and real rooms as layers: people cut out of webcam clips with their alpha, and rooms without anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.support.clips import read_clip
from benchmarks.support.photographs import photograph_part
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.refine import refiner

WIDTH, HEIGHT = 640, 480
"""Size of all layers and rooms, in pixels."""
ROOMS: Final = ("horse.jpg", "boat.jpg")
"""The parts of photographs that serve as rooms: those in which the network sees no subject either. Of the other two, it
takes the branches and the tree line for one."""
_TRACE_ALPHA: Final = 0.05
"""Above this alpha a pixel may hold some of the person's colour, so it does not show the room."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Somebody cut out of a frame."""

    colour: Image
    """``(HEIGHT, WIDTH, 3)`` uint8 BGR."""
    alpha: Alpha
    """``(HEIGHT, WIDTH)`` float32 in [0, 1]."""

    def moved(self, x: float, scale: float = 1.0) -> Layer:
        """The layer moved and scaled down, still standing on the lower edge of the frame.

        Args:
            x: to the right, as a share of the width.
            scale: at most 1.
        """
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
    """One per frame of the clip."""
    room: Image
    """``(HEIGHT, WIDTH, 3)`` uint8 BGR: the clip's room without the person."""

    def at(self, index: int) -> Layer:
        """The layer of a frame number, playing the clip forward and backward in turn."""
        last = len(self.layers) - 1
        return self.layers[last - abs(index % (2 * last) - last)]


def person_from(path: Path, engine: Engine) -> Person:
    """Separate the person and the room of a clip.

    Args:
        path: the clip.
        engine: makes the masks.
    """
    refine, layers = refiner("fast"), []
    images = [cover(image, WIDTH, HEIGHT) for image in read_clip(path)]
    for image in images:
        matte = refine(image, engine.infer(shrink(image, engine.info.input_size)))
        layers.append(Layer(matte.foreground, matte.alpha))
    return Person(path.stem, layers, _room_of(images, layers))


def _room_of(images: Sequence[Image], layers: Sequence[Layer]) -> Image:
    """The median of what each pixel shows of the room; inpainted where it never shows it."""
    dilated = [
        cv2.dilate((layer.alpha > _TRACE_ALPHA).astype(np.uint8), np.ones((15, 15), np.uint8)) for layer in layers
    ]
    hidden = np.asarray(dilated, np.bool_)
    pictures = np.where(hidden[..., None], np.float32(np.nan), np.stack(images).astype(np.float32))
    never = np.asarray(hidden.all(axis=0), np.uint8)
    pictures[:, never > 0] = 0
    room = np.asarray(np.nanmedian(pictures, axis=0), np.uint8)
    return np.asarray(cv2.inpaint(room, never, 9, cv2.INPAINT_TELEA), np.uint8)


def rooms(images: Path) -> Iterator[tuple[str, Image]]:
    """The rooms from photographs, with their names.

    Args:
        images: the folder of the sample photographs.

    Raises:
        SourceError: a photograph cannot be read.
    """
    for name in ROOMS:
        yield name, cover(photograph_part(images, name), WIDTH, HEIGHT)
