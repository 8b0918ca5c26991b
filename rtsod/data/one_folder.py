"""Tells pictures from masks where they lie together in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rtsod.data.pairing import Pairing, pair_by_name, without_ending
from rtsod.errors import DataError, SourceError
from rtsod.imaging.stills.image_file import has_colours
from rtsod.imaging.stills.still_format import still_format

_LOSSY: Final = "JPEG"
"""The format that pictures are in, and masks are not."""


def pair_in_one_folder(files: Mapping[Path, str]) -> Pairing:
    """Pair the pictures with the masks of a folder that holds both: ``X.jpg`` and ``X.png``, or ``X_mask.png``.

    Of files with the same name, the JPEG is the picture. If all are, or none, the one with colours is.

    Args:
        files: of each, its name: see :attr:`rtsod.data.pairs.Pair.name`.

    Raises:
        DataError: neither tells.
    """
    by_name: dict[str, list[Path]] = {}
    for path, name in files.items():
        by_name.setdefault(name, []).append(path)
    images: dict[Path, str] = {}
    masks: dict[Path, str] = {}
    for name, group in by_name.items():
        if len(group) == 1:
            is_mask = without_ending(name) in by_name or not _is_image(group[0])
            (masks if is_mask else images)[group[0]] = name
            continue
        chosen = _images_among(group)
        for path in group:
            (images if path in chosen else masks)[path] = name
    return pair_by_name(images, masks)


def _images_among(group: list[Path]) -> list[Path]:
    """The pictures among files with the same name; the others are masks."""
    for is_image in (_is_lossy, _has_colours):
        chosen = [path for path in group if is_image(path)]
        if 0 < len(chosen) < len(group):
            return chosen
    names = " and ".join(path.name for path in group)
    raise DataError(f"{group[0].parent}: which of {names} is the mask? Put the pictures into im/, the masks into gt/")


def _is_image(path: Path) -> bool:
    return _is_lossy(path) or _has_colours(path)


def _is_lossy(path: Path) -> bool:
    return still_format(path) == _LOSSY


def _has_colours(path: Path) -> bool:
    try:
        return has_colours(path)
    except SourceError as error:
        raise DataError(str(error)) from error
