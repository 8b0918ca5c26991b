"""Protocols: what a network sees of a picture, what becomes of its map, and how the map is read.

The same network scores differently under each, so that a number means nothing without its protocol:

* ``paper``: as the U²-Net authors made and measured their maps, to be compared with the paper;
* ``fan``: the authors' maps, measured as PySODMetrics does by default, to be compared with most papers since;
* ``plain``: nothing is stretched: what a camera's frame gets from this program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from rtsod.evaluation.catalogue import BESIDE_FAN, BESIDE_PAPER, FAN, PAPER, Metric
from rtsod.evaluation.curves import Levels, Map
from rtsod.frames import Alpha, Image

ProtocolName: TypeAlias = Literal["paper", "fan", "plain"]
PROTOCOLS: Final[tuple[ProtocolName, ...]] = get_args(ProtocolName)
FOREGROUND_ABOVE: Final = 128
"""A mask's pixel is foreground if its level, 0..255, is higher: in the authors' tool and in PySODMetrics."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How maps are made and measured."""

    name: ProtocolName
    summary: str
    """For tables and pages; one sentence."""
    own_maximum: bool
    """A picture is divided by its own maximum instead of 255, and the network's map is stretched to 0..1."""
    read: Callable[[Levels], Levels | Map]
    """A map of 8 bits as the metrics take it."""
    main: tuple[Metric, ...]
    """The numbers that the first table shows."""
    others: tuple[Metric, ...]
    soft_mae: bool = False
    """The MAE is taken against the mask's own levels, not against its foreground."""


def authors_map(saliency: Alpha, height: int, width: int) -> Levels:
    """A network's map as the authors' test script writes it: stretched, cut to 8 bits, then enlarged.

    The order and the rounding matter: levels are cut off, not rounded, *before* Pillow enlarges the map bilinearly.
    Done so, maps of the authors' eight test pictures differ from the authors' own by a mean of .0003 (full) and .0004
    (lite); with rounding, by .0013 and .0014.

    Args:
        saliency: ``(S, S)`` float32 in [0, 1]. A flat map is not stretched.
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Returns:
        ``(height, width)`` uint8.
    """
    low, high = float(saliency.min()), float(saliency.max())
    stretched = (saliency - low) / (high - low) if high > low else saliency
    return _enlarged((stretched * 255).astype(np.uint8), height, width)


def plain_map(saliency: Alpha, height: int, width: int) -> Levels:
    """A network's map, enlarged bilinearly and rounded to 8 bits. Nothing is stretched.

    Args:
        saliency: ``(S, S)`` float32 in [0, 1].
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Returns:
        ``(height, width)`` uint8.
    """
    return np.rint(_enlarged(saliency, height, width) * 255).astype(np.uint8)


def to_size_of_truth(levels: Levels, truth: Image) -> Levels:
    """A map at its mask's size, bilinear; the mask itself is never scaled.

    Args:
        levels: ``(h, w)`` uint8.
        truth: ``(H, W)`` uint8.
    """
    return levels if levels.shape == truth.shape else _enlarged(levels, *truth.shape)


def _enlarged(values: NDArray[np.uint8] | Alpha, height: int, width: int) -> NDArray[np.uint8]:
    """Bilinear as in Pillow, which the authors used; smaller than the map, it averages. Keeps the type."""
    scaled = PillowImage.fromarray(values).resize((width, height), PillowImage.Resampling.BILINEAR)
    return np.array(scaled, dtype=values.dtype)


def _by_maximum(levels: Levels) -> Levels | Map:
    """Divided by its own maximum, as the authors' tool reads maps (``mask_normalize``)."""
    peak = int(levels.max())
    return levels if peak in (0, 255) else levels / peak


def _stretched(levels: Levels) -> Map:
    """Stretched to its minimum and maximum, as PySODMetrics reads maps; a flat one is divided by 255."""
    values = levels / 255
    low, high = values.min(), values.max()
    return np.asarray((values - low) / (high - low) if high != low else values)


def _as_it_is(levels: Levels) -> Levels:
    return levels


_AUTHORS_MAPS: Final = (
    "pictures are scaled to the network's square and divided by their own maximum, maps are stretched to 0..1, cut to "
    "8 bits and enlarged bilinearly, as in the authors' test script"
)
BY_NAME: Final[dict[ProtocolName, Protocol]] = {
    "paper": Protocol(
        "paper",
        f"{_AUTHORS_MAPS}; maps are read divided by their maximum, maxF is F of the set's mean precision and recall, "
        "and MAE is taken against the mask's levels, as in the authors' evaluation tool",
        own_maximum=True,
        read=_by_maximum,
        main=PAPER,
        others=BESIDE_PAPER,
        soft_mae=True,
    ),
    "fan": Protocol(
        "fan",
        f"{_AUTHORS_MAPS}; maps are stretched again when they are read, and maxF is the maximum of the mean of the "
        "pictures' F, as PySODMetrics does by default",
        own_maximum=True,
        read=_stretched,
        main=FAN,
        others=BESIDE_FAN,
    ),
    "plain": Protocol(
        "plain",
        "pictures are divided by 255 and nothing is stretched: what a camera's frame gets from this program",
        own_maximum=False,
        read=_as_it_is,
        main=PAPER,
        others=BESIDE_PAPER,
    ),
}
