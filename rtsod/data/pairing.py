"""Pairs pictures with masks by their names, never by their order: a missing file shifts nothing."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.data.pairs import Pair
from rtsod.system.names import natural_order

_ENDINGS: Final = tuple(
    separator + word for separator in "_-." for word in ("mask", "gt", "alpha", "matte", "label", "labels", "seg")
)
"""What tools add to the name of a picture to name its mask, in lower case."""
_NAMED: Final = 3
"""How many files a message names."""
_SIMILAR: Final = 0.6
"""difflib's ratio from which two names are alike, its own default."""
_MAX_COMPARED: Final = 500
"""Names that are compared to find the nearest: the search is quadratic."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """What belongs together, and what is left."""

    pairs: tuple[Pair, ...]
    """In natural order of their names."""
    lonely_images: tuple[Path, ...]
    """Pictures without a mask."""
    lonely_masks: tuple[Path, ...]
    """Masks without a picture."""
    duplicates: tuple[tuple[Path, ...], ...]
    """Files of one kind that have the same name but for the suffix, so that the counterpart has a choice."""

    @property
    def problem(self) -> str | None:
        """A part of a line that says what is left, with counts and the first names; None if nothing is."""
        twice = [paths[-1] for paths in self.duplicates]
        parts = [
            f"{counted(len(files), *words)} ({first_names(path.name for path in files)})"
            for files, words in (
                (twice, ("name is taken twice", "names are taken twice")),
                (self.lonely_images, ("picture has no mask", "pictures have no mask")),
                (self.lonely_masks, ("mask has no picture", "masks have no picture")),
            )
            if files
        ]
        return ", ".join(parts) or None

    @property
    def nearest(self) -> tuple[Path, Path] | None:
        """The picture and the mask, both alone, whose names are most alike; None if none are."""
        masks = {mask.stem.casefold(): mask for mask in self.lonely_masks[:_MAX_COMPARED]}
        best: tuple[float, Path, Path] | None = None
        for image in self.lonely_images[:_MAX_COMPARED]:
            stem = image.stem.casefold()
            for found in difflib.get_close_matches(stem, masks, n=1, cutoff=_SIMILAR):
                ratio = difflib.SequenceMatcher(a=stem, b=found).ratio()
                if best is None or ratio > best[0]:
                    best = ratio, image, masks[found]
        return None if best is None else best[1:]


def pair_by_name(images: Mapping[Path, str], masks: Mapping[Path, str]) -> Pairing:
    """Pair pictures with masks of the same name; a mask's name may end in ``_mask`` or the like.

    Args:
        images: of each picture, its name: see :attr:`Pair.name`.
        masks: likewise.
    """
    by_image = _by_name(images)
    by_mask: dict[str, list[Path]] = {}
    for name, paths in _by_name(masks).items():
        by_mask.setdefault(_counterpart(name, by_image), []).extend(paths)
    shared = by_image.keys() & by_mask.keys()
    pairs = [
        Pair(name, by_image[name][0], by_mask[name][0])
        for name in sorted(shared, key=natural_order)
        if len(by_image[name]) == len(by_mask[name]) == 1
    ]
    named = [*by_image.values(), *by_mask.values()]
    return Pairing(
        tuple(pairs),
        tuple(path for name in sorted(by_image.keys() - shared, key=natural_order) for path in by_image[name]),
        tuple(path for name in sorted(by_mask.keys() - shared, key=natural_order) for path in by_mask[name]),
        tuple(sorted(tuple(sorted(paths)) for paths in named if len(paths) > 1)),
    )


def name_of(path: Path, folder: Path) -> str:
    """The name of a file within its data set: its path in the folder without the suffix, as :attr:`Pair.name`.

    Unicode is normalized: macOS stores accents apart from their letters, other systems do not.
    """
    return unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())


def _by_name(files: Mapping[Path, str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path, name in files.items():
        found.setdefault(name, []).append(path)
    return found


def without_ending(mask: str) -> str | None:
    """The name of a mask without an ending such as ``_mask``; None if it has none."""
    ending = next((ending for ending in _ENDINGS if mask[-len(ending) :].lower() == ending), "")
    return mask[: -len(ending)] if ending and len(mask) > len(ending) else None


def _counterpart(mask: str, images: Container[str]) -> str:
    bare = None if mask in images else without_ending(mask)
    return bare if bare is not None and bare in images else mask


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 mask``, ``2 masks``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def first_names(names: Iterable[str]) -> str:
    """The first few names of many, for a message."""
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + ("" if len(listed) <= _NAMED else ", ...")
