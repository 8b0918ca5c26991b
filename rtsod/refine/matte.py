"""What a refinement gives: the alpha at the frame's size, and the subject's own colours at its edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from rtsod.frames import Alpha, Image
from rtsod.refine.upsample import upsample


@dataclass(frozen=True, slots=True)
class Matte:
    """A frame, taken apart. Both arrays are the caller's, unless said otherwise."""

    alpha: Alpha
    """``(H, W)`` float32 in [0, 1]."""
    foreground: Image
    """``(H, W, 3)`` uint8 BGR: the frame, and where alpha is between 0 and 1 the subject's colour without the old
    background's. It may be the frame itself: nobody writes into it."""


Refine: TypeAlias = Callable[[Image, Alpha], Matte]
"""From a frame ``(H, W, 3)`` and its mask ``(S, S)`` to its :class:`Matte`: pure, so frames may come in any size."""


def unrefined(image: Image, mask: Alpha) -> Matte:
    """``--refine off``: bilinear, as the authors bring their maps to size, over the frame as it is."""
    return Matte(upsample(mask, image.shape[1], image.shape[0]), image)
