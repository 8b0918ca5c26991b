"""What a frame with a label is, to training and to measuring."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from rtsod.frames import Alpha, Image

ZOOMED: Final = 1.25
"""Pictures are kept larger than the input by this, so that a window that enlarges finds its pixels."""
LEAST_SUBJECT: Final = 0.01
"""Share of the picture that a label must mark for somebody to be there."""


def as_levels(alpha: Alpha) -> Image:
    """A map in [0, 1] as 8-bit levels."""
    return np.rint(alpha * 255).astype(np.uint8)


class Labelled(Protocol):
    """A frame with its label."""

    @property
    def picture(self) -> Image:
        """``(P, P, 3)`` uint8 BGR: the frame, scaled as engines do, :data:`ZOOMED` times as large as they see it."""
        ...

    @property
    def seen(self) -> Image:
        """``(S, S, 3)`` uint8 BGR: exactly what the engine sees."""
        ...

    @property
    def label(self) -> Image:
        """``(L, L)`` uint8, 0..255."""
        ...

    @property
    def alpha(self) -> Alpha:
        """The label, in [0, 1]."""
        ...
