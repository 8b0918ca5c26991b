"""The result of a refinement: alpha at the size of the frame, and the subject's colours at its edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from rtsod.frames import Alpha, Image
from rtsod.refine.upsample import upsample


@dataclass(frozen=True, slots=True)
class Matte:
    """The subject of a frame, separated from its background."""

    alpha: Alpha
    """``(H, W)`` float32 in [0, 1], owned by the caller."""
    foreground: Image
    """``(H, W, 3)`` uint8 BGR: the frame; where alpha is between 0 and 1, the subject's own colour without the old
    background's share. It may be the frame's own array, so do not write into it."""


Refine: TypeAlias = Callable[[Image, Alpha], Matte]
"""Turns a frame ``(H, W, 3)`` and its map ``(S, S)`` into a :class:`Matte`. A pure function: frames may differ in
size."""


def unrefined(image: Image, mask: Alpha) -> Matte:
    """``--refine off``: the map upsampled bilinearly, and the frame's colours as they are.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        mask: ``(S, S)`` float32 in [0, 1].

    Returns:
        The matte. Its foreground is ``image`` itself.
    """
    return Matte(upsample(mask, image.shape[1], image.shape[0]), image)
