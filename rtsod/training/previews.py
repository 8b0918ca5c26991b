"""``previews/``: what the network makes of the same few held-out pictures, validation after validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Image
from rtsod.imaging.fit import fit
from rtsod.system.files import replace_file
from rtsod.training.samples import Pictures
from rtsod.training.spread import evenly

SHOWN: Final = 8
"""Pictures of a preview."""
NEWEST: Final = 4
"""Previews that are kept besides the first and the best, so that a long run does not fill a disk."""
_COLUMNS: Final = 2
_WIDTH, _HEIGHT = 160, 120
"""Of a picture, in pixels; three stand side by side."""
_GAP: Final = 6
_PREFIX: Final = "step-"


def chosen(count: int) -> list[int]:
    """The numbers of the pictures that are shown: evenly spread, and the same in every validation.

    Args:
        count: held-out pictures.
    """
    return evenly(count, SHOWN)


def drawn(pictures: Pictures, map_of: Callable[[Image], Image]) -> Image:
    """Picture, mask and map of the chosen ones.

    Args:
        pictures: held out; at least one.
        map_of: gives a picture's map, ``(H, W)`` uint8, at its own size.

    Returns:
        ``(h, w, 3)`` uint8 BGR.
    """
    tiles = []
    for number in chosen(len(pictures)):
        image, label = pictures[number]
        shown = [_small(each) for each in (image, label, map_of(image))]
        tiles.append(np.pad(np.hstack(shown), ((0, _GAP), (0, _GAP), (0, 0)), constant_values=128))
    tiles += [np.full_like(tiles[0], 128)] * (-len(tiles) % _COLUMNS if len(tiles) > 1 else 0)
    columns = min(_COLUMNS, len(tiles))
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    return np.asarray(np.vstack(rows)[:-_GAP, :-_GAP], np.uint8)


def save(folder: Path, step: int, picture: Image) -> None:
    """Write a preview.

    Args:
        folder: created when needed.
        step: of the validation.
        picture: of :func:`drawn`.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(exist_ok=True)
    replace_file(folder / f"{_PREFIX}{step:08d}.png", cv2.imencode(".png", picture)[1].tobytes())


def saved(folder: Path) -> dict[int, Path]:
    """The previews of a folder by their step, the first first."""
    found = {path.stem.removeprefix(_PREFIX): path for path in sorted(folder.glob(f"{_PREFIX}*.png"))}
    return {int(step): path for step, path in found.items() if step.isdigit()}


def kept(steps: Sequence[int], best: int | None) -> set[int]:
    """The steps whose previews are kept: the first, the best, and the newest.

    Args:
        steps: of all validations, in order.
        best: of them, if there is one.
    """
    return {*steps[:1], *steps[-NEWEST:], *([] if best is None else [best])}


def prune(folder: Path, keep: Iterable[int]) -> None:
    """Delete all other previews, those of steps that a resumed run takes anew included.

    Raises:
        OSError: one cannot be deleted.
    """
    wanted = set(keep)
    for step, path in saved(folder).items():
        if step not in wanted:
            path.unlink(missing_ok=True)


def _small(image: Image) -> Image:
    colour = image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return fit(colour, _WIDTH, _HEIGHT)
