"""Opens a data set: finds its pictures and masks, pairs them and says what it is. It reads no pixels."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rtsod.data.demo.made import HELD_OUT, demo_folder
from rtsod.data.folder import pair_folder
from rtsod.data.layouts import is_picture
from rtsod.data.list_file import pairs_from_list
from rtsod.data.pairing import Pairing, counted
from rtsod.data.pairs import Pair
from rtsod.data.published import Role, published_set, role_of
from rtsod.data.spec import Spec, parse_spec
from rtsod.errors import DataError
from rtsod.imaging.stills.still_format import STILL_SUFFIXES
from rtsod.progress import BuildProgress


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
    """In natural order of their names, 2 before 10, or in a list's order. Never empty."""
    complaints: tuple[str, ...] = ()
    """Lines for the user: what is odd, but no error."""
    weight: float = 1.0
    """How often each of its pictures is drawn in training, relative to a picture of a data set with weight 1."""
    inverted: bool | None = None
    """Whether the masks are white where the background is, if the user said so."""


Opener = Callable[[Spec, BuildProgress], Dataset]


def _from_demo(spec: Spec, progress: BuildProgress) -> Dataset:
    folder = demo_folder(spec.place, progress)
    _, pairing = pair_folder(folder)
    role: Role | None = None if spec.place == HELD_OUT else "train"
    return Dataset(f"demo-{spec.place}" if spec.place else "demo", folder, "made by rtsod", role, pairing.pairs)


SCHEMES: Final[dict[str, Opener]] = {"demo": _from_demo}
"""What opens a name such as ``demo:``, by its scheme. Its weight is set by :func:`open_dataset`."""


def _say_nothing(phase: str, done: int, total: int) -> None:
    pass


def open_dataset(spec: str | Path, progress: BuildProgress = _say_nothing) -> Dataset:
    """Open a data set.

    Args:
        spec: a folder or a list file; as text, options may follow, see :mod:`rtsod.data.spec`.
        progress: told how far a data set is that has to be made first.

    Raises:
        DataError: nothing is there, files lack their counterparts, or what is what cannot be told.
    """
    parsed = parse_spec(spec) if isinstance(spec, str) else Spec(str(spec))
    if parsed.scheme is not None:
        if parsed.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}:" for scheme in SCHEMES)
            raise DataError(f"{spec}: is no data set: give a folder or a list file{f', or {known}' if known else ''}")
        return replace(SCHEMES[parsed.scheme](parsed, progress), weight=parsed.weight)
    path = parsed.path
    try:
        opened = _from_folder(path) if path.is_dir() else _from_file(path)
    except OSError as error:  # of names that no file system takes, and folders that may not be entered
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return replace(opened, weight=parsed.weight, inverted=parsed.inverted)


def _from_folder(folder: Path) -> Dataset:
    layout, pairing = pair_folder(folder)
    if not pairing.pairs:
        raise DataError(f"{folder}: {_no_pairs(pairing)}")
    if pairing.problem is not None:
        count = counted(len(pairing.pairs), "pair")
        raise DataError(
            f"{folder}: {count}, but {pairing.problem}{_nearest(pairing)}: add or remove files, or give a list file of "
            "the pairs"
        )
    published = published_set(layout.names)
    if published is None:
        name = Path(os.path.abspath(folder)).name
        return Dataset(
            name, folder, layout.description, role_of(layout.names), pairing.pairs, _inner_test(name, pairing)
        )
    complaints: tuple[str, ...] = ()
    if len(pairing.pairs) != published.pairs:
        complaints = (f"{published.name}: {counted(len(pairing.pairs), 'pair')}, but {published.pairs} are published",)
    return Dataset(published.name, folder, layout.description, published.role, pairing.pairs, complaints)


def _from_file(path: Path) -> Dataset:
    if not path.exists():
        raise DataError(f"{path}: there is no such folder or list file")
    if not path.is_file():
        raise DataError(f"{path}: is neither a folder nor a list file")
    if is_picture(path):
        raise DataError(f"{path}: is one picture: give the folder that holds it and its mask, or a list file")
    pairs = pairs_from_list(path)
    folders = {pair.image.resolve().parent for pair in pairs}
    of_sets = {published_set((f"{folder.parent.name}/{folder.name}",)) for folder in folders}
    roles = {None if found is None else found.role for found in of_sets}
    role: Role | None = "test" if "test" in roles else "train" if roles == {"train"} else None
    return Dataset(path.stem, path, "list", role, pairs)


def _inner_test(name: str, pairing: Pairing) -> tuple[str, ...]:
    """A line for the user if some pairs lie in a subfolder for testing: the whole is no test set, but holds one."""
    inner = sum(role_of((folder,)) == "test" for pair in pairing.pairs for folder in pair.name.split("/")[:-1])
    return (
        (f"{name}: {counted(inner, 'pair')} in a subfolder for testing: a list file can leave them out",)
        if inner
        else ()
    )


def _no_pairs(pairing: Pairing) -> str:
    endings = " ".join(sorted(suffix.lstrip(".") for suffix in STILL_SUFFIXES))
    images, masks = counted(len(pairing.lonely_images), "picture"), counted(len(pairing.lonely_masks), "mask")
    found = f"{images}, {masks}, but no pairs"
    hint = _nearest(pairing)
    if pairing.duplicates:
        hint = f"; {pairing.problem}"
    return f"{found}{hint}: a picture and its mask have the same name but for the ending, one of {endings}"


def _nearest(pairing: Pairing) -> str:
    nearest = pairing.nearest
    return f"; nearest: {nearest[0].name} and {nearest[1].name}" if nearest else ""
