"""A picture with its mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture with its mask: two files, which :func:`rtsod.data.reading.read_pair` reads."""

    name: str
    """The picture's path within its folder, without the suffix: ``0001``, or ``street/0001``. Unique in a data set."""
    image: Path
    mask: Path
    white: int = 255
    """The stored value of the mask, 1..255, that means foreground; 1 where a data set has masks of 0 and 1."""
    inverted: bool = False
    """The mask is white where the background is."""
