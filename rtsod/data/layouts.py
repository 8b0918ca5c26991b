"""Finds where a data set's pictures and masks lie, as it is distributed and as it is usually repacked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.data.pairing import first_names
from rtsod.errors import DataError
from rtsod.imaging.stills.still_format import has_still_suffix, still_format
from rtsod.system.names import natural_order

IMAGE_NAMES: Final = ("im", "img", "imgs", "image", "images", "photos", "pictures", "rgb", "input", "original")
MASK_NAMES: Final = (
    *("gt", "gts", "mask", "masks", "label", "labels", "annotation", "annotations", "alpha", "alphas", "matte"),
    *("mattes", "segmentation", "ground_truth", "groundtruth", "pixelwisegt"),
)
"""Words in the names of folders with pictures, and with masks; a folder that has both kinds is one of masks."""
_IMAGES: Final = re.compile(rf"(?<![a-z])(jpeg)?({'|'.join(IMAGE_NAMES)})(?![a-z])", re.IGNORECASE)
_MASKS: Final = re.compile(rf"(?<![a-z])({'|'.join(MASK_NAMES)})(?![a-z])", re.IGNORECASE)
_GENERIC: Final = re.compile(r"(tr|te|train|training|test|testing|val|data|dataset)", re.IGNORECASE)
"""Names that only mean something together with the parent's."""
_MAX_DOUBLED: Final = 4
"""How many folders in folders are opened, each with nothing else beside it. Archives double one or two."""
_LITTER: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a data set's files lie."""

    images: Path
    masks: Path
    """The same folder where pictures and masks lie together."""
    description: str
    """For messages: ``im/ + gt/``, or ``one folder``."""
    names: tuple[str, ...]
    """Of folders, to tell which data set it is; see :func:`rtsod.data.published.published_set`."""


def find_layout(root: Path) -> Layout:
    """Find the folders of pictures and of masks.

    Args:
        root: an existing folder.

    Raises:
        DataError: there are none, or several.
    """
    names = [_own_name(root)]
    folder, (folders, files) = root, _entries(root)
    while len(names) <= _MAX_DOUBLED and len(folders) == 1 and not any(is_picture(path) for path in files):
        folder = folders[0]
        folders, files = _entries(folder)
        names.append(_own_name(folder))
    images = [path for path in folders if _IMAGES.search(path.name) and not _MASKS.search(path.name)]
    masks = [path for path in folders if _MASKS.search(path.name)]
    if len(images) == len(masks) == 1:
        inner = _undoubled(images[0]), _undoubled(masks[0])
        description = f"{images[0].name}/ + {masks[0].name}/"
        return Layout(*inner, description, (*names, images[0].name))
    if any(is_picture(path) for path in files):
        return Layout(folder, folder, "one folder", tuple(names))
    raise DataError(f"{root}: {_why_not(folder, folders, images, masks)}")


def pictures_in(folder: Path, *, deep: bool = True) -> list[Path]:
    """The pictures in a folder, in natural order. The name's ending tells, in any case; without one, the content.

    Args:
        folder: what hides, and what archives leave beside the pictures (``__MACOSX``), is passed over.
        deep: search its subfolders, too.

    Raises:
        DataError: it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"cannot read the folder {error.filename}: {error.strerror or error}") from error

    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(_kept(folders), key=natural_order) if deep else []
        here = (Path(place, name) for name in sorted(_kept(files), key=natural_order))
        found.extend(path for path in here if path.is_file() and is_picture(path))  # opening a pipe would wait
    return found


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, or is named like one: then reading it says what is wrong."""
    return has_still_suffix(path) or still_format(path) is not None


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        found = [folder / name for name in sorted(_kept(os.listdir(folder)), key=natural_order)]
        return [path for path in found if path.is_dir()], [path for path in found if path.is_file()]
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror or error}") from error


def _kept(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not name.startswith(".") and name.casefold() not in _LITTER)


def _undoubled(folder: Path) -> Path:
    """The folder that has the pictures, below others of one folder each, so that their names are no part of theirs."""
    for _ in range(_MAX_DOUBLED):
        folders, files = _entries(folder)
        if len(folders) != 1 or files:
            break
        folder = folders[0]
    return folder


def _own_name(root: Path) -> str:
    absolute = Path(os.path.abspath(root))
    generic = _GENERIC.fullmatch(absolute.name) or _IMAGES.search(absolute.name)
    return f"{absolute.parent.name}/{absolute.name}" if generic else absolute.name


def _why_not(folder: Path, folders: list[Path], images: list[Path], masks: list[Path]) -> str:
    found = first_names(f"{path.name}/" for path in folders) or "no folders and no pictures"
    if len(images) > 1 or len(masks) > 1:
        several = images if len(images) > 1 else masks
        what = "pictures" if len(images) > 1 else "masks"
        return (
            f"several folders may hold the {what} ({first_names(f'{path.name}/' for path in several)}): name a folder "
            "with one of pictures and one of masks, or give a list file"
        )
    if images or masks:
        missing, names = ("masks", MASK_NAMES) if images else ("pictures", IMAGE_NAMES)
        has = (images or masks)[0].name
        return (
            f"there is {has}/, but no folder of {missing} beside it, such as {names[0]}/ or {names[3]}/; found {found}"
        )
    inner = [path for path in folders if _holds_data(path)]
    if inner:
        return f"holds several data sets, {first_names(path.name for path in inner)}: name one of them"
    return (
        f"no pictures with masks: looked for a folder of pictures (im/, images/, ...) and one of masks (gt/, masks/, "
        f"...), or for both together (a.jpg, a.png); found {found}"
    )


def _holds_data(folder: Path) -> bool:
    try:
        find_layout(folder)
    except DataError:
        return False
    return True
