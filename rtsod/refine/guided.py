"""Edges from the picture: a guided filter on the outline, and the subject's colours without the old background's.

In a window about each cell of a coarse grid, the map is explained by the picture's colours, ``alpha = A . I + B``: the
guided filter (He, Sun and Tang, TPAMI 2013) with a colour guide, fitted at a small size and applied at the full one as
in the fast guided filter (He and Sun, arXiv:1505.00996). How much of the map the colours explain, R², says how far
they are to be believed: where subject and background look alike, the map itself stands, sharpened.

Only tiles that an edge passes through are computed at the frame's size. Everywhere else alpha is 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.refine.faint import without_faint
from rtsod.refine.matte import Matte
from rtsod.refine.tiles import CELLS, Tiling, fill
from rtsod.types import Alpha, Image

Plane: TypeAlias = NDArray[np.float32]

_GRID: Final = 320
"""Cells along the longer side, about: what the map itself resolves."""
_RADIUS: Final = 6
"""Of the window, in cells."""
_EPS: Final = 6e-4
"""Ridge on the colours' covariance (range 0 to 1): above the noise of cameras and their coding."""
_RAMP: Final = (0.1, 0.9)
"""What of the map's slope is kept."""
_BELIEF: Final = (0.2, 0.7)
"""R² between these goes from the map to the colours."""
_SURE: Final = 0.05
"""As near as this to 0 or 1, the map bounds alpha; exactly there, alpha is exactly 0 or 1."""
_NOISE: Final = 0.01
"""What a network that is sure still says beside 0 and 1."""
_TRIM: Final = 0.05
"""Of the fitted alpha, at either end: what noise leaves of 0 and 1."""
_COLOUR_RADIUS: Final = 5
"""Within which subject's and background's colours are gathered, in cells."""


def guided(image: Image, mask: Alpha) -> Matte:
    """``--refine fast``.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        mask: ``(S, S)`` float32 in [0, 1].

    Returns:
        The matte; its arrays are the caller's.
    """
    height, width = image.shape[:2]
    scale = max(1, round(max(height, width) / _GRID))
    side = scale * CELLS
    below, right = -height % side, -width % side
    padded = np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    grid = padded.shape[1] // scale, padded.shape[0] // scale
    small = cv2.resize(padded, grid, interpolation=cv2.INTER_AREA)
    colours = [plane.astype(np.float32) * np.float32(1 / 255) for plane in cv2.split(small)]
    coarse = _on_grid(without_faint(mask), height / scale, width / scale, grid)

    edge = _edge_tiles(coarse)
    tiles = Tiling(scale, *np.nonzero(edge))
    alpha = fill((coarse[CELLS // 2 :: CELLS, CELLS // 2 :: CELLS] > 0.5).astype(np.float32), side)
    foreground = padded
    if edge.any():
        fit = _fit(colours, coarse)
        fore, back = _colours(colours, fit.alpha(colours, coarse))
        pixels = [plane.astype(np.float32) * np.float32(1 / 255) for plane in cv2.split(tiles.cut(padded))]
        enlarged = Fit([tiles.enlarge(plane) for plane in fit.slopes], tiles.enlarge(fit.offset))
        own = enlarged.alpha(pixels, tiles.enlarge(coarse))
        tiles.paste(own, alpha)
        foreground = padded if padded is not image else padded.copy()
        clean = [
            _clean(pixel, own, tiles.enlarge(f), tiles.enlarge(b))
            for pixel, f, b in zip(pixels, fore, back, strict=True)
        ]
        tiles.paste(cv2.merge(clean), foreground)
    return Matte(np.ascontiguousarray(alpha[:height, :width]), np.ascontiguousarray(foreground[:height, :width]))


def _on_grid(mask: Alpha, rows: float, columns: float, grid: tuple[int, int]) -> Plane:
    """The map at the grid's size; what was added to the frame repeats its last cells."""
    inner = max(1, round(columns)), max(1, round(rows))
    scaled = cv2.resize(mask, inner, interpolation=cv2.INTER_AREA if inner[0] <= mask.shape[1] else cv2.INTER_LINEAR)
    below, right = grid[1] - inner[1], grid[0] - inner[0]
    return np.asarray(cv2.copyMakeBorder(scaled, 0, below, 0, right, cv2.BORDER_REPLICATE), np.float32)


def _edge_tiles(coarse: Plane) -> NDArray[np.bool_]:
    """Which tiles are not wholly 0 or wholly 1, with the cells that interpolation reaches beyond them."""
    unsure = ((coarse > _NOISE) & (coarse < 1 - _NOISE)).astype(np.uint8)
    high = (coarse > 0.5).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    wide = cv2.dilate(cv2.max(unsure, cv2.morphologyEx(high, cv2.MORPH_GRADIENT, kernel)), kernel)
    h, w = coarse.shape
    return np.asarray(wide.reshape(h // CELLS, CELLS, w // CELLS, CELLS).max(axis=(1, 3)) > 0)


@dataclass(frozen=True, slots=True)
class Fit:
    """Alpha as a linear function of colour, differing from place to place."""

    slopes: list[Plane]
    offset: Plane

    def alpha(self, colours: list[Plane], coarse: Plane) -> Plane:
        """What it makes of colours, within what the map is sure of."""
        value = self.offset.copy()
        for slope, colour in zip(self.slopes, colours, strict=True):
            value += slope * colour
        value = (value - np.float32(_TRIM)) * np.float32(1 / (1 - 2 * _TRIM))
        upper = (coarse - np.float32(_NOISE)) * np.float32(1 / _SURE)
        lower = 1 - (1 - np.float32(_NOISE) - coarse) * np.float32(1 / _SURE)
        np.minimum(value, upper, out=value)
        np.maximum(value, lower, out=value)
        return np.clip(value, 0, 1, out=value)


def _fit(colours: list[Plane], coarse: Plane) -> Fit:
    """Least squares of the sharpened map on the three colours in a window about each cell."""
    target = _smoothstep(coarse, *_RAMP)
    mean = [_mean(c) for c in colours]
    mean_target = _mean(target)
    b, g, r = (_mean(c * target) - m * mean_target for c, m in zip(colours, mean, strict=True))
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    bb, bg, br, gg, gr, rr = (_mean(colours[i] * colours[j]) - mean[i] * mean[j] for i, j in pairs)
    bb, gg, rr = bb + np.float32(_EPS), gg + np.float32(_EPS), rr + np.float32(_EPS)
    # The inverse of the symmetric 3 x 3 matrix, by cofactors.
    c00, c01, c02 = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
    c11, c12, c22 = bb * rr - br * br, bg * br - bb * gr, bb * gg - bg * bg
    scale = 1 / (bb * c00 + bg * c01 + br * c02)
    slopes = [
        (c00 * b + c01 * g + c02 * r) * scale,
        (c01 * b + c11 * g + c12 * r) * scale,
        (c02 * b + c12 * g + c22 * r) * scale,
    ]
    variance = np.maximum(_mean(target * target) - mean_target * mean_target, np.float32(1e-4))
    explained = sum(s * c for s, c in zip(slopes, (b, g, r), strict=True)) / variance
    offset = mean_target - sum(s * m for s, m in zip(slopes, mean, strict=True))
    belief = _smoothstep(_mean(np.asarray(explained, np.float32)), *_BELIEF)
    return Fit([belief * _mean(s) for s in slopes], belief * _mean(offset) + (1 - belief) * target)


def _colours(colours: list[Plane], alpha: Plane) -> tuple[list[Plane], list[Plane]]:
    """Subject's and background's colour about each cell: what is there, weighted by how surely it is that."""
    planes = []
    for weight in (alpha * alpha, (1 - alpha) * (1 - alpha)):
        weight = weight + np.float32(1e-4)
        total = np.float32(1) / _mean(weight, _COLOUR_RADIUS)
        planes.append([_mean(c * weight, _COLOUR_RADIUS) * total for c in colours])
    return planes[0], planes[1]


def _clean(pixel: Plane, alpha: Plane, fore: Plane, back: Plane) -> NDArray[np.uint8]:
    """The subject's colour in a mixed pixel (Forte, "Approximate fast foreground colour estimation", ICIP 2021)."""
    colour = fore + alpha * (pixel - back - alpha * (fore - back))
    return np.asarray(cv2.convertScaleAbs(np.maximum(colour, 0), alpha=255.0), np.uint8)


def _mean(plane: Plane, radius: int = _RADIUS) -> Plane:
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _smoothstep(x: Plane, low: float, high: float) -> Plane:
    t = np.clip((x - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
