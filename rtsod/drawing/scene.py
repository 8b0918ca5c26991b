"""The drawn scene: a person in a cluttered room, with the exact alpha of every frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np

from rtsod.drawing import figure
from rtsod.drawing.canvas import Layer, Point
from rtsod.drawing.room import room
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Image

MIN_SIDE_PX: Final = 16
"""Shortest side of the scene."""
_BLINK_INTERVAL_SECONDS: Final = 3.4
_BLINK_SECONDS: Final = 0.14


@dataclass(frozen=True, slots=True)
class _PlacedLayer:
    """A layer, warped to the area of the picture that it covers."""

    rows: slice
    columns: slice
    colour: Image
    alpha: Alpha


class DrawnScene:
    """A person with a mug, swaying and waving in front of a bookshelf: a pure function of seed, size and time.

    The room is drawn once. The person consists of three layers that are moved by affine warps. Motion is defined in
    seconds, so a given moment looks the same at any frame rate.

    Args:
        width: in pixels, at least 16.
        height: in pixels, at least 16.
        fps: frames per second, for the index of :meth:`render`.
        seed: of the room and of the phases of the motion.

    Raises:
        UsageError: a side is shorter than 16 pixels, or ``fps`` is not positive.
    """

    def __init__(self, width: int, height: int, fps: int | Fraction = 30, seed: int = 0) -> None:
        if min(width, height) < MIN_SIDE_PX:
            raise UsageError(f"the drawn scene needs at least {MIN_SIDE_PX}x{MIN_SIDE_PX} pixels, not {width}x{height}")
        if fps <= 0:
            raise UsageError(f"the drawn scene needs a frame rate above 0, not {fps}")
        self.width = width
        self.height = height
        self.fps = Fraction(fps)
        rng = np.random.default_rng(seed)
        self._phases = rng.uniform(0, 2 * math.pi, 4)
        self._background = room(width, height, rng)
        self._background.flags.writeable = False
        # The figure is as high as the picture, but no wider than a narrow one.
        self._unit = min(float(height), width / 0.8)
        self._body = figure.body(self._unit)
        self._head = figure.head(self._unit, eyes_open=True)
        self._head_blinking = figure.head(self._unit, eyes_open=False)
        self._forearm = figure.forearm(self._unit)

    @property
    def background(self) -> Image:
        """The room without the person: ``(height, width, 3)`` uint8 BGR, read-only."""
        return self._background

    def render(self, index: int, *, over: Image | None = None) -> tuple[Image, Alpha]:
        """Draw frame ``index``, at ``index / fps`` seconds.

        Args:
            index: from 0.
            over: ``(height, width, 3)`` uint8 BGR, a background to use instead of the room; over black, the result is
                the premultiplied foreground.

        Returns:
            ``(height, width, 3)`` uint8 BGR and its exact, antialiased alpha, ``(height, width)`` float32 in [0, 1]:
            ``image = alpha * foreground + (1 - alpha) * background``, except for rounding. The caller owns both.
        """
        image = (self._background if over is None else over).copy()
        alpha = np.zeros((self.height, self.width), np.float32)
        for placed in self._pose(float(index / self.fps)):
            area = placed.rows, placed.columns
            rest = 1 - placed.alpha
            image[area] = cv2.blendLinear(placed.colour, np.ascontiguousarray(image[area]), placed.alpha, rest)
            alpha[area] = placed.alpha + rest * alpha[area]
        return image, np.minimum(alpha, 1, out=alpha)

    def _pose(self, seconds: float) -> list[_PlacedLayer]:
        def swing(period: float, phase: int) -> float:
            return math.sin(2 * math.pi * seconds / period + float(self._phases[phase]))

        reach = max(0.0, (self.width - 0.75 * self._unit) / 2)
        hips = complex(
            self.width / 2 + 0.75 * reach * swing(8.0, 0) - 0.02 * self._unit,
            self.height + self._unit * 0.012 * swing(2.6, 1),
        )
        lean = math.radians(2.6) * swing(4.0, 0)
        nod = lean + math.radians(4.5) * swing(3.1, 2)
        wave = lean + math.radians(-8) + math.radians(11) * swing(1.7, 3)
        blinking = (seconds + float(self._phases[2])) % _BLINK_INTERVAL_SECONDS < _BLINK_SECONDS
        placed = (
            self._place(self._body, hips, lean),
            self._place(self._head_blinking if blinking else self._head, self._joint(hips, lean, figure.NECK), nod),
            self._place(self._forearm, self._joint(hips, lean, figure.ELBOW), wave),
        )
        return [layer for layer in placed if layer is not None]

    def _joint(self, hips: complex, angle: float, joint: Point) -> complex:
        return hips + complex(*joint) * self._unit * complex(math.cos(angle), math.sin(angle))

    def _place(self, layer: Layer, at: complex, angle: float) -> _PlacedLayer | None:
        """Rotate a layer clockwise about its origin by ``angle`` radians, and move that origin to ``at``."""
        rotation = complex(math.cos(angle), math.sin(angle))
        origin = complex(*layer.origin)
        h, w = layer.alpha.shape
        corners = [at + (complex(x, y) - origin) * rotation for x in (0, w) for y in (0, h)]
        left, right = (_clamp(f(z.real for z in corners), self.width) for f in (min, max))
        top, bottom = (_clamp(f(z.imag for z in corners), self.height) for f in (min, max))
        if left >= right or top >= bottom:
            return None
        shift = at - origin * rotation - complex(left, top)
        matrix = np.array([[rotation.real, -rotation.imag, shift.real], [rotation.imag, rotation.real, shift.imag]])
        size = (right - left, bottom - top)
        colour = cv2.warpAffine(layer.colour, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(layer.alpha, matrix, size, flags=cv2.INTER_LINEAR)
        return _PlacedLayer(
            slice(top, bottom), slice(left, right), np.asarray(colour, np.uint8), np.asarray(alpha, np.float32)
        )


def _clamp(value: float, limit: int) -> int:
    return min(max(math.floor(value) if value < limit / 2 else math.ceil(value), 0), limit)
