"""What is wrong, or odd, in the pictures and masks of a data set taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rtsod.data.facts import FOREGROUND, MaskFacts
from rtsod.data.pairing import counted, first_names
from rtsod.data.pairs import Pair
from rtsod.errors import DataError
from rtsod.imaging.stills.image_file import Header

WHITE: Final = 255
_BRIGHT: Final = 128
"""Masks that are all darker than this are not soft masks: they hold class numbers, or were scaled by mistake."""
_MOSTLY: Final = 0.5
"""Mean share of foreground in a data set above which its masks may be inverted ..."""
_AT_THE_BORDER: Final = 0.7
"""... if this share of the pictures' border is foreground, too. A person who fills the picture covers the lower edge
and less than half of two more; a background covers nearly all of it."""
_SIDEWAYS: Final = (5, 6, 7, 8)
"""EXIF's orientations that exchange width and height."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How to read the masks of a data set."""

    white: int
    """See :class:`rtsod.data.pairs.Pair`."""
    inverted: bool
    notes: tuple[str, ...]
    """Lines for the user."""


def check_sizes(name: str, pairs: Sequence[Pair], headers: Sequence[tuple[Header, Header]]) -> tuple[str, ...]:
    """Refuse pictures whose masks have another size.

    Args:
        name: of the data set.
        pairs: all of it.
        headers: of each pair's picture and mask.

    Returns:
        Lines for the user.

    Raises:
        DataError: there are some.
    """
    wrong = [
        (pair, image, mask)
        for pair, (image, mask) in zip(pairs, headers, strict=True)
        if (image.width, image.height) != (mask.width, mask.height)
    ]
    if wrong:
        named = first_names(
            f"{pair.image.name} {image.width}x{image.height}, {pair.mask.name} {mask.width}x{mask.height}"
            for pair, image, mask in wrong
        )
        turned = any((i.width, i.height) == (m.height, m.width) and _sideways(i) != _sideways(m) for _, i, m in wrong)
        hint = (
            "EXIF turns one of the two: remove its orientation, for example with exiftool -Orientation= FILE"
            if turned
            else "make masks of the pictures' size"
        )
        raise DataError(f"{name}: {counted(len(wrong), 'mask')} of another size than the picture ({named}): {hint}")
    upside_down = [
        pair.image.name
        for pair, (image, mask) in zip(pairs, headers, strict=True)
        if image.orientation != mask.orientation
    ]
    if not upside_down:
        return ()
    return (
        f"{name}: EXIF turns {counted(len(upside_down), 'picture')} but not the mask ({first_names(upside_down)}): "
        "make sure that these masks are upright",
    )


def judge_masks(name: str, pairs: Sequence[Pair], masks: Sequence[MaskFacts], inverted: bool | None) -> Judgement:
    """Find out how the masks are to be read.

    Args:
        name: of the data set.
        pairs: all of it.
        masks: facts about each pair's mask.
        inverted: what the user says; None if nothing.

    Raises:
        DataError: all masks are empty, not all have the same white, or they seem to be inverted.
    """
    used = [(pair, mask) for pair, mask in zip(pairs, masks, strict=True) if mask.highest]
    if not used:
        raise DataError(f"{name}: all masks are empty: nothing in them is above 0")
    white, notes = _white(name, used)
    shares = np.array([mask.foreground / (mask.width * mask.height) for mask in masks])
    border = float(np.mean([mask.border for mask in masks]))
    if inverted is None and shares.mean() > _MOSTLY and border > _AT_THE_BORDER:
        raise DataError(
            f"{name}: the masks are white on {shares.mean():.0%} of the pictures and {border:.0%} of their borders, so "
            "they seem to be inverted: white is the subject. Add @inverted to the data set's name, or @not-inverted if "
            "they are right"
        )
    flipped = bool(inverted)
    sizes = [mask.width * mask.height for mask in masks]
    areas = [size - mask.foreground if flipped else mask.foreground for mask, size in zip(masks, sizes, strict=True)]
    empty = sum(area == 0 for area in areas)
    dots = sum(area == 1 for area in areas)
    full = sum(area == size for area, size in zip(areas, sizes, strict=True))
    if empty:
        what = f"{counted(empty, 'mask')} without foreground, of {len(masks)}"
        notes += (f"{name}: {what}: kept: nothing is there",)
    if dots:
        notes += (f"{name}: {counted(dots, 'mask')} of a single pixel: kept",)
    if full:
        notes += (f"{name}: {counted(full, 'mask')} of foreground alone: kept",)
    if soft := sum(mask.soft for mask in masks):
        what = f"{counted(soft, 'soft mask')}, of {len(masks)}"
        notes += (f"{name}: {what}: kept soft; what is above {FOREGROUND} counts as foreground",)
    return Judgement(white, flipped, notes)


def _white(name: str, used: Sequence[tuple[Pair, MaskFacts]]) -> tuple[int, tuple[str, ...]]:
    levels = {mask.highest for _, mask in used}
    highest = max(levels)
    if all(mask.two_valued for _, mask in used) and len(levels) == 1:
        if highest == WHITE:
            return WHITE, ()
        return highest, (f"{name}: the masks hold 0 and {highest}: {highest} is taken for white",)
    if highest < _BRIGHT:
        raise DataError(
            f"{name}: no mask is brighter than {highest} of {WHITE}: they hold class numbers, or are scaled wrongly: "
            "make masks of 0 and 255"
        )
    ones = [pair.mask.name for pair, mask in used if mask.highest == 1]
    if ones:
        raise DataError(
            f"{name}: {counted(len(ones), 'mask')} of 0 and 1 ({first_names(ones)}) among others that reach {highest}: "
            "multiply them by 255"
        )
    dark = [pair.mask.name for pair, mask in used if mask.highest < _BRIGHT]
    if dark:
        return WHITE, (f"{name}: {counted(len(dark), 'mask')} nowhere brighter than half: {first_names(dark)}",)
    return WHITE, ()


def _sideways(header: Header) -> bool:
    return header.orientation in _SIDEWAYS
