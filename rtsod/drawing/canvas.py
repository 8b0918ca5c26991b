"""Drawing for the drawn scene: a supersampled canvas with alpha, in units that do not depend on the resolution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue: the reverse of the pictures' channel order."""

_FRACTION_BITS: Final = 6
"""Fractional bits of the coordinates given to OpenCV."""
_MAX_SIDE_PX: Final = 6000
"""Longest side of the supersampled canvas, in pixels."""
_STEPS_PER_SEGMENT: Final = 12
"""Line segments that approximate the curve between two points."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A cut-out. Its colour extends beyond its edges, so that warping it leaves no dark fringe."""

    colour: Image
    """``(H, W, 3)`` uint8 BGR, not premultiplied."""
    alpha: Alpha
    """``(H, W)`` float32 in [0, 1]."""
    origin: Point
    """Position of the canvas's origin, in pixels."""


class Canvas:
    """A canvas on which later shapes cover earlier ones.

    Args:
        low: its top left corner, in units: x points right, y down.
        high: its bottom right corner, in units.
        pixels_per_unit: resolution of the result.
        supersample: how many times finer to draw; less for a very large canvas.
    """

    def __init__(self, low: Point, high: Point, pixels_per_unit: float, *, supersample: int = 4) -> None:
        self._low = low
        self._size = (
            max(2, round((high[0] - low[0]) * pixels_per_unit)),
            max(2, round((high[1] - low[1]) * pixels_per_unit)),
        )
        self._fine = min(float(supersample), _MAX_SIDE_PX / max(self._size))
        self._scale = self._fine * pixels_per_unit
        self._unit = pixels_per_unit
        width, height = (max(2, round(side * self._fine)) for side in self._size)
        self._colour = np.zeros((height, width, 3), np.uint8)
        self._alpha = np.zeros((height, width), np.uint8)

    def polygon(self, points: Iterable[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._fill(self._pixels(points), colour)

    def blob(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill the closed smooth curve through the points."""
        self._fill(self._pixels(smooth(points, closed=True)), colour)

    def ellipse(self, centre: Point, radii: Point, colour: Colour, *, angle: float = 0.0) -> None:
        """Fill an ellipse that is rotated by ``angle`` degrees."""
        self._fill(self._pixels(_ellipse(centre, radii, angle)), colour)

    def box(self, low: Point, high: Point, colour: Colour) -> None:
        """Fill an axis-aligned rectangle."""
        self.polygon([low, (high[0], low[1]), high, (low[0], high[1])], colour)

    def stroke(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw the open smooth curve through the points, with round ends."""
        line = self._pixels(smooth(points, closed=False))
        thickness = max(1, round(width * self._scale))
        cv2.polylines(self._colour, [line], False, colour[::-1], thickness, cv2.LINE_8, _FRACTION_BITS)
        cv2.polylines(self._alpha, [line], False, 255, thickness, cv2.LINE_8, _FRACTION_BITS)

    def shade(self, points: Sequence[Point], strength: float, softness: float) -> None:
        """Darken (``strength`` < 0) or lighten the inside of a closed curve, with an edge ``softness`` units wide."""
        mask = np.zeros(self._alpha.shape, np.uint8)
        cv2.fillPoly(mask, [self._pixels(smooth(points, closed=True))], 255, cv2.LINE_8, _FRACTION_BITS)
        # A wide blur looks the same at a small size, and costs very little there.
        factor = min(max(1.0, softness * self._scale / 4), min(mask.shape) / 2)
        small = cv2.resize(mask, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.0), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        x, y, width, height = cv2.boundingRect(soft)
        if width == 0:
            return
        area = slice(y, y + height), slice(x, x + width)
        weight = soft[area].astype(np.float32) * np.float32(abs(strength) / 255)
        below = np.ascontiguousarray(self._colour[area])
        target = np.full_like(below, 255 if strength > 0 else 0)
        self._colour[area] = cv2.blendLinear(target, below, weight, 1 - weight)

    def layer(self) -> Layer:
        """The drawing at its final size, with alpha."""
        weight = self._alpha[..., None].astype(np.float32) / 255
        premultiplied = cv2.resize(self._colour * weight, self._size, interpolation=cv2.INTER_AREA)
        alpha = np.clip(cv2.resize(weight[..., 0], self._size, interpolation=cv2.INTER_AREA), 0, 1)
        # Extend the colours outwards by a few pixels; nothing further out is ever visible.
        extended = cv2.blur(premultiplied, (9, 9)) / np.maximum(cv2.blur(alpha, (9, 9)), 1e-3)[..., None]
        own = premultiplied / np.maximum(alpha, 1e-3)[..., None]
        colour = np.where(alpha[..., None] > 0.02, own, extended)
        x, y = self._low
        return Layer(
            colour=np.rint(np.clip(colour, 0, 255)).astype(np.uint8),
            alpha=alpha.astype(np.float32),
            origin=(-x * self._unit, -y * self._unit),
        )

    def picture(self) -> Image:
        """The drawing at its final size, without alpha."""
        return np.asarray(cv2.resize(self._colour, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def _pixels(self, points: Iterable[Point]) -> NDArray[np.int32]:
        scaled = (np.array(list(points), np.float64) - self._low) * self._scale * (1 << _FRACTION_BITS)
        return np.rint(np.clip(scaled, -(2**29), 2**29)).astype(np.int32)

    def _fill(self, pixels: NDArray[np.int32], colour: Colour) -> None:
        cv2.fillPoly(self._colour, [pixels], colour[::-1], cv2.LINE_8, _FRACTION_BITS)
        cv2.fillPoly(self._alpha, [pixels], 255, cv2.LINE_8, _FRACTION_BITS)


def smooth(points: Sequence[Point], *, closed: bool) -> NDArray[np.float64]:
    """Sample the Catmull-Rom spline through the points; returns ``(N, 2)``."""
    p = np.array(points, np.float64)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, _STEPS_PER_SEGMENT, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*pieces, p[-2:-1]])


def _ellipse(centre: Point, radii: Point, angle: float) -> list[Point]:
    rotation = np.exp(1j * np.radians(angle))
    around = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    points = (radii[0] * np.cos(around) + 1j * radii[1] * np.sin(around)) * rotation
    return [(centre[0] + float(z.real), centre[1] + float(z.imag)) for z in points]
