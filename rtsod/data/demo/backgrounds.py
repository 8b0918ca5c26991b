"""Backgrounds of the demonstration: parts of the bundled pictures, and patterns that are drawn.

Pictures and kinds of patterns to validate on differ from those to train on, so that nobody can learn the backgrounds by
heart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.data.reading import read_image
from rtsod.frames import Image

Painter: TypeAlias = Callable[[int, int, np.random.Generator], Image]
"""Takes width, height and the only source of chance; returns ``(height, width, 3)`` uint8 BGR."""

_PICTURES: Final = Path(__file__).parents[2] / "assets" / "backgrounds"
TRAINING_PICTURES: Final = ("beach.jpg", "forest.jpg", "mountains.jpg", "office.jpg")
HELD_OUT_PICTURES: Final = ("night-city.jpg", "studio.jpg")
_PICTURE_SHARE: Final = 0.4
"""How often a background is part of a picture; the others are drawn."""


def background(width: int, height: int, random: np.random.Generator, *, held_out: bool) -> Image:
    """One background: ``(height, width, 3)`` uint8 BGR."""
    if random.random() < _PICTURE_SHARE:
        names = HELD_OUT_PICTURES if held_out else TRAINING_PICTURES
        return _part_of(names[random.integers(len(names))], width, height, random)
    painters = HELD_OUT_PAINTERS if held_out else TRAINING_PAINTERS
    return painters[random.integers(len(painters))](width, height, random)


def gradient(width: int, height: int, random: np.random.Generator) -> Image:
    """Two colours that run into each other."""
    t = _ramp(width, height, random)[..., None]
    return _pixels(_colour(random) * (1 - t) + _colour(random) * t)


def clouds(width: int, height: int, random: np.random.Generator) -> Image:
    """Noise of several sizes, in two colours."""
    t = np.zeros((height, width), np.float32)
    for octave in range(1, 6):
        cells = random.random((2**octave + 1, 2**octave + 1), np.float32)
        wide = np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        t += wide / np.float32(2 ** (octave * 0.8))
    t = ((t - t.min()) / (t.max() - t.min()))[..., None]
    return _pixels(_colour(random) * (1 - t) + _colour(random) * t)


def shapes(width: int, height: int, random: np.random.Generator) -> Image:
    """Ellipses and boxes behind each other, out of focus or not."""
    picture = gradient(width, height, random)
    for _ in range(int(random.integers(6, 30))):
        centre = (int(random.integers(width)), int(random.integers(height)))
        axes = [int(each) for each in random.uniform(0.03, 0.3, 2) * width]
        colour, angle = _colour(random).tolist(), float(random.uniform(0, 180))
        if random.random() < 0.5:
            cv2.ellipse(picture, centre, (axes[0], axes[1]), angle, 0, 360, colour, -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints((centre, (2.0 * axes[0], 2.0 * axes[1]), angle)).astype(np.int32)
            cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
    sharpness = float(random.uniform(0.5, 8))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sharpness), np.uint8)


def tiles(width: int, height: int, random: np.random.Generator) -> Image:
    """A wall of tiles or bricks."""
    first, joint, spread = _colour(random), _colour(random), float(random.uniform(2, 25))
    across, down = int(random.integers(16, 90)), int(random.integers(12, 60))
    offset = int(random.integers(0, across))
    picture = np.full((height, width, 3), joint.astype(np.uint8))
    for row, top in enumerate(range(0, height, down)):
        for left in range(-offset * (row % 2), width, across):
            tone = np.clip(first + random.normal(0, spread, 3), 0, 255).tolist()
            cv2.rectangle(picture, (max(0, left), top), (left + across - 3, top + down - 3), tone, -1)
    return picture


def facets(width: int, height: int, random: np.random.Generator) -> Image:
    """Cells around random points, each of one colour."""
    points = random.random((int(random.integers(8, 60)), 2)) * (width, height)
    colours = np.stack([_colour(random) for _ in points])
    y, x = np.mgrid[:height, :width]
    distances = (x[..., None] - points[:, 0]) ** 2 + (y[..., None] - points[:, 1]) ** 2
    blurred = cv2.GaussianBlur(_pixels(colours[distances.argmin(-1)]), (0, 0), float(random.uniform(0.5, 4)))
    return np.asarray(blurred, np.uint8)


def waves(width: int, height: int, random: np.random.Generator) -> Image:
    """Curved stripes in two colours."""
    along, across = _ramp(width, height, random), _ramp(width, height, random)
    bend = random.uniform(0, 0.3) * np.sin(across * random.uniform(2, 12))
    t = (0.5 + 0.5 * np.sin((along + bend) * random.uniform(10, 120)))[..., None]
    return _pixels(_colour(random) * (1 - t) + _colour(random) * t)


TRAINING_PAINTERS: Final[tuple[Painter, ...]] = (gradient, clouds, shapes, tiles)
HELD_OUT_PAINTERS: Final[tuple[Painter, ...]] = (facets, waves)


def _part_of(name: str, width: int, height: int, random: np.random.Generator) -> Image:
    """A random part of a bundled picture, mirrored or not."""
    whole = _picture(name)
    rows, columns = whole.shape[:2]
    part = random.uniform(0.3, 1) * min(columns / width, rows / height)
    across, down = int(width * part), int(height * part)
    left, top = int(random.integers(columns - across + 1)), int(random.integers(rows - down + 1))
    cut = whole[top : top + down, left : left + across]
    if random.random() < 0.5:
        cut = cut[:, ::-1]
    return np.asarray(cv2.resize(np.ascontiguousarray(cut), (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _picture(name: str) -> Image:
    return read_image(_PICTURES / name)


def _ramp(width: int, height: int, random: np.random.Generator) -> NDArray[np.float64]:
    """``(height, width)``: rises from 0 to 1 in a random direction."""
    angle = random.uniform(0, 2 * math.pi)
    y, x = np.mgrid[:height, :width]
    t = x * math.cos(angle) + y * math.sin(angle)
    ramp: NDArray[np.float64] = (t - t.min()) / (t.max() - t.min())
    return ramp


def _colour(random: np.random.Generator) -> NDArray[np.float64]:
    """A random colour, pale ones as often as bright ones: BGR, 0..255."""
    grey = random.uniform(20, 235)
    colour: NDArray[np.float64] = np.clip(grey + random.uniform(0, 1) * random.uniform(-150, 150, 3), 0, 255)
    return colour


def _pixels(picture: NDArray[np.float64] | NDArray[np.float32]) -> Image:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
