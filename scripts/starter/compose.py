"""Composes what a webcam may see: a person, or an object, in front of some place, with the alpha that is true of it.

People are cut out of photographs and of a clip by full's maps, and of rendered pictures by their own alpha. Their
clothes change colour, they hold things up, and they stand in rooms that they never were in, so that nobody can learn a
person, a jumper or a room by heart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.data.demo.backgrounds import TRAINING_PAINTERS
from rtsod.data.demo.backgrounds import background as demo_background
from rtsod.data.demo.composites import composite
from rtsod.data.demo.cutouts import Cutouts
from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Image

Pixels: TypeAlias = NDArray[np.float32]
"""``(H, W, 4)``: BGR premultiplied with alpha, and alpha, 0 to 1."""

SIZES: Final = ((320, 240), (320, 240), (400, 225), (240, 320))
"""Width and height of composed pictures; the training scales them to 192 x 192."""
_PEOPLE: Final = (
    *range(0x1F466, 0x1F479), *range(0x1F481, 0x1F488), *range(0x1F645, 0x1F650), *range(0x1F930, 0x1F937),
    *range(0x1F9D1, 0x1F9E0), 0x1F926, 0x1F937,
)  # fmt: skip
"""Code points of emoji that show a person from the waist up."""
_PHOTOGRAPHED: Final = 0.65
"""How often a person is one of the photographed ones, of whom there are few; else rendered or drawn."""
_PANORAMA: Final = 0.55
"""How often the background is part of a panorama."""
_SIT_BELOW: Final = 0.9
"""How often a person is cut off by the picture's lower edge."""
_HOLDS: Final = 0.2
"""How often something is held up: it belongs to the subject."""
_OBJECT_ALONE: Final = 0.15
"""How often a picture is one of the demonstration: objects, anywhere."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What pictures are composed of."""

    photographed: Mapping[str, Sequence[Pixels]]
    """Cut-outs of each person."""
    emoji: Cutouts
    panoramas: Mapping[str, Image]
    """``(128, 512, 3)``: a horizon of 360 degrees."""


def composed(cast: Cast, random: np.random.Generator) -> tuple[Image, Image]:
    """Compose a picture.

    Returns:
        ``(H, W, 3)`` uint8 BGR, and its alpha, ``(H, W)`` uint8.
    """
    if random.random() < _OBJECT_ALONE:
        return composite(cast.emoji.part(held_out=False), random, held_out=False)
    width, height = SIZES[random.integers(len(SIZES))]
    picture = np.divide(place(cast, width, height, random), 255, dtype=np.float32)
    if random.random() < 0.6:
        picture = _blurred(picture, float(random.uniform(0.4, 3)))
    person = _person(cast, random)
    tall = float(random.uniform(0.55, 1.15)) * height
    below = random.random() < _SIT_BELOW
    middle = float(random.uniform(0.2, 0.8)) * width
    layer = _placed(
        person, width, height, tall, middle, None if below else float(random.uniform(0.4, 0.65)) * height, random
    )
    if random.random() < _HOLDS:
        thing = cast.emoji.part(held_out=False).draw(random)
        reach = float(random.uniform(0.15, 0.4)) * tall
        at = middle + float(random.uniform(-0.35, 0.35)) * tall, float(random.uniform(0.4, 0.9)) * height
        held = _placed(thing, width, height, reach, *at, random)
        layer = held + (1 - held[..., 3:]) * layer
    cover = layer[..., 3:]
    if random.random() < 0.4:  # a soft shadow on what is behind
        shade = _blurred(np.roll(cover[..., 0], int(random.integers(-12, 13)), 1), float(random.uniform(3, 12)))
        picture = picture * (1 - float(random.uniform(0.1, 0.5)) * shade[..., None])
    picture = layer[..., :3] + (1 - cover) * picture
    picture = picture * (random.uniform(0.75, 1.2) * random.uniform(0.9, 1.1, 3))
    noise = random.normal(0, random.uniform(0, 0.03), picture.shape)
    return _levels(picture + noise), _levels(cover[..., 0])


def place(cast: Cast, width: int, height: int, random: np.random.Generator) -> Image:
    """What is behind: part of a panorama, a drawn room, a bundled picture or a pattern."""
    kind = random.random()
    if kind < _PANORAMA:
        names = sorted(cast.panoramas)
        whole = cast.panoramas[names[random.integers(len(names))]]
        rows = int(random.integers(72, 129))
        columns = min(256, int(rows * width / height))
        top, turn = int(random.integers(0, 129 - rows)), int(random.integers(512))
        part = np.roll(whole, turn, 1)[top : top + rows, :columns]
        if random.random() < 0.5:
            part = part[:, ::-1]
        part = np.clip(part.astype(np.float32) * random.uniform(0.4, 1.1), 0, 255).astype(np.uint8)
        return np.asarray(
            cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_CUBIC), np.uint8
        )
    if kind < _PANORAMA + 0.15:
        return DrawnScene(width, height, seed=int(random.integers(1000))).background.copy()
    if kind < _PANORAMA + 0.2:
        return TRAINING_PAINTERS[random.integers(len(TRAINING_PAINTERS))](width, height, random)
    return demo_background(width, height, random, held_out=False)


def cut_out(image: Image, alpha: NDArray[np.float32]) -> Pixels:
    """A subject by its map: premultiplied, without the empty rows and columns around it.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        alpha: ``(H, W)`` in [0, 1].
    """
    largest = _largest(alpha)
    x, y, width, height = cv2.boundingRect((largest > 0.05).view(np.uint8))
    pixels = np.dstack([image.astype(np.float32) / 255 * largest[..., None], largest]).astype(np.float32)
    return np.ascontiguousarray(pixels[y : y + height, x : x + width])


def _largest(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map without what does not touch its largest part."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.3).view(np.uint8))
    if len(stats) < 2:
        return alpha
    main = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    near = cv2.dilate(main, np.ones((9, 9), np.uint8))
    return np.asarray(alpha * near, np.float32)


def _person(cast: Cast, random: np.random.Generator) -> Pixels:
    kind = random.random()
    if kind < _PHOTOGRAPHED:
        names = sorted(cast.photographed)
        views = cast.photographed[names[random.integers(len(names))]]
        return _dressed(views[int(random.integers(len(views)))], random)
    if kind < 0.92:
        people = Cutouts({name: each for name, each in cast.emoji.objects.items() if int(name, 16) in _PEOPLE})
        return _dressed(people.draw(random), random)
    scene = DrawnScene(320, 240, seed=int(random.integers(1000)))
    colour, alpha = scene.render(int(random.integers(240)), over=np.zeros((240, 320, 3), np.uint8))
    return _dressed(np.dstack([colour.astype(np.float32) / 255, alpha]).astype(np.float32), random)


def _dressed(person: Pixels, random: np.random.Generator) -> Pixels:
    """A person in other colours: slightly all over, and strongly below the head, where the clothes are."""
    alpha = person[..., 3:]
    colour = np.clip(person[..., :3] / np.maximum(alpha, 1e-3), 0, 1).astype(np.float32)
    colour = _tinted(colour, random, hue=8, saturation=0.4, light=0.25)
    if random.random() < 0.7:
        clothes = _tinted(colour, random, hue=180, saturation=0.8, light=0.6)
        neck, rows = float(random.uniform(0.25, 0.45)), np.linspace(0, 1, len(person), dtype=np.float32)
        share = np.clip((rows - neck) / 0.06, 0, 1)[:, None, None]
        colour = colour * (1 - share) + clothes * share
    return np.dstack([colour * alpha, alpha]).astype(np.float32)


def _tinted(
    colour: NDArray[np.float32], random: np.random.Generator, *, hue: float, saturation: float, light: float
) -> NDArray[np.float32]:
    hsv = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2HSV), np.float32)
    hsv[..., 0] = (hsv[..., 0] + random.uniform(-hue, hue)) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] * (1 + random.uniform(-saturation, saturation)), 0, 1)
    hsv[..., 2] = np.clip(hsv[..., 2], 0, 1) ** float(np.exp(random.uniform(-light, light)))
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.float32)


def _placed(
    cutout: Pixels,
    width: int,
    height: int,
    tall: float,
    middle: float,
    centre: float | None,
    random: np.random.Generator,
) -> Pixels:
    """A cut-out in a picture: ``tall`` pixels high, around ``middle``, on the lower edge or around a ``centre``."""
    scale = tall / len(cutout)
    size = max(2, round(cutout.shape[1] * scale * random.uniform(0.8, 1.2))), max(2, round(tall))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(cutout, size, interpolation=way), np.float32)
    if random.random() < 0.5:
        scaled = np.ascontiguousarray(scaled[:, ::-1])
    matrix = np.array(cv2.getRotationMatrix2D((size[0] / 2, float(size[1])), float(random.normal(0, 4)), 1))
    bottom = height + random.uniform(0.01, 0.12) * tall if centre is None else centre + tall / 2
    matrix[:, 2] += np.array([middle - size[0] / 2, bottom - size[1]])
    if centre is None:  # turned, it must still reach the edge: its last row goes on
        scaled = np.asarray(cv2.copyMakeBorder(scaled, 0, size[1] // 4, 0, 0, cv2.BORDER_REPLICATE), np.float32)
    return np.asarray(cv2.warpAffine(scaled, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _levels(picture: NDArray[np.float32] | NDArray[np.float64]) -> Image:
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
