"""Brushes for ``draw.py``: textures, masks and light, all at the picture's size of 1920x1080."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH: Final = 1920
HEIGHT: Final = 1080

Field: TypeAlias = NDArray[np.floating[Any]]
"""``(H, W)`` for a mask or texture, ``(H, W, 3)`` for an RGB picture; values in [0, 1]."""
Colour: TypeAlias = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""

X: Field
Y: Field
"""Every pixel's coordinates."""
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


def rgb(red: float, green: float, blue: float) -> Field:
    """A colour as an array, for arithmetic."""
    return np.array([red, green, blue], np.float32)


def fixed(points: ArrayLike) -> NDArray[np.int32]:
    """Points in fixed-point coordinates of 1/16 pixel, for OpenCV's drawing functions."""
    return (np.asarray(points, np.float64) * 16).astype(np.int32)


def fill(mask: NDArray[np.uint8], corners: ArrayLike) -> None:
    """Fill a polygon with 255."""
    cv2.fillPoly(mask, [fixed(corners)], 255, cv2.LINE_AA, 4)


def noise(rng: np.random.Generator, scale: float, octaves: int, *, stretch: float = 1.0) -> Field:
    """Fractal value noise in [0, 1].

    Args:
        rng: random generator.
        scale: size of the largest features in pixels.
        octaves: number of scales, each half the previous one.
        stretch: factor by which features are wider than tall.
    """
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for octave in range(octaves):
        cell = scale / 2**octave
        grid = rng.random((int(HEIGHT / cell) + 3, int(WIDTH / (cell * stretch)) + 3), np.float32)
        total += cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * np.float32(0.5**octave)
    low, high = np.percentile(total[::8, ::8], (0.5, 99.5))
    return np.asarray(np.clip((total - low) / (high - low), 0, 1), np.float32)


def wander(rng: np.random.Generator, scale: float, octaves: int, *, rough: float = 0.5) -> Field:
    """Fractal value noise along a line, ``(W,)`` in [0, 1]. ``rough`` is the amplitude ratio between octaves."""
    total = np.zeros(WIDTH, np.float32)
    for octave in range(octaves):
        grid = rng.random((1, int(WIDTH / scale * 2**octave) + 3), np.float32)
        total += cv2.resize(grid, (WIDTH, 1), interpolation=cv2.INTER_CUBIC)[0] * np.float32(rough**octave)
    return np.asarray((total - total.min()) / np.ptp(total), np.float32)


def receding(texture: Field, horizon: float) -> Field:
    """Project a texture onto the ground, so that it becomes finer towards the horizon."""
    depth = 1.0 / np.clip((Y - horizon) / (HEIGHT - horizon), 0.02, 1)
    x, y = WIDTH / 2 + (X - WIDTH / 2) * depth * 0.8, HEIGHT * 0.9 * np.log(depth)
    mapped = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(mapped, np.float32)


def gradient(stops: Sequence[tuple[float, Colour]], along: Field) -> Field:
    """Interpolate colours between stops; ``along`` holds each pixel's position."""
    places = [place for place, _ in stops]
    channels = [np.interp(along, places, [colour[c] for _, colour in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def sky(stops: Sequence[tuple[float, Colour]], horizon: float) -> Field:
    """A vertical gradient that ends at the horizon."""
    return gradient(stops, Y / np.float32(horizon))


def smoothstep(low: float, high: float, field: Field) -> Field:
    """0 up to ``low``, 1 from ``high`` on, smooth in between. Falls instead of rising if ``low`` exceeds ``high``."""
    t = np.clip((field - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def below(line: Field) -> Field:
    """Mask of everything below a line."""
    return np.asarray(np.clip(Y - line + 0.5, 0, 1), np.float32)


def island(rng: np.random.Generator, start: float) -> Field:
    """A hilly profile that rises from the sea at ``start``, a share of the width."""
    x = np.linspace(0, 1, WIDTH, dtype=np.float32)
    return np.asarray(smoothstep(start, start - 0.45, x) * (0.35 + wander(rng, 300, 5)), np.float32)


def firs(rng: np.random.Generator) -> Field:
    """Height in pixels of a row of fir trees, along the width."""
    height, x = np.zeros(WIDTH, np.float32), np.arange(WIDTH, dtype=np.float32)
    for _ in range(150):
        middle, tall = rng.uniform(0, WIDTH), rng.uniform(30, 110)
        height = np.maximum(height, tall - np.abs(x - middle) * rng.uniform(3.2, 4.6))
    return height


def fronds(
    rng: np.random.Generator,
    root: tuple[float, float],
    reach: float,
    angles: tuple[float, float],
    count: int,
    *,
    droop: float,
) -> Field:
    """Mask of palm leaves that grow from one point and droop.

    Args:
        rng: random generator.
        root: the point, in pixels.
        reach: greatest length in pixels.
        angles: first and last direction in radians.
        count: number of leaves.
        droop: drop of the tip as a share of the length.
    """
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for angle in np.linspace(*angles, count) + rng.normal(0, 0.05, count):
        length = reach * rng.uniform(0.75, 1.0)
        t = np.linspace(0, 1, 48)
        x = root[0] + length * t * np.cos(angle)
        y = root[1] + length * (t * np.sin(angle) + droop * t**2)
        stem = np.stack([x, y], axis=1)
        cv2.polylines(mask, [fixed(stem)], False, 255, 7, cv2.LINE_AA, 4)
        tangent = np.gradient(stem, axis=0)
        heading = np.arctan2(tangent[:, 1], tangent[:, 0])
        for i in range(6, 48):
            leaflet = 0.24 * reach * np.sin(np.pi * (0.12 + 0.86 * t[i])) ** 0.8 * rng.uniform(0.85, 1.1)
            for side in (-1, 1):
                tilt = heading[i] + side * rng.uniform(0.75, 1.0) * (1.15 - 0.55 * t[i])
                tip = stem[i] + leaflet * np.array([np.cos(tilt), np.sin(tilt) + 0.35])
                middle = stem[i] + 0.5 * leaflet * np.array([np.cos(tilt), np.sin(tilt) + 0.08])
                across = np.array([-np.sin(tilt), np.cos(tilt)]) * reach * 0.0055
                fill(mask, [stem[i], middle + across, tip, middle - across])
    return mask.astype(np.float32) / 255


def foliage(rng: np.random.Generator, x: float, y: float, size: float) -> Field:
    """Mask of a bush, a pile of leaves."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(130):
        turn, far = rng.uniform(-np.pi, 0), size * rng.uniform(0.1, 1.0)
        centre = int(x + far * np.cos(turn) * 1.3), int(y + far * np.sin(turn))
        axes = int(size * 0.24), int(size * 0.045)
        cv2.ellipse(mask, centre, axes, float(np.degrees(turn) + rng.normal(0, 28)), 0, 360, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def trunks(rng: np.random.Generator, count: int, thick: float, foot: float) -> Field:
    """Mask of tree trunks that rise from the ground near ``foot``, a row in pixels."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for middle in (np.arange(count) + rng.uniform(0.05, 0.95, count)) * WIDTH / count:
        wide, lean, y = thick * rng.uniform(0.6, 1.2) / 2, rng.normal(0, 26), foot + rng.uniform(-30, 60)
        right = [(middle + lean + 0.7 * wide, -5), (middle + wide, y - 60), (middle + 1.5 * wide, y)]
        left = [(middle - 1.5 * wide, y), (middle - wide, y - 60), (middle + lean - 0.7 * wide, -5)]
        fill(mask, [*right, *left])
    return mask.astype(np.float32) / 255


def blocks(rng: np.random.Generator, foot: float, tall: float, wide: float) -> tuple[Field, Field]:
    """Masks of a row of houses and of their lit windows."""
    houses, windows = np.zeros((2, HEIGHT, WIDTH), np.float32)
    x = -rng.uniform(0, wide)
    while x < WIDTH:
        width, top = wide * rng.uniform(0.6, 1.5), foot - tall * rng.uniform(0.05, 1.0) ** 1.3
        houses += rectangle((x, top, x + width, HEIGHT))
        for row in np.arange(top + 22, foot + 60, 25):
            for column in np.arange(x + 12, x + width - 14, 21):
                if rng.random() < 0.30:
                    windows += rng.uniform(0.3, 1.0) * rectangle((column, row, column + 9, row + 12))
        x += width + wide * rng.uniform(0.0, 0.35)
    return np.clip(houses, 0, 1), np.clip(windows, 0, 1)


def lights(
    picture: Field,
    rng: np.random.Generator,
    count: int,
    sizes: tuple[float, float],
    area: tuple[float, float, float, float],
    palette: Sequence[Colour],
    strength: float,
) -> None:
    """Add lights far out of focus: discs, slightly brighter at the rim."""
    for _ in range(count):
        x, y, size = rng.uniform(area[0], area[2]), rng.uniform(area[1], area[3]), rng.uniform(*sizes)
        colour = rgb(*palette[int(rng.integers(len(palette)))]) * np.float32(strength * rng.uniform(0.4, 1.0))
        top, left = max(0, int(y - size - 3)), max(0, int(x - size - 3))
        part = np.s_[top : int(y + size + 4), left : int(x + size + 4)]
        distance = np.hypot(X[part] - x, Y[part] - y) / np.float32(size)
        inside = smoothstep(1.0 + 1.5 / size, 1.0 - 1.5 / size, distance)
        picture[part] += (inside * (0.78 + 0.22 * distance**4))[..., None] * colour * (1 - 0.6 * picture[part])


def rectangle(corners: tuple[float, float, float, float]) -> Field:
    """Mask of a rectangle, given as left, top, right, bottom."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    left, top, right, bottom = (max(0, round(c)) for c in corners)
    mask[top:bottom, left:right] = 1
    return mask


def box(picture: Field, corners: tuple[float, float, float, float], colour: Colour, edge: float) -> None:
    """Paint a rectangle with soft edges; only the affected part of the picture is computed."""
    left, top, right, bottom = corners
    part = np.s_[
        max(0, round(top - 4 * edge)) : max(0, round(bottom + 4 * edge)),
        max(0, round(left - 4 * edge)) : max(0, round(right + 4 * edge)),
    ]
    over(picture[part], rgb(*colour), soft(rectangle(corners)[part].copy(), edge))


def disc(x: float, y: float, radius: float) -> Field:
    """Mask of a disc."""
    return np.asarray(np.clip(radius - np.hypot(X - x, Y - y) + 0.5, 0, 1), np.float32)


def soft(mask: Field, sigma: float) -> Field:
    """The mask with soft edges."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)


def paint(picture: Field, colour: Colour, mask: Field) -> None:
    """Blend a colour over the picture."""
    over(picture, rgb(*colour), mask)


def over(picture: Field, layer: Field, mask: Field) -> None:
    """Blend a layer over the picture."""
    picture += (layer - picture) * mask[..., None]


def glow(picture: Field, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    """Add light that fades with the distance from a point."""
    distance = ((X - centre[0]) ** 2 + (Y - centre[1]) ** 2) / np.float32(radius**2)
    picture += np.exp(-distance)[..., None] * rgb(*colour)


def vignette(picture: Field, strength: float) -> None:
    """Darken the corners."""
    distance = ((X / WIDTH - 0.5) ** 2 + (Y / HEIGHT - 0.5) ** 2) * 2
    picture *= (1 - strength * distance)[..., None]


def defocus(picture: Field, sigma: float) -> Field:
    """The whole picture, blurred."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
