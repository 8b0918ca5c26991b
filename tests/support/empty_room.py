"""A room with and without somebody in it, each with its exact alpha: what the clean plate is tested on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.learning.examples import LABEL_SIDE, Example
from rtsod.learning.labelled import as_levels
from rtsod.learning.recording import Shot

WIDTH, HEIGHT = 640, 480
WALL = (176, 182, 188)
CHAIR = (58, 52, 60)
SKIN = (120, 150, 205)
JUMPER = (60, 60, 190)


@dataclass
class Room:
    """A wall, a picture frame, a shelf, and a chair that whoever sits there touches.

    Args:
        seed: of every chance.
        cloth: texture of the chair, as a standard deviation in levels; 0 is flat.
        grain: how coarse that is, as a standard deviation in pixels.
        wall_texture: the same for the wall.
        plain: whether the wall holds nothing but a faint pattern.
    """

    seed: int = 0
    cloth: float = 12.0
    grain: float = 2.0
    wall_texture: float = 0.0
    plain: bool = False
    picture: Image = field(init=False)
    chair: Alpha = field(init=False)
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        wall = np.empty((HEIGHT, WIDTH, 3), np.float32)
        wall[:] = WALL
        wall += _texture(self.random, self.wall_texture)
        for book in range(0 if self.plain else 14):
            colour = tuple(float(each) for each in self.random.integers(30, 220, 3))
            cv2.rectangle(
                wall, (20 + 11 * book, 60), (29 + 11 * book, 60 + int(self.random.integers(60, 90))), colour, -1
            )
        if self.plain:
            wall += _texture(self.random, 2.0)
        else:
            cv2.rectangle(wall, (470, 50), (600, 140), (40, 60, 80), 5)
            cv2.line(wall, (0, 430), (WIDTH, 430), (90, 80, 70), 6)
        self.chair = np.zeros((HEIGHT, WIDTH), np.float32)
        cv2.rectangle(self.chair, (190, 250), (460, HEIGHT), 1.0, -1)
        seat = np.empty_like(wall)
        seat[:] = CHAIR
        seat += _texture(self.random, self.cloth, self.grain)
        cv2.rectangle(seat, (190, 250), (460, HEIGHT), (25, 22, 20), 5)
        self.picture = _u8(np.where(self.chair[..., None] > 0, seat, wall))

    def with_somebody(
        self, x: int = 0, *, shirt: tuple[float, float, float] = JUMPER, shading: float = 0.0, holds: bool = True
    ) -> tuple[Image, Alpha]:
        """Somebody who sits ``x`` pixels beside the middle, and holds something up.

        Args:
            x: in pixels.
            shirt: its colour, BGR.
            shading: how much darker its lower end is, in levels.
            holds: a yellow box.
        """
        colour = np.empty((HEIGHT, WIDTH, 3), np.float32)
        colour[:] = shirt
        colour -= shading * np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None]
        alpha = np.zeros((HEIGHT, WIDTH), np.float32)
        cv2.ellipse(alpha, (325 + x, 420), (92, 170), 0, 0, 360, 1.0, -1, cv2.LINE_8)
        head = np.zeros_like(alpha)
        cv2.ellipse(head, (325 + x, 190), (48, 66), 0, 0, 360, 1.0, -1, cv2.LINE_8)
        colour[head > 0] = SKIN
        if holds:
            cv2.rectangle(head, (415 + x, 200), (450 + x, 270), 1.0, -1)
            colour[200:271, 415 + x : 451 + x] = (60, 200, 230)
        alpha = np.asarray(cv2.GaussianBlur(np.maximum(alpha, head), (0, 0), 1.0), np.float32)
        colour += self.random.normal(0, 0.5, colour.shape)
        mixed = alpha[..., None] * colour + (1 - alpha[..., None]) * self.picture
        return _u8(mixed), alpha

    def taken(
        self,
        picture: Image,
        *,
        gain: float = 1.0,
        offset: float = 0.0,
        noise: float = 3.0,
        moved: tuple[float, float] = (0, 0),
    ) -> Image:
        """A camera's look at a picture, ``(LABEL_SIDE, LABEL_SIDE, 3)``: exposed, noisy, compressed, area averaged."""
        seen = shifted(picture.astype(np.float32), moved) * gain + offset
        seen += self.random.normal(0, noise, seen.shape)
        _, data = cv2.imencode(".jpg", _u8(seen), [cv2.IMWRITE_JPEG_QUALITY, 88])
        return to_label_side(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8))


def shifted(picture: NDArray[Any], moved: tuple[float, float]) -> NDArray[Any]:
    """A picture or alpha, moved by ``(x, y)`` pixels."""
    matrix = np.array([[1, 0, moved[0]], [0, 1, moved[1]]], np.float32)
    moved_picture: NDArray[Any] = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return moved_picture


def to_label_side(picture: NDArray[Any]) -> NDArray[Any]:
    """Area averaged to ``LABEL_SIDE``."""
    small: NDArray[Any] = cv2.resize(picture, (LABEL_SIDE, LABEL_SIDE), interpolation=cv2.INTER_AREA)
    return small


def teachers_label(alpha: Alpha, chair: Alpha) -> Alpha:
    """What a teacher makes of it who shows the chair as well: soft at the edges, like a network's map."""
    soft = cv2.GaussianBlur(to_label_side(chair), (0, 0), 1.5)
    return np.asarray(np.clip(np.maximum(to_label_side(alpha), soft), 0, 1), np.float32)


def example(look: Image, label: Alpha, number: int, *, empty: bool = False, take: int = 0) -> Example:
    """An example of a frame that is only looked at and labelled."""
    tiny = np.zeros((8, 8, 3), np.uint8)
    return Example(Shot(f"{number}.png", number / 4, take, empty), tiny, tiny, look, as_levels(label), held_out=False)


def _texture(random: np.random.Generator, deviation: float, grain: float = 2.0) -> NDArray[Any]:
    if not deviation:
        return np.zeros((HEIGHT, WIDTH, 1), np.float32)
    pattern = cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), grain)
    texture: NDArray[Any] = (pattern * (deviation / float(pattern.std())))[..., None]
    return texture


def _u8(picture: NDArray[Any]) -> Image:
    levels: Image = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return levels
