"""Opens a data set: finds its pictures and masks, pairs them and says what it is. It reads no pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from rtsod.data.pairs import Pair
from rtsod.errors import DataError

Role: TypeAlias = Literal["train", "test"]
"""What a data set is for, by its publishers' word. A test set is refused as training or validation data."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures with masks. Look them over with :func:`rtsod.data.examination.examine` before you use them."""

    name: str
    """The published name, such as ``DUTS-TE``; of other data, the folder's or the list file's name."""
    folder: Path
    """The folder, or the list file, that it was opened from."""
    layout: str
    """Where pictures and masks lie, for messages: ``im/ + gt/``, ``one folder``, ``list``."""
    role: Role | None
    """None where neither the name nor the layout tells."""
    pairs: tuple[Pair, ...]
    """In natural order of their names: 2 comes before 10. Never empty."""
    complaints: tuple[str, ...] = ()
    """Lines for the user: what is odd, but no error."""
    weight: float = 1.0
    """How often each of its pictures is drawn in training, relative to a picture of a data set with weight 1."""


def open_dataset(spec: str | Path) -> Dataset:
    """Open a data set.

    Args:
        spec: a folder or a list file; as text, options may follow after ``@``, see :mod:`rtsod.data.spec`.

    Raises:
        DataError: nothing is there, files lack their counterparts, or what is what cannot be told.
    """
    folder = Path(spec)
    images = {path.stem: path for path in sorted((folder / "im").glob("*"))}
    masks = {path.stem: path for path in sorted((folder / "gt").glob("*"))}
    pairs = tuple(Pair(name, images[name], masks[name]) for name in images if name in masks)
    if not pairs:
        raise DataError(f"{folder}: no pairs of pictures and masks in im/ and gt/")
    return Dataset(folder.name, folder, "im/ + gt/", None, pairs)
