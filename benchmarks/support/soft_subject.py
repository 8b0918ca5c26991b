"""A drawn subject with loose hair and spread fingers whose alpha is known exactly, over photographs that move.

The person of the drawn scene has firm outlines only. This one has what is hard for a matte. Lengths are in the units of
:mod:`rtsod.drawing.figure`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.drawing import figure
from rtsod.drawing.canvas import Canvas, Colour, Layer, Point
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover

_HAIRS: Final[Sequence[Colour]] = ((74, 42, 30), (104, 62, 42), (58, 34, 26))
_SKIN: Final[Colour] = (236, 180, 146)
_SKIN_DARK: Final[Colour] = (206, 140, 108)
_PEN: Final[Colour] = (40, 60, 120)
_STRANDS: Final = 420
"""Strands of hair."""
_NOISE_LEVELS: Final = 2.0
"""Standard deviation of the camera's noise on the finished frame, in levels of 255."""
_SWAY_PX: Final = 90.0
"""How far the subject sways to each side, in pixels of a frame of 720 lines."""


class SoftSubject:
    """A person who sways, nods and waves; a pure function of size, seed and index.

    Args:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        seed: of the strands of hair and of the noise.
    """

    def __init__(self, width: int, height: int, seed: int = 0) -> None:
        self.width, self.height = width, height
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._layers = (figure.body(height), _head_with_hair(height, rng), _hand(height))

    def render(self, index: int, over: Image, *, noise: bool = True) -> tuple[Image, Alpha]:
        """Render the subject in front of a picture.

        Args:
            index: of the frame, at 30 frames per second.
            over: ``(height, width, 3)`` uint8 BGR, the picture behind.
            noise: True: add noise as a camera does.

        Returns:
            ``(height, width, 3)`` uint8 BGR and the exact alpha, ``(height, width)`` float32 in [0, 1].
        """
        image = over.astype(np.float32)
        alpha = np.zeros((self.height, self.width), np.float32)
        for layer, matrix in zip(self._layers, self._pose(index / 30), strict=True):
            size = (self.width, self.height)
            colour = cv2.warpAffine(layer.colour, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            own = cv2.warpAffine(layer.alpha, matrix, size, flags=cv2.INTER_LINEAR)
            image = image * (1 - own[..., None]) + colour * own[..., None]
            alpha = alpha * (1 - own) + own
        if noise:
            image += np.random.default_rng((self._seed, index)).normal(0, _NOISE_LEVELS, image.shape).astype(np.float32)
        return np.rint(np.clip(image, 0, 255)).astype(np.uint8), np.clip(alpha, 0, 1).astype(np.float32)

    def _pose(self, seconds: float) -> list[NDArray[np.float64]]:
        """The 2 x 3 matrix of each layer at a moment."""
        sway = _SWAY_PX * self.height / 720 * math.sin(2 * math.pi * seconds / 2.4)
        hips = complex(self.width / 2 + sway, self.height)
        lean = math.radians(3) * math.sin(2 * math.pi * seconds / 3.1)
        nod = lean + math.radians(6) * math.sin(2 * math.pi * seconds / 1.9)
        wave = lean + math.radians(14) * math.sin(2 * math.pi * seconds / 1.3)
        at = ((0j, lean), (complex(*figure.NECK), nod), (complex(*figure.ELBOW), wave))
        return [
            _affine(layer, hips + joint * self.height * _turn(lean), angle)
            for layer, (joint, angle) in zip(self._layers, at, strict=True)
        ]


def moving_background(photograph: Image, width: int, height: int, index: int) -> Image:
    """A window that wanders over a photograph, as the view of a camera that somebody carries around.

    Args:
        photograph: ``(H, W, 3)`` uint8 BGR.
        width: of the window, in pixels.
        height: of the window, in pixels.
        index: of the frame.

    Returns:
        ``(height, width, 3)`` uint8 BGR.
    """
    wide = cover(photograph, round(width * 1.25), round(height * 1.25))
    x = (wide.shape[1] - width) * (0.5 + 0.5 * math.sin(2 * math.pi * index / 97))
    y = (wide.shape[0] - height) * (0.5 + 0.5 * math.cos(2 * math.pi * index / 71))
    shift = np.array([[1, 0, -x], [0, 1, -y]], np.float64)
    return np.asarray(cv2.warpAffine(wide, shift, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def _turn(angle: float) -> complex:
    """A rotation by an angle in radians, as a factor for points in the complex plane."""
    return complex(math.cos(angle), math.sin(angle))


def _affine(layer: Layer, at: complex, angle: float) -> NDArray[np.float64]:
    """The 2 x 3 matrix that turns a layer by an angle in radians and brings its origin to a point of the frame."""
    turn, shift = _turn(angle), at - complex(*layer.origin) * _turn(angle)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _head_with_hair(unit: float, rng: np.random.Generator) -> Layer:
    """The drawn scene's head under loose hair: curls, strands, and gaps that show the background."""
    c = Canvas((-0.42, -0.62), (0.42, 0.3), unit)
    for _ in range(_STRANDS):
        angle = rng.uniform(-1.25 * math.pi, 0.25 * math.pi)
        root = (0.125 * math.cos(angle), -0.235 + 0.13 * math.sin(angle))
        length, droop = rng.gamma(3.0, 0.02), rng.uniform(0.0, 0.9)
        points: list[Point] = [root]
        for step in np.linspace(0.25, 1, 5):
            wiggle = angle + 0.22 * math.sin(5 * step + rng.uniform(0, 6.28))
            x = root[0] + length * step * math.cos(wiggle)
            points.append((x, root[1] + length * step * math.sin(wiggle) + droop * (length * step) ** 2 * 5))
        c.stroke(points, rng.uniform(0.0011, 0.004), _HAIRS[int(rng.integers(len(_HAIRS)))])
    layer, head = c.layer(), figure.head(unit, eyes_open=True)
    dx, dy = (round(a - b) for a, b in zip(layer.origin, head.origin, strict=True))
    colour, alpha = layer.colour.copy(), layer.alpha.copy()
    area = np.s_[dy : dy + head.alpha.shape[0], dx : dx + head.alpha.shape[1]]
    own = head.alpha[..., None]
    shown = own + alpha[area][..., None] * (1 - own)
    mixed = (own * head.colour + (1 - own) * alpha[area][..., None] * colour[area]) / np.maximum(shown, 1e-3)
    colour[area] = np.where(shown > 1e-2, np.rint(mixed), colour[area]).astype(np.uint8)
    alpha[area] = shown[..., 0]
    return Layer(colour, alpha, layer.origin)


def _hand(unit: float) -> Layer:
    """A forearm and a hand with spread fingers, and a thin pen between two of them."""
    c = Canvas((-0.24, -0.5), (0.26, 0.09), unit)
    c.stroke([(0.0, 0.0), (0.008, -0.08), (0.004, -0.15)], 0.115, (214, 82, 60))
    c.stroke([(0.003, -0.16), (0.0, -0.24)], 0.07, _SKIN)
    c.stroke([(-0.16, -0.40), (0.13, -0.27)], 0.007, _PEN)
    c.blob([(-0.05, -0.22), (0.045, -0.22), (0.052, -0.29), (0.03, -0.325), (-0.04, -0.325), (-0.055, -0.28)], _SKIN)
    for root, tip, width in (
        ((-0.045, -0.26), (-0.115, -0.315), 0.025),
        ((-0.035, -0.31), (-0.06, -0.415), 0.021),
        ((-0.008, -0.315), (-0.01, -0.44), 0.022),
        ((0.02, -0.31), (0.042, -0.42), 0.021),
        ((0.042, -0.29), (0.088, -0.37), 0.018),
    ):
        c.stroke([root, ((root[0] + tip[0]) / 2 + 0.003, (root[1] + tip[1]) / 2), tip], width, _SKIN)
    c.shade([(0.0, -0.22), (0.04, -0.22), (0.04, -0.3), (0.01, -0.3)], -0.15, 0.015)
    c.stroke([(-0.03, -0.26), (0.0, -0.275), (0.03, -0.265)], 0.003, _SKIN_DARK)
    return c.layer()
