"""The golden input: a computed image of a red can with a label and of a plum on a table, identical on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image


def golden_input(size: int) -> Image:
    """The image for self-checks, and an example for whatever needs a realistic input.

    It has no symmetry, and its colours decide what the authors' networks find: not the plum, but without colours, or
    with red and blue exchanged, the plum as well, at any size from 128 to 320. Positions and colours were searched for,
    so that this makes a large difference and 8 bits a small one.

    Args:
        size: S.

    Returns:
        ``(S, S, 3)`` uint8 BGR. The authors' networks find the can and its label, a seventh of it, with sharp edges.
    """
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    wall = _colour(117 - 38 * y + 21 * x, 192 - 4 * y - 1.51 * x, 174 + 0.89 * y + 15 * x)
    grain = 8 * np.sin(60 * x + 9 * y)
    table = _colour(120 + grain, 85 + grain, 186 + grain)
    image = np.where((y > 0.6 - 0.14 * x)[..., None], table, wall)
    image = _with_figure(image, (19, 73, 250), centre=(0.21, 0.45), radii=(0.13, 0.3), turned=-0.03, power=4)  # the can
    image = _with_figure(image, (106, 95, 176), centre=(0.31, 0.49), radii=(0.04, 0.1), turned=0.15)  # its label
    image = _with_figure(image, (162, 31, 100), centre=(0.6, 0.81), radii=(0.07, 0.16), turned=-0.25)  # the plum
    return np.asarray(np.rint(np.clip(image, 0, 255)), np.uint8)


def _with_figure(
    image: NDArray[Any],
    colour: tuple[int, int, int],
    *,
    centre: tuple[float, float],
    radii: tuple[float, float],
    turned: float,
    power: int = 2,
) -> NDArray[Any]:
    """Lay an ellipse, or with a higher power a rounded rectangle, over the image; its sides are shaded."""
    y, x = np.mgrid[0 : 1 : len(image) * 1j, 0 : 1 : len(image) * 1j]
    x, y = x - centre[0], y - centre[1]
    across = (np.cos(turned) * x + np.sin(turned) * y) / radii[0]
    along = (np.cos(turned) * y - np.sin(turned) * x) / radii[1]
    shade = 0.5 + 0.5 * np.sqrt(np.clip(1 - 0.9 * across**2, 0, 1))
    inside = np.abs(across) ** power + np.abs(along) ** power < 1
    return np.where(inside[..., None], _colour(*(value * shade for value in colour)), image)


def _colour(blue: NDArray[Any], green: NDArray[Any], red: NDArray[Any]) -> NDArray[Any]:
    return np.stack(np.broadcast_arrays(blue, green, red), -1)
