"""The golden input: a computed image of a bottle-like figure on a table, identical on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image


def golden_input(size: int) -> Image:
    """The image for self-checks, and an example for whatever needs a realistic input.

    Args:
        size: S.

    Returns:
        ``(S, S, 3)`` uint8 BGR. Both models find the figure, a sixth of the image, with sharp edges.
    """
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    wall = _colour(196 - 40 * y, 178 - 30 * y + 6 * np.sin(40 * x), 150 - 20 * x)
    table = _colour(70 + 10 * np.sin(90 * y), 96 + 8 * np.sin(60 * x + 9 * y), 132 - 30 * y)
    image = np.where((y > 0.78)[..., None], table, wall)

    half_width = np.where(y > 0.42, 0.15, np.where(y > 0.30, 0.05 + 0.10 * ((y - 0.30) / 0.12), 0.05))
    across = (x - 0.5) / half_width
    inside = (np.abs(across) < 1) & (y > 0.12) & (y < 0.88)
    shade = 0.45 + 0.55 * np.sqrt(np.clip(1 - across**2, 0, 1))
    label = inside & (y > 0.52) & (y < 0.74)
    cap = inside & (y < 0.18)
    image = np.where(inside[..., None], _colour(30 * shade, 40 * shade, 215 * shade), image)
    image = np.where(label[..., None], _colour(120 * shade, 235 * shade, 245 * shade), image)
    image = np.where(cap[..., None], _colour(40 * shade, 40 * shade, 48 * shade), image)
    return np.asarray(np.rint(np.clip(image, 0, 255)), np.uint8)


def _colour(blue: NDArray[Any], green: NDArray[Any], red: NDArray[Any]) -> NDArray[Any]:
    return np.stack(np.broadcast_arrays(blue, green, red), -1)
