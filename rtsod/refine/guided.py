"""Edges from the picture: a guided filter on the outline, and the subject's colours without the old background's.

In a window about each cell of a coarse grid, the map is explained by the picture's colours, ``alpha = A . I + B``: the
guided filter (He, Sun and Tang, TPAMI 2013) with a colour guide, fitted at a small size and applied at the full one as
in the fast guided filter (He and Sun, arXiv:1505.00996). How much of the map the colours explain, R², says how far
they are to be believed: where subject and background look alike, the map itself stands, sharpened.

Only cells that an edge passes through are computed at the frame's size. Everywhere else alpha is 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.refine.islands import suppress_weak_components
from rtsod.refine.kernel import NOISE, PLANES, SURE, TRIM, finish
from rtsod.refine.matte import Matte

Plane: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Effort:
    """How finely the picture is looked at."""

    grid: int
    """Cells along the longer side, about. Colours are gathered at half of it."""
    radius: int
    """Of the window, in cells of the half grid."""
    eps: float
    """Ridge on the colours' covariance (range 0 to 1): above the noise that is left in a cell."""


FAST: Final = Effort(grid=320, radius=4, eps=2e-4)
"""What the map itself resolves."""
BEST: Final = Effort(grid=640, radius=8, eps=3e-5)
_RAMP: Final = (0.1, 0.9)
"""What of the map's slope is kept."""
_BELIEF: Final = (0.2, 0.6)
"""R² between these goes from the map to the colours."""


def guided(image: Image, mask: Alpha, effort: Effort = FAST) -> Matte:
    """``--refine fast``, or ``best``.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        mask: ``(S, S)`` float32 in [0, 1].
        effort: see there.

    Returns:
        The matte; its arrays are the caller's.
    """
    height, width = image.shape[:2]
    scale = max(1, round(max(height, width) / effort.grid))
    below, right = -height % (2 * scale), -width % (2 * scale)
    picture = np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    size = picture.shape[1] // scale, picture.shape[0] // scale
    coarse = _on_grid(suppress_weak_components(mask), height / scale, width / scale, size)
    edge = _edge(coarse)
    alpha = np.asarray(
        cv2.resize((coarse > 0.5).astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.float32
    )
    if edge.any():
        rows, columns = (np.ascontiguousarray(at, np.int64) for at in np.nonzero(edge))
        across, along = _around(rows, size[1], effort), _around(columns, size[0], effort)
        pixels = picture[across.start * scale : across.stop * scale, along.start * scale : along.stop * scale]
        planes = np.empty((PLANES, *coarse.shape), np.float32)
        planes[:, across, along] = _planes(pixels, coarse[across, along], effort)
        finish(picture, planes, rows, columns, scale, alpha)
    return Matte(np.ascontiguousarray(alpha[:height, :width]), np.ascontiguousarray(picture[:height, :width]))


def _on_grid(mask: Alpha, rows: float, columns: float, size: tuple[int, int]) -> Plane:
    """The map at the grid's size; what was added to the frame repeats its last cells."""
    inner = min(size[0], max(1, round(columns))), min(size[1], max(1, round(rows)))
    scaled = cv2.resize(mask, inner, interpolation=cv2.INTER_AREA if inner[0] <= mask.shape[1] else cv2.INTER_LINEAR)
    below, right = size[1] - inner[1], size[0] - inner[0]
    return np.asarray(cv2.copyMakeBorder(scaled, 0, below, 0, right, cv2.BORDER_REPLICATE), np.float32)


def _edge(coarse: Plane) -> NDArray[np.uint8]:
    """Cells that are not wholly 0 or wholly 1, with those that interpolation reaches beyond them."""
    kernel = np.ones((3, 3), np.uint8)
    unsure = cv2.inRange(coarse, np.array([float(NOISE)]), np.array([1 - float(NOISE)]))
    jump = cv2.morphologyEx((coarse > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, kernel)
    return np.asarray(cv2.dilate(cv2.max(unsure, jump), kernel), np.uint8)


def _around(cells: NDArray[np.int64], length: int, effort: Effort) -> slice:
    """What must be looked at for these rows, or columns: as far as three windows reach, and interpolation."""
    reach = 3 * effort.radius + 2
    return slice(2 * max(0, int(cells.min()) // 2 - reach), min(length, 2 * (int(cells.max()) // 2 + 1 + reach)))


def _planes(picture: Image, coarse: Plane, effort: Effort) -> Plane:
    """What the kernel reads: ``(PLANES, h, w)``, at the grid's size, of a whole picture or of a part of one."""
    size = coarse.shape[::-1]
    half = size[0] // 2, size[1] // 2
    colours = [plane.astype(np.float32) * np.float32(1 / 255) for plane in cv2.split(_shrunk(picture, half))]
    target = _smoothstep(coarse, *_RAMP)
    rough = np.asarray(cv2.resize(coarse, half, interpolation=cv2.INTER_AREA), np.float32)
    rough_target = _smoothstep(rough, *_RAMP)
    slopes, offset, belief = _fit(colours, rough_target, effort)
    guess = sum((s * c for s, c in zip(slopes, colours, strict=True)), offset) + (1 - belief) * rough_target
    fore, back = _colours(colours, _bounded(guess, rough), effort.radius)
    offset, belief, *rest = (
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)
        for plane in (offset, belief, *slopes, *fore, *back)
    )
    return np.stack([*rest[:3], offset + (1 - belief) * target, coarse, *rest[3:]])


def _shrunk(image: Image, size: tuple[int, int]) -> Image:
    """The mean over each cell. Halving is OpenCV's quickest way, so halves come first."""
    while image.shape[1] % (4 * size[0]) == 0:
        half = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fit(colours: list[Plane], target: Plane, effort: Effort) -> tuple[list[Plane], Plane, Plane]:
    """Least squares of the map on the three colours in a window about each cell.

    Returns:
        Slopes and offset, both as far as they are believed, and that belief in [0, 1].
    """
    mean_of, ridge = partial(_box, radius=effort.radius), np.float32(effort.eps)
    mean = [mean_of(c) for c in colours]
    mean_target = mean_of(target)
    b, g, r = (mean_of(c * target) - m * mean_target for c, m in zip(colours, mean, strict=True))
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    bb, bg, br, gg, gr, rr = (mean_of(colours[i] * colours[j]) - mean[i] * mean[j] for i, j in pairs)
    bb, gg, rr = bb + ridge, gg + ridge, rr + ridge
    # The inverse of the symmetric 3 x 3 matrix, by cofactors.
    c00, c01, c02 = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
    c11, c12, c22 = bb * rr - br * br, bg * br - bb * gr, bb * gg - bg * bg
    scale = 1 / (bb * c00 + bg * c01 + br * c02)
    slopes = [
        (c00 * b + c01 * g + c02 * r) * scale,
        (c01 * b + c11 * g + c12 * r) * scale,
        (c02 * b + c12 * g + c22 * r) * scale,
    ]
    variance = np.maximum(mean_of(target * target) - mean_target * mean_target, np.float32(1e-4))
    explained = (slopes[0] * b + slopes[1] * g + slopes[2] * r) / variance
    offset = mean_target - slopes[0] * mean[0] - slopes[1] * mean[1] - slopes[2] * mean[2]
    belief = _smoothstep(mean_of(explained), *_BELIEF)
    return [belief * mean_of(slope) for slope in slopes], belief * mean_of(offset), belief


def _bounded(value: Plane, coarse: Plane) -> Plane:
    """A fitted alpha within what the map is sure of; the kernel says the same of pixels."""
    value = (value - TRIM) / (1 - 2 * TRIM)
    value = np.minimum(value, (coarse - NOISE) / SURE)
    value = np.maximum(value, 1 - (1 - NOISE - coarse) / SURE)
    return np.asarray(np.clip(value, 0, 1), np.float32)


def _colours(colours: list[Plane], alpha: Plane, radius: int) -> tuple[list[Plane], list[Plane]]:
    """Subject's and background's colour about each cell: what is there, weighted by how surely it is that."""
    planes = []
    for weight in (alpha * alpha, (1 - alpha) * (1 - alpha)):
        weight = weight + np.float32(1e-4)
        total = np.float32(1) / _box(weight, radius)
        planes.append([_box(c * weight, radius) * total for c in colours])
    return planes[0], planes[1]


def _box(plane: Plane, radius: int) -> Plane:
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _smoothstep(x: Plane, low: float, high: float) -> Plane:
    t = np.clip((x - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
