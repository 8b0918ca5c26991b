"""Reads a list of pictures with masks: one pair a line, in one column or in two."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from rtsod.data.folder import pair_folder
from rtsod.data.pairing import first_names
from rtsod.data.pairs import Pair
from rtsod.errors import DataError
from rtsod.system.files import read_text

_SEPARATORS: Final = (re.compile(r"\t+"), re.compile(r"\s*,\s*"), re.compile(r"\s+"))
"""What may stand between two columns."""
_MAX_BYTES: Final = 1 << 28
"""A list of a million pairs has less than half of that."""


def pairs_from_list(path: Path) -> tuple[Pair, ...]:
    """Read a list of pairs.

    With two columns, a line names a picture and its mask, separated by a tab, a comma or blanks. With one, it names a
    picture of the data set beside the list, or of the one that the picture lies in, by its path or its name. Paths are
    relative to the list. Empty lines, and those that begin with ``#``, are passed over.

    Args:
        path: of the list, in UTF-8.

    Returns:
        The pairs in the list's order.

    Raises:
        DataError: the list cannot be read or is empty, or files that it names do not exist or have no mask.
    """
    lines = _lines(path)
    columns = [_two_files(path.parent, line) for line in lines.values()]
    if any(columns):
        return _from_two_columns(path, dict(zip(lines, columns, strict=True)), lines)
    return _from_one_column(path, lines)


def _lines(path: Path) -> dict[int, str]:
    """The text of each line by its number."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: is too large for a list: name a folder, or a text file with a pair a line")
        text = read_text(path).removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: is neither a folder nor a list of pictures: it is no text in UTF-8") from error
    numbered = enumerate((line.strip() for line in text.splitlines()), 1)
    lines = {number: line for number, line in numbered if line and not line.startswith("#")}
    if not lines:
        raise DataError(f"{path}: the list is empty: write a picture and its mask on each line")
    if any("\0" in line for line in lines.values()):
        raise DataError(f"{path}: is neither a folder nor a list of pictures")
    return lines


def _two_files(base: Path, line: str) -> tuple[Path, Path] | None:
    """The two files that a line names, if both exist."""
    if (base / line).exists():
        return None
    for separator in _SEPARATORS:
        for match in separator.finditer(line):
            image, mask = base / _unquoted(line[: match.start()]), base / _unquoted(line[match.end() :])
            if image.is_file() and mask.is_file():
                return image, mask
    return None


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text


def _from_two_columns(
    path: Path, columns: dict[int, tuple[Path, Path] | None], lines: dict[int, str]
) -> tuple[Pair, ...]:
    missing = [number for number, files in columns.items() if files is None]
    if missing:
        raise _not_found(path, missing, lines, "name no picture and mask that exist")
    found = [files for files in columns.values() if files is not None]
    return tuple(Pair(name, *files) for name, files in zip(_names([image for image, _ in found]), found, strict=True))


def _from_one_column(path: Path, lines: dict[int, str]) -> tuple[Pair, ...]:
    first = path.parent / next(iter(lines.values()))
    elsewhere = [first.parent.parent, first.parent] if first.parent != path.parent else []
    for root in dict.fromkeys(root for root in (path.parent, *elsewhere) if root.is_dir()):
        try:
            _, pairing = pair_folder(root)
        except DataError:
            continue
        known: dict[str | Path, Pair] = {}
        for pair in pairing.pairs:
            known |= dict.fromkeys((pair.name, pair.image.name, _absolute(pair.image), _absolute(pair.mask)), pair)
        chosen = {number: known.get(line) or known.get(_absolute(path.parent / line)) for number, line in lines.items()}
        missing = [number for number, pair in chosen.items() if pair is None]
        if len(missing) < len(chosen):
            if missing:
                raise _not_found(path, missing, lines, f"name no picture with a mask in {root}")
            return tuple(dict.fromkeys(pair for pair in chosen.values() if pair is not None))
    raise _not_found(path, list(lines), lines, "name no picture with a mask")


def _not_found(path: Path, numbers: list[int], lines: dict[int, str], what: str) -> DataError:
    named = first_names(f"line {number}: {lines[number][:200]}" for number in numbers)
    count = f"{len(numbers)} of {len(lines)} lines {what}"
    return DataError(f"{path}: {count} ({named}): paths are relative to the list, a picture and its mask on each line")


def _absolute(path: Path) -> Path:
    return path.resolve()


def _names(images: list[Path]) -> list[str]:
    """Short names of pictures from anywhere: the stems; paths below the pictures' common folder where stems are taken.

    Whoever reads the list from another folder gets the same names, and none leads out of a folder that files of these
    names are written to.
    """
    stems = [image.stem for image in images]
    if len(set(stems)) == len(stems):
        return stems
    places = [Path(os.path.abspath(image)) for image in images]
    # Windows' drives have no folder in common: theirs are named by their letters.
    parts = [[re.sub(r"[:\\/]+", "", place.drive), *place.parts[1:]] for place in places]
    levels = list(zip(*(part[:-1] for part in parts), strict=False))
    common = next((depth for depth, names in enumerate(levels) if len(set(names)) > 1), len(levels))
    short = ["/".join([*part[common:-1], place.stem]) for part, place in zip(parts, places, strict=True)]
    owners: dict[str, set[Path]] = {}
    for name, place in zip(short, places, strict=True):
        owners.setdefault(name, set()).add(place)
    # Pictures that differ in nothing but their suffix keep it.
    return [
        name if len(owners[name]) == 1 else "/".join(part[common:]) for name, part in zip(short, parts, strict=True)
    ]
