"""Makes frames and photographs the network's square input, and lays its maps over them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Fitting, Image

Scale: TypeAlias = Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]]
"""Scales ``(H, W, 3)`` to a width and a height."""
STRETCH: Fitting = Fitting()
"""What the authors do."""
_MIN_RANGE: float = 0.05
"""A map whose highest and lowest values are closer than this contains no subject; stretching it would amplify noise."""


def bilinear(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Scale a picture as the authors do: without antialiasing.

    Args:
        image: ``(H, W, 3)``, uint8 or float32.
        size: width and height, in pixels.
    """
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def shrink(image: Image, size: int, fitting: Fitting = STRETCH, scale: Scale = bilinear) -> Image:
    """Scale a video frame for the engine.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        size: S, in pixels.
        fitting: ``stretch`` ignores the aspect ratio, ``pad`` adds bars, ``crop`` takes the central square.
        scale: how.

    Returns:
        ``(S, S, 3)`` uint8 BGR, contiguous.
    """
    return _with_bars(np.asarray(_scaled(image, size, fitting, scale), np.uint8), size, fitting)


def shrink_still(image: Image, size: int, fitting: Fitting = STRETCH, scale: Scale = bilinear) -> Image:
    """Scale a photograph for the engine by the authors' protocol: like :func:`shrink`, then divide by its maximum.

    Do not use it for video: one highlight entering the picture would change the whole input.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        size: S, in pixels.
        fitting: as for :func:`shrink`.
        scale: as for :func:`shrink`.

    Returns:
        ``(S, S, 3)`` uint8 BGR, contiguous, rounded once, if ``scale`` does not round. Its maximum is 255, because
        engines divide by 255.
    """
    small = _scaled(image.astype(np.float32), size, fitting, scale)
    peak = float(small.max())
    return _with_bars(np.rint(small * (255 / peak) if peak > 0 else small).astype(np.uint8), size, fitting)


def stretch_still(saliency: Alpha) -> Alpha:
    """Stretch a photograph's map to the full range 0..1, as the authors' test script does. A flat map stays as it is.

    Do not use it for video: an empty chair would become a subject, and the mask would pulsate.

    Args:
        saliency: ``(S, S)`` float32 in [0, 1].

    Returns:
        ``(S, S)`` float32 in [0, 1].
    """
    low, high = float(saliency.min()), float(saliency.max())
    if not high - low >= _MIN_RANGE:  # written so that NaN is caught, too
        return saliency
    stretched: Alpha = np.clip((saliency - low) / (high - low), 0, 1, dtype=np.float32)
    return stretched


def lay_over(saliency: Alpha, image: Image, fitting: Fitting) -> Alpha:
    """Lay the map of :func:`shrink`'s result over the whole picture.

    ``pad``: the bars are cut off. ``crop``: beside the central square nothing is known, so alpha is 0 there, and in the
    cell within it that enlarging the map would smear over its edge.

    Args:
        saliency: ``(S, S)`` float32.
        image: ``(H, W, 3)``, of which only the shape counts.
        fitting: as for :func:`shrink`.

    Returns:
        ``(S, S)`` float32, each value between two of ``saliency``, or 0; ``saliency`` itself if there is nothing to do.
    """
    height, width = image.shape[:2]
    if fitting.fit == "stretch" or width == height:
        return saliency
    size, long, short = len(saliency), max(width, height), min(width, height)
    centres = (np.arange(size) + 0.5) / size
    if fitting.fit == "pad":
        inside = _content(size, long, short)
        first = (size - inside) // 2
        places = np.clip(first + centres * inside - 0.5, first, first + inside - 1)
        return _resampled(saliency, places, axis=0 if width > height else 1)
    places = np.clip((centres * long - (long - short) // 2) * (size / short) - 0.5, 0, size - 1)
    return blank_unseen(_resampled(saliency, places, axis=1 if width > height else 0), image, fitting)


def blank_unseen(alpha: Alpha, image: Image, fitting: Fitting) -> Alpha:
    """Set alpha to 0 where the network did not see the picture: beside the central square of ``crop``.

    Args:
        alpha: ``(S, S)`` float32, a map of the whole picture.
        image: ``(H, W, 3)``, of which only the shape counts.
        fitting: as for :func:`shrink`.

    Returns:
        A map like ``alpha``; ``alpha`` itself if there is nothing to do.
    """
    height, width = image.shape[:2]
    if fitting.fit != "crop" or width == height:
        return alpha
    size, long, short = len(alpha), max(width, height), min(width, height)
    start = (long - short) // 2
    cells = np.arange(size)
    # Enlarging smears a cell's value as far as the centres of its neighbours: these must lie within the square.
    seen = ((cells - 0.5) * long / size >= start) & ((cells + 1.5) * long / size <= start + short)
    blanked: Alpha = np.where(seen[None, :] if width > height else seen[:, None], alpha, np.float32(0))
    return blanked


def _scaled(image: NDArray[Any], size: int, fitting: Fitting, scale: Scale) -> NDArray[Any]:
    """The picture without its bars."""
    height, width = image.shape[:2]
    long, short = max(width, height), min(width, height)
    columns = rows = size
    if fitting.fit == "crop":
        left, top = (width - short) // 2, (height - short) // 2
        image = image[top : top + short, left : left + short]
    elif fitting.fit == "pad":
        inside = _content(size, long, short)
        columns, rows = (size, inside) if width > height else (inside, size)
    return scale(image, (columns, rows))


def _with_bars(image: Image, size: int, fitting: Fitting) -> Image:
    rows, columns = image.shape[:2]
    if (rows, columns) == (size, size):
        return np.ascontiguousarray(image)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = fitting.bars
    top, left = (size - rows) // 2, (size - columns) // 2
    square[top : top + rows, left : left + columns] = image
    return square


def _content(size: int, long: int, short: int) -> int:
    """Rows or columns that the picture's shorter side takes between its bars."""
    return max(1, round(size * short / long))


def _resampled(saliency: Alpha, places: NDArray[np.float64], axis: int) -> Alpha:
    """Values of a map at places along one axis, linear between the centres of cells."""
    lower = np.floor(places).astype(np.intp)
    share = (places - lower).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None, :]
    one, other = saliency.take(lower, axis), saliency.take(np.minimum(lower + 1, len(saliency) - 1), axis)
    # Rounding must not lead out of [0, 1], and a value that was outside must stay there, to be found.
    between: Alpha = np.clip(one + (other - one) * share, np.minimum(one, other), np.maximum(one, other))
    return between
