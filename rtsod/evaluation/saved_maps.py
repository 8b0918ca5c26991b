"""Folders of maps: other programs' results, and those that an evaluation keeps, so that it can go on later."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import cv2

from rtsod.data.dataset import Dataset
from rtsod.data.pairs import Pair
from rtsod.errors import DataError, UsageError
from rtsod.evaluation.curves import Levels
from rtsod.imaging.stills.still_format import has_still_suffix
from rtsod.system.files import json_from_text, output_error, read_text, replace_file, write_text

MANIFEST: Final = "maps.json"
"""In a folder of maps that this program made: what made them."""
PICTURES: Final = "pictures.jsonl"
"""Beside it: of which picture each map is, by a digest. Data sets that share a name may share their pictures' names."""
_NAMED: Final = 3
"""How many names a message lists."""


@dataclass(frozen=True, slots=True)
class FoundMaps:
    """The maps of a data set in a folder."""

    paths: tuple[Path, ...]
    """One for each pair, in the order of the pairs."""
    complaints: tuple[str, ...]
    """Lines for the user."""


def find_maps(folder: Path, dataset: Dataset, *, several: bool) -> FoundMaps:
    """The map of each picture of a data set: the file of the same name, whatever its suffix; PNG goes before others.

    Args:
        folder: with the maps directly in it, or in a folder that is named like the data set.
        dataset: whose pictures the maps are of.
        several: more than one data set is evaluated, so that each must have a folder of its own.

    Raises:
        DataError: there is no such folder, or a picture has no map.
    """
    place = _place(folder, dataset.name, several)
    found: dict[str, Path] = {}
    try:
        for path in sorted(place.rglob("*"), key=lambda path: (path.suffix.lower() != ".png", path)):
            if has_still_suffix(path) and not path.name.startswith("."):
                found.setdefault(path.relative_to(place).with_suffix("").as_posix(), path)
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
    names = [pair.name for pair in dataset.pairs]
    last_parts = [PurePosixPath(name).name for name in names]
    if len(set(last_parts)) == len(names) and not set(names) & set(found):
        names = last_parts  # pictures lie in folders, and their maps all in one
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(
            f"{place}: {len(missing)} of the {len(names)} pictures of {dataset.name} have no map: {_some(missing)}: "
            "a map has the name of its picture"
        )
    extra = sorted(set(found) - set(names))
    complaints = (f"{place}: {len(extra)} maps are of no picture of {dataset.name}: {_some(extra)}",) if extra else ()
    return FoundMaps(tuple(found[name] for name in names), complaints)


def _place(folder: Path, name: str, several: bool) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder of maps")
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.casefold() == name.casefold()]
    if inner:
        return inner[0]
    if several:
        raise DataError(f"{folder}: has no folder {name}: with several data sets, each has a folder of maps in it")
    return folder


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


class MapStore:
    """A folder that maps are kept in while they are made. What it holds of the same network is not made again.

    Args:
        folder: for the maps; a folder for each data set is made in it.
        identity: what makes the maps. Maps of another identity are not mixed with these.

    Raises:
        UsageError: the folder holds something else.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: Path, identity: dict[str, object]) -> None:
        self._folder = folder
        manifest = folder / MANIFEST
        try:
            folder.mkdir(parents=True, exist_ok=True)
            inside = any(folder.iterdir())
            made = json_from_text(read_text(manifest)) if manifest.exists() else None
        except OSError as error:
            raise output_error(folder, error) from error
        except ValueError as error:
            raise UsageError(f"--save-maps {folder}: {MANIFEST} is damaged: give another folder") from error
        if inside and made is None:
            raise UsageError(f"--save-maps {folder}: is not empty: give a new folder")
        if made is not None and made != identity:
            raise UsageError(f"--save-maps {folder}: holds maps of another network or protocol: give a new folder")
        if made is None:
            write_text(manifest, json.dumps(identity, indent=2, ensure_ascii=False) + "\n")
        self._pictures = _known_pictures(folder / PICTURES)

    def get(self, data_set: str, pair: Pair) -> Levels | None:
        """The map of a picture that is there already, ``(H, W)`` uint8; None if it is not, or cannot be read."""
        path = self._path(data_set, pair.name)
        known = self._pictures.get(_key(data_set, pair))
        if not known or known != _digest(pair.image):
            return None
        try:
            return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None  # type: ignore[return-value]
        except cv2.error:
            return None

    def keep(self, data_set: str, pair: Pair, levels: Levels) -> None:
        """Write the map of a picture as a PNG file, completely or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        path, key, digest = self._path(data_set, pair.name), _key(data_set, pair), _digest(pair.image)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._pictures.get(key) != digest:
                path.unlink(missing_ok=True)  # the line must not vouch for a map of another picture, whatever ends this
                with (self._folder / PICTURES).open("ab") as lines:
                    lines.write(b"\n" + json.dumps({"map": key, "picture": digest}).encode())
                self._pictures[key] = digest
            replace_file(path, cv2.imencode(".png", levels)[1].tobytes())
        except OSError as error:
            raise output_error(path, error) from error

    def _path(self, data_set: str, name: str) -> Path:
        """Of a map. A name that leads elsewhere would read, or replace, what is no map of this folder."""
        root = Path(os.path.abspath(self._folder))
        place = Path(os.path.abspath(root / data_set))
        path = Path(os.path.abspath(place / f"{name}.png"))
        if not (place.is_relative_to(root) and path.is_relative_to(place)):
            raise UsageError(
                f"--save-maps {self._folder}: the map of {name} of {data_set} would lie outside: rename the picture"
            )
        return path


def _key(data_set: str, pair: Pair) -> str:
    return f"{data_set}/{pair.name}"


def _digest(picture: Path) -> str:
    """Of a picture's bytes; empty if they cannot be read, which is an error where the picture is decoded."""
    try:
        with picture.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _known_pictures(path: Path) -> dict[str, str]:
    """The digest of the picture of each map. A line that a killed process left unfinished counts for nothing."""
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise output_error(path, error) from error
    known: dict[str, str] = {}
    for line in lines:
        try:
            record = json.loads(line)
            known[str(record["map"])] = str(record["picture"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return known
