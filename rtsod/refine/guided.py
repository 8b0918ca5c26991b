"""A guided filter at the subject's outline, and the subject's colours without the old background's share.

In a window around each cell of a coarse grid, the map is explained by the picture's colours: ``alpha = A . I + B``.
That is the guided filter (He, Sun and Tang, TPAMI 2013) with a colour guide, fitted at a small size and applied at the
full one as in the fast guided filter (He and Sun, arXiv:1505.00996). R², the share of the map's variance that the
colours explain, decides how far the fit counts. Where subject and background look alike, the map itself is used,
sharpened.

Only the cells that the outline passes through, the unknown band of a trimap, are computed at the size of the frame.
Everywhere else alpha is 0 or 1.
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
from rtsod.refine.kernel import ALPHA_TRIM, BOUND_RAMP, MAP_NOISE, refine_cells
from rtsod.refine.sparse_matte import MIXED, SparseAlpha, SparseMatte

Plane: TypeAlias = NDArray[np.float32]
"""``(h, w)`` float32: one value per cell of the grid, or of the half grid."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How finely the picture is looked at."""

    grid: int
    """Approximate number of cells along the frame's longer side. The fit is made on half of that, the half grid."""
    radius: int
    """Radius of the window, in cells of the half grid."""
    ridge: float
    """Added to the variances of the colours (colours in [0, 1]), ε in the guided filter: above the noise that is left
    in a cell."""


FAST: Final = Effort(grid=320, radius=4, ridge=2e-4)
"""The grid that the map itself resolves."""
BEST: Final = Effort(grid=640, radius=8, ridge=3e-5)
"""Twice the grid, windows of the same size in the frame, and a seventh of the ridge."""
_SHARPENING_RAMP: Final = (0.1, 0.9)
"""Map values that become 0 and 1 when the map is sharpened."""
_R2_RAMP: Final = (0.2, 0.6)
"""R² of the fit: below the first value the map is used alone, above the second the fit alone."""
_MIN_VARIANCE: Final = np.float32(1e-4)
"""Of the map in a window; smaller variances count as this, so that R² of a flat map is 0."""
_MIN_COLOUR_WEIGHT: Final = np.float32(1e-4)
"""Added to the weights of a mean colour, so that there is one even where all weights are 0."""


def guided_matte(image: Image, mask: Alpha, effort: Effort = FAST) -> SparseMatte:
    """``--refine fast`` and ``--refine best``.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        mask: ``(S, S)`` float32 in [0, 1].
        effort: ``FAST`` or ``BEST``.

    Returns:
        The matte, which refers to ``image``.
    """
    height, width = image.shape[:2]
    scale = max(1, round(max(height, width) / effort.grid))
    # The grid has whole cells of the half grid; beyond the frame, its last row and column repeat.
    size = 2 * -(-width // (2 * scale)), 2 * -(-height // (2 * scale))
    grid_map = _on_grid(suppress_weak_components(mask), height / scale, width / scale, size)
    unknown = _unknown_band(grid_map)
    rows, columns = (np.ascontiguousarray(cells, np.int64) for cells in np.nonzero(unknown))
    alpha = np.empty(columns.size * scale * scale, np.float32)
    colours = np.empty((alpha.size, 3), np.uint8)
    image = np.ascontiguousarray(image)
    if columns.size:
        span_y, span_x = _fitted_span(rows, size[1], effort), _fitted_span(columns, size[0], effort)
        planes = _kernel_planes(_pixels_of(image, span_y, span_x, scale), grid_map[span_y, span_x], effort)
        origin = np.array([span_y.start, span_x.start], np.int64)
        first = np.searchsorted(rows, np.arange(size[1] + 1)).astype(np.int64)
        refine_cells(image, planes, origin, first, columns, scale, alpha, colours)
    cells = np.where(unknown > 0, MIXED, (grid_map > 0.5).astype(np.uint8))
    return SparseMatte(image, SparseAlpha(width, height, scale, cells, alpha), colours)


def _pixels_of(image: Image, rows: slice, columns: slice, scale: int) -> Image:
    """The pixels of some cells; beyond the frame, its last row and column repeat."""
    part = image[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
    below, right = (
        s * scale - n
        for s, n in ((rows.stop - rows.start, part.shape[0]), (columns.stop - columns.start, part.shape[1]))
    )
    if below == right == 0:
        return part
    return np.asarray(cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def _on_grid(mask: Alpha, rows: float, columns: float, size: tuple[int, int]) -> Plane:
    """The map at the size (width, height) of the grid.

    The frame itself covers ``rows`` x ``columns`` cells; the padding repeats the last of them.
    """
    inner = min(size[0], max(1, round(columns))), min(size[1], max(1, round(rows)))
    scaled = cv2.resize(mask, inner, interpolation=cv2.INTER_AREA if inner[0] <= mask.shape[1] else cv2.INTER_LINEAR)
    below, right = size[1] - inner[1], size[0] - inner[0]
    return np.asarray(cv2.copyMakeBorder(scaled, 0, below, 0, right, cv2.BORDER_REPLICATE), np.float32)


def _unknown_band(grid_map: Plane) -> NDArray[np.uint8]:
    """The unknown band of the trimap, 1 per cell.

    It holds the cells that are neither surely 0 nor surely 1, and those next to them, which interpolation reaches.
    """
    kernel = np.ones((3, 3), np.uint8)
    unsure = cv2.inRange(grid_map, np.array([float(MAP_NOISE)]), np.array([1 - float(MAP_NOISE)]))
    jump = cv2.morphologyEx((grid_map > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, kernel)
    return np.asarray(cv2.dilate(cv2.max(unsure, jump), kernel), np.uint8)


def _fitted_span(cells: NDArray[np.int64], length: int, effort: Effort) -> slice:
    """The rows, or columns, of the grid that influence the given cells.

    Three box means follow one another, so three radii to each side, and two cells of the half grid for interpolation.
    """
    reach = 3 * effort.radius + 2
    return slice(2 * max(0, int(cells.min()) // 2 - reach), min(length, 2 * (int(cells.max()) // 2 + 1 + reach)))


def _kernel_planes(picture: Image, grid_map: Plane, effort: Effort) -> Plane:
    """The planes that the kernel reads, of a whole picture or of a part of one.

    Args:
        picture: ``(h * scale, w * scale, 3)`` uint8 BGR.
        grid_map: ``(h, w)`` float32 in [0, 1].
        effort: see :class:`Effort`.

    Returns:
        ``(PLANE_COUNT, h, w)`` float32.
    """
    size = grid_map.shape[::-1]
    half_size = size[0] // 2, size[1] // 2
    colours = [plane.astype(np.float32) * np.float32(1 / 255) for plane in cv2.split(_area_mean(picture, half_size))]
    target = _smoothstep(grid_map, *_SHARPENING_RAMP)
    half_map = np.asarray(cv2.resize(grid_map, half_size, interpolation=cv2.INTER_AREA), np.float32)
    half_target = _smoothstep(half_map, *_SHARPENING_RAMP)
    slopes, offset, confidence = _fit_linear_model(colours, half_target, effort)
    fitted = sum((s * c for s, c in zip(slopes, colours, strict=True)), offset) + (1 - confidence) * half_target
    subject, background = _mean_colours(colours, _within_bounds(fitted, half_map), effort.radius)
    offset, confidence, *rest = (
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)
        for plane in (offset, confidence, *slopes, *subject, *background)
    )
    return np.stack([*rest[:3], offset + (1 - confidence) * target, grid_map, *rest[3:]])


def _area_mean(image: Image, size: tuple[int, int]) -> Image:
    """The mean colour of each cell, at ``size`` (width, height)."""
    # OpenCV is fastest at halving, so the picture is halved as long as that comes out even.
    while image.shape[1] % (4 * size[0]) == 0:
        half = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fit_linear_model(colours: list[Plane], target: Plane, effort: Effort) -> tuple[list[Plane], Plane, Plane]:
    """Ridge regression of the map on the three colours, in the window around each cell.

    Returns:
        Three slopes and the offset, means over the windows that hold the cell and scaled by the confidence; and the
        confidence in [0, 1].
    """
    mean_of, ridge = partial(_box_mean, radius=effort.radius), np.float32(effort.ridge)
    mean = [mean_of(c) for c in colours]
    mean_target = mean_of(target)
    b, g, r = (mean_of(c * target) - m * mean_target for c, m in zip(colours, mean, strict=True))
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    bb, bg, br, gg, gr, rr = (mean_of(colours[i] * colours[j]) - mean[i] * mean[j] for i, j in pairs)
    bb, gg, rr = bb + ridge, gg + ridge, rr + ridge
    # The inverse of the symmetric 3 x 3 covariance matrix, by cofactors.
    c00, c01, c02 = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
    c11, c12, c22 = bb * rr - br * br, bg * br - bb * gr, bb * gg - bg * bg
    scale = 1 / (bb * c00 + bg * c01 + br * c02)
    slopes = [
        (c00 * b + c01 * g + c02 * r) * scale,
        (c01 * b + c11 * g + c12 * r) * scale,
        (c02 * b + c12 * g + c22 * r) * scale,
    ]
    variance = np.maximum(mean_of(target * target) - mean_target * mean_target, _MIN_VARIANCE)
    r_squared = (slopes[0] * b + slopes[1] * g + slopes[2] * r) / variance
    offset = mean_target - slopes[0] * mean[0] - slopes[1] * mean[1] - slopes[2] * mean[2]
    confidence = _smoothstep(mean_of(r_squared), *_R2_RAMP)
    return [confidence * mean_of(slope) for slope in slopes], confidence * mean_of(offset), confidence


def _within_bounds(value: Plane, half_map: Plane) -> Plane:
    """A fitted alpha, kept within what the map is sure of. The kernel does the same per pixel."""
    value = (value - ALPHA_TRIM) / (1 - 2 * ALPHA_TRIM)
    value = np.minimum(value, (half_map - MAP_NOISE) / BOUND_RAMP)
    value = np.maximum(value, 1 - (1 - MAP_NOISE - half_map) / BOUND_RAMP)
    return np.asarray(np.clip(value, 0, 1), np.float32)


def _mean_colours(colours: list[Plane], alpha: Plane, radius: int) -> tuple[list[Plane], list[Plane]]:
    """The colours of the subject and of the background around each cell: means weighted by alpha² and (1 - alpha)²."""
    planes = []
    for weight in (alpha * alpha, (1 - alpha) * (1 - alpha)):
        weight = weight + _MIN_COLOUR_WEIGHT
        total = np.float32(1) / _box_mean(weight, radius)
        planes.append([_box_mean(c * weight, radius) * total for c in colours])
    return planes[0], planes[1]


def _box_mean(plane: Plane, radius: int) -> Plane:
    """The mean over the window around each cell."""
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _smoothstep(x: Plane, low: float, high: float) -> Plane:
    """0 below ``low``, 1 above ``high``, and ``3 t² - 2 t³`` in between."""
    t = np.clip((x - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
