"""Opens the data sets of an evaluation: folders, list files, and ``scene:``, the drawn scene, which everybody has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np

from rtsod.data.dataset import Dataset, open_dataset
from rtsod.data.examination import examine
from rtsod.data.pairs import Pair
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import OutputError
from rtsod.progress import BuildProgress

SCENE: Final = "scene:"
"""Drawn pictures with their exact alpha. They show that everything works, and nothing about photographs."""
SCENE_PICTURES: Final = 16
"""Each of another room, at another moment. Enough for an interval, few enough for a minute on two cores."""
_SCENE_SIZE: Final = (480, 360)
_SECONDS_APART: Final = 7
"""No multiple of a period of the scene's motion, so that poses differ."""


@contextmanager
def open_data_sets(specs: Sequence[str], progress: BuildProgress) -> Iterator[tuple[Dataset, ...]]:
    """Open data sets and look every file over; what is drawn is deleted at the end.

    Args:
        specs: as :func:`rtsod.data.dataset.open_dataset` takes them, and ``scene:``.
        progress: told as files are read.

    Raises:
        DataError: nothing is there, or something is wrong with it.
        OutputError: the scene cannot be written into the folder for temporary files.
    """
    if SCENE not in specs:
        yield tuple(_examined(open_dataset(spec, progress), progress) for spec in specs)
        return
    with TemporaryDirectory(prefix="rtsod-scene-") as folder:
        scene = _drawn(Path(folder))
        yield tuple(scene if spec == SCENE else _examined(open_dataset(spec, progress), progress) for spec in specs)


def _examined(dataset: Dataset, progress: BuildProgress) -> Dataset:
    looked = examine(dataset, progress=progress)
    return replace(looked.dataset, complaints=looked.notes)


def _drawn(folder: Path) -> Dataset:
    pairs = []
    for number in range(SCENE_PICTURES):
        image, alpha = DrawnScene(*_SCENE_SIZE, fps=1, seed=number).render(number * _SECONDS_APART)
        pair = Pair(f"{number:02}", folder / f"{number:02}.png", folder / f"{number:02}-alpha.png")
        levels = np.rint(alpha * 255).astype(np.uint8)
        if not (cv2.imwrite(str(pair.image), image) and cv2.imwrite(str(pair.mask), levels)):
            raise OutputError(f"{folder}: the scene cannot be written there: free some space, or set TMPDIR")
        pairs.append(pair)
    return Dataset("scene", Path(SCENE), "drawn", "test", tuple(pairs))
