"""What light and cameras do to a picture: colours, blur, few pixels, noise, JPEG, in the order in which they do it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Image

_CONTRAST: Final = 0.3
_BRIGHTNESS: Final = 40.0
_SATURATION: Final = 0.5
_WHITE_BALANCE: Final = 0.12
_GAMMA: Final = 0.35
"""Greatest changes at a strength of 1: a factor of 1 +- .3, 40 levels of 255, a factor of 1 +- .5, a factor of e^+-.12
for each channel, an exponent of e^+-.35. Estimated: what one room looks like to webcams from noon to lamplight."""
_LUMA: Final = np.array([0.114, 0.587, 0.299])
"""Weights of blue, green and red in brightness (BT.601)."""
_DEFOCUS_PX: Final = (0.4, 2.0)
"""Standard deviation of a blur."""
_MOTION_PX: Final = (3, 11)
"""Length of a blur by motion."""
_MOTION_SHARE: Final = 0.3
"""Of the blurs that are by motion."""
_SHRINK: Final = (1.2, 3.0)
"""How much fewer pixels a poor sensor or a digital zoom has across the sample."""
_NOISE: Final = (2.0, 14.0)
"""Standard deviation, in levels of 255: a good sensor, and a webcam at night."""
_JPEG_QUALITY: Final = (25, 95)
"""Of a webcam's MJPG or a call's keyframe, and of a photograph."""


@dataclass(frozen=True, slots=True)
class Effects:
    """How strong or how often effects are."""

    colour: float
    """Strength of changes of brightness, contrast, saturation, white balance and gamma; 0 is none, 1 the usual."""
    blur: float
    """How often a picture is out of focus or blurred by motion, 0 to 1."""
    shrink: float
    """How often it has fewer pixels than the sample."""
    noise: float
    """How often it is noisy."""
    jpeg: float
    """How often it is compressed."""


def with_effects(image: Image, effects: Effects, random: np.random.Generator) -> Image:
    """A picture with random effects.

    Args:
        image: ``(H, W, 3)`` uint8 BGR; not modified.
        effects: how often and how strong.
        random: the only source of chance.

    Returns:
        ``(H, W, 3)`` uint8 BGR.
    """
    if effects.colour:
        image = coloured(image, effects.colour, random)
    if random.random() < effects.blur:
        image = blurred(image, random)
    if random.random() < effects.shrink:
        image = shrunk(image, random)
    if random.random() < effects.noise:
        image = noisy(image, random)
    if random.random() < effects.jpeg:
        image = compressed(image, random)
    return image


def coloured(image: Image, strength: float, random: np.random.Generator) -> Image:
    """Other light: one matrix for saturation, contrast, white balance and brightness, then one curve."""

    def vary(range_: float) -> float:
        return float(random.uniform(-range_, range_)) * strength

    saturation, contrast, brightness = 1 + vary(_SATURATION), 1 + vary(_CONTRAST), vary(_BRIGHTNESS)
    balance = np.exp([vary(_WHITE_BALANCE) for _ in range(3)])
    mixed = saturation * np.eye(3) + (1 - saturation) * _LUMA
    matrix = contrast * balance[:, None] * mixed
    offset = np.full((3, 1), brightness + 127.5 * (1 - contrast))
    exponent = math.exp(vary(_GAMMA))
    curve = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return _u8(cv2.LUT(cv2.transform(image, np.hstack((matrix, offset))), curve))


def blurred(image: Image, random: np.random.Generator) -> Image:
    """Out of focus, or moving while the shutter is open."""
    if random.random() >= _MOTION_SHARE:
        return _u8(cv2.GaussianBlur(image, (0, 0), random.uniform(*_DEFOCUS_PX), borderType=cv2.BORDER_REFLECT_101))
    length, angle = int(random.integers(*_MOTION_PX, endpoint=True)), random.uniform(0, math.pi)
    kernel = np.zeros((length, length), np.uint8)
    middle, reach = (length - 1) / 2, length / 2
    x, y = reach * math.cos(angle), reach * math.sin(angle)
    cv2.line(kernel, (round(middle - x), round(middle - y)), (round(middle + x), round(middle + y)), 1)
    weights = kernel.astype(np.float32) / kernel.sum()
    return _u8(cv2.filter2D(image, -1, weights, borderType=cv2.BORDER_REFLECT_101))


def shrunk(image: Image, random: np.random.Generator) -> Image:
    """Few pixels, enlarged again."""
    height, width = image.shape[:2]
    factor = random.uniform(*_SHRINK)
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    return _u8(cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height)))


def noisy(image: Image, random: np.random.Generator) -> Image:
    """Gaussian noise, independent in each pixel and channel."""
    noise = random.standard_normal(image.shape, np.float32) * np.float32(random.uniform(*_NOISE))
    return _u8(cv2.add(image, noise, dtype=cv2.CV_8U))


def compressed(image: Image, random: np.random.Generator) -> Image:
    """Through JPEG and back."""
    quality = int(random.integers(*_JPEG_QUALITY, endpoint=True))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _u8(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _u8(image: cv2.typing.MatLike | None) -> Image:
    return np.asarray(image, np.uint8)
