"""The result of a refinement: a subject separated from its background, ready to be laid over another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import cv2

from rtsod.frames import Alpha, Image, to_levels
from rtsod.refine.blend import blend
from rtsod.refine.upsample import upsample


class Matte(Protocol):
    """The subject of a frame: how opaque it is, and its colours.

    How a matte is stored decides how it is laid over a background at little cost, so it does that itself. Two store it
    differently: :class:`DenseMatte` and :class:`~rtsod.refine.sparse_matte.SparseMatte`.
    """

    @property
    def alpha(self) -> Alpha:
        """``(H, W)`` float32 in [0, 1]. Do not write into it."""

    @property
    def foreground(self) -> Image:
        """``(H, W, 3)`` uint8 BGR. Do not write into it.

        It is the frame, perhaps its own array; where alpha is between 0 and 1, it has the subject's own colour, without
        the old background's share.
        """

    @property
    def levels(self) -> Callable[[], Image]:
        """Makes alpha as ``(H, W)`` uint8, 0..255, when it is called. It holds no pixel of the frame."""

    def suppress(self, limit: float) -> None:
        """Set alpha to 0 wherever it is at most ``limit``, in place."""

    def over(self, background: Image) -> Image:
        """The subject in front of a background: ``alpha * foreground + (1 - alpha) * background``.

        Alpha 0 gives exactly the background and alpha 1 exactly the foreground; in between, the result is within one
        level.

        Args:
            background: ``(H, W, 3)`` uint8.

        Returns:
            ``(H, W, 3)`` uint8, contiguous, owned by the caller.
        """


@dataclass(frozen=True, slots=True)
class DenseMatte:
    """A matte with a value of alpha for every pixel."""

    alpha: Alpha
    """See :class:`Matte`; owned by the matte."""
    foreground: Image
    """See :class:`Matte`."""

    @property
    def levels(self) -> Callable[[], Image]:
        """See :class:`Matte`."""
        return partial(to_levels, self.alpha)

    def suppress(self, limit: float) -> None:
        """See :class:`Matte`."""
        cv2.threshold(self.alpha, limit, 0.0, cv2.THRESH_TOZERO, dst=self.alpha)

    def over(self, background: Image) -> Image:
        """See :class:`Matte`."""
        return blend(self.foreground, background, self.alpha)


Refine: TypeAlias = Callable[[Image, Alpha], Matte]
"""Turns a frame ``(H, W, 3)`` and its map ``(S, S)`` into a :class:`Matte`. A pure function: frames may differ in
size."""


def unrefined(image: Image, mask: Alpha) -> DenseMatte:
    """``--refine off``: the map upsampled bilinearly, and the frame's colours as they are.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        mask: ``(S, S)`` float32 in [0, 1].

    Returns:
        The matte. Its foreground is ``image`` itself.
    """
    return DenseMatte(upsample(mask, image.shape[1], image.shape[0]), image)
