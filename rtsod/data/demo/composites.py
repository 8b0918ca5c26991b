"""One picture of the demonstration, with its exact alpha: one object, sometimes two, in front of a background."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.data.demo.backgrounds import background
from rtsod.data.demo.cutouts import Cutouts
from rtsod.frames import Image

Pixels: TypeAlias = NDArray[np.float32]
WIDTHS: Final = (224, 320)
"""Smallest and largest width of a picture, and of its height: the demonstration trains at 128."""
_SECOND_OBJECT: Final = 0.2
"""How often there are two. Both are labelled. There is nothing else to look at, so the label is no opinion."""
_SIZES: Final = (0.25, 0.95)
"""An object's longer side, in shorter sides of the picture."""
_OUTSIDE: Final = 0.3
"""How much of an object's box may lie beyond the picture's edge, in each direction."""


def composite(cutouts: Cutouts, random: np.random.Generator, *, held_out: bool) -> tuple[Image, Image]:
    """Draw a picture.

    Args:
        cutouts: the objects to choose from.
        random: the only source of chance.
        held_out: which backgrounds to choose from.

    Returns:
        ``(H, W, 3)`` uint8 BGR, and its alpha, ``(H, W)`` uint8, 255 where an object hides the background.
    """
    width, height = (int(side) for side in random.integers(*WIDTHS, 2, endpoint=True))
    picture: Pixels = np.divide(background(width, height, random, held_out=held_out), 255, dtype=np.float32)
    if random.random() < 0.5:  # as behind a person near the camera
        picture = _blurred(picture, float(random.uniform(0.5, 3)))
    alpha: Pixels = np.zeros((height, width), np.float32)
    for _ in range(2 if random.random() < _SECOND_OBJECT else 1):
        placed = _placed(cutouts.draw(random), width, height, random)
        cover = placed[..., 3:]
        rest = 1 - cover
        picture = np.asarray(placed[..., :3] + rest * _shaded(picture, cover, random), np.float32)
        alpha = np.asarray(cover[..., 0] + rest[..., 0] * alpha, np.float32)
    light = random.uniform(0.75, 1.25) * random.uniform(0.88, 1.12, 3)  # one on everything
    picture = np.asarray(picture * light, np.float32)
    if random.random() < 0.3:
        sigma = float(random.uniform(0.3, 1.2))
        picture, alpha = _blurred(picture, sigma), _blurred(alpha, sigma)
    noise = random.normal(0, random.uniform(0, 0.04), picture.shape)
    return _levels(np.asarray(picture + noise, np.float32)), _levels(alpha)


def _placed(cutout: Pixels, width: int, height: int, random: np.random.Generator) -> Pixels:
    """A cut-out, scaled, turned, lit and moved into a picture: ``(height, width, 4)``, premultiplied."""
    side = random.uniform(*_SIZES) * min(width, height)
    scale = side / max(cutout.shape[:2])
    narrow = random.uniform(0.8, 1)
    size = max(2, round(cutout.shape[1] * scale * narrow)), max(2, round(cutout.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(cutout, size, interpolation=way), np.float32)
    if random.random() < 0.5:
        scaled = scaled[:, ::-1]
    colour, cover = scaled[..., :3], scaled[..., 3:]
    colour = np.minimum(colour * random.uniform(0.6, 1.1), cover)
    grey = colour.mean(-1, keepdims=True)  # some objects are as pale as backgrounds, so that colour does not tell them
    lit = np.dstack([colour + random.uniform(0, 0.8) * (grey - colour), cover]).astype(np.float32)
    half = np.array(size) / 2
    low, high = half - 2 * _OUTSIDE * half, np.array([width, height]) - half + 2 * _OUTSIDE * half
    centre = random.uniform(np.minimum(low, high), np.maximum(low, high))
    matrix = np.array(cv2.getRotationMatrix2D((float(half[0]), float(half[1])), float(random.normal(0, 15)), 1))
    matrix[:, 2] += np.asarray(centre - half)
    return np.asarray(cv2.warpAffine(lit, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _shaded(picture: Pixels, cover: Pixels, random: np.random.Generator) -> Pixels:
    """What lies behind an object, with the soft shadow that it may cast."""
    if random.random() < 0.4:
        return picture
    height, width = picture.shape[:2]
    reach, angle = random.uniform(0.01, 0.08) * width, random.uniform(0, math.pi)
    moved = np.array([[1, 0, reach * math.cos(angle)], [0, 1, reach * math.sin(angle)]])
    shadow = np.asarray(cv2.warpAffine(cover[..., 0], moved, (width, height)), np.float32)
    dark = random.uniform(0.2, 0.6) * _blurred(shadow, float(random.uniform(2, 12)))
    return np.asarray(picture * (1 - dark[..., None]), np.float32)


def _blurred(picture: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _levels(picture: Pixels) -> Image:
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
