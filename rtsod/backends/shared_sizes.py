"""The input sizes that the program chooses among by itself, so that one conversion or export serves all of them."""

from __future__ import annotations

from typing import Final

SHARED_SIZES: Final = (320, 256, 224, 192, 160, 128)
"""In pixels. A network is converted or exported at the first."""


def shared_sizes(size: int) -> tuple[int, ...]:
    """The sizes that one conversion serves, with this one among them."""
    return SHARED_SIZES if size in SHARED_SIZES else (size,)
