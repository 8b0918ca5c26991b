"""The subject in front of another background: the one place where a picture that may leave the machine is made.

Blending is ``alpha * F + (1 - alpha) * B`` (Porter and Duff's *over*, 1984). What is not known to be subject does
not get out: without a valid mask for its very frame there is no :meth:`Compositor.compose`, only
:meth:`Compositor.slate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from rtsod.composite.light_wrap import light_wrapped
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Compositable, Composited, Frame, Image, mark_safe
from rtsod.interfaces import Backdrop, Background, Blur, PassThrough, Transparent
from rtsod.refine.matte import Refine, unrefined

SLATE_BGR: Final = (38, 34, 32)
"""A quiet dark card, where no background of its own could be shown."""
LEAST_ALPHA: Final = 0.002
"""Half a level of 255, and a little: what is less would not be seen. Taken as 0, so that a network's faint doubt all
over the picture neither lets the camera's background through nor costs time."""
_MEAN_WEIGHT: Final = 0.002
"""Of the mean colour, beside what the blur brings in: it takes over about three sigma behind the subject's edge."""
_BAND: Final = 32
"""Rows blended at once. Measured at 720p on real masks: 16, 32 and 48 rows are alike, one bounding box is slower."""


class Compositor:
    """Puts subjects in front of the current backdrop.

    ``compose`` and ``slate`` belong to one thread; ``next_backdrop`` and ``toggle_mirror`` may be called from
    another one and take effect with the next picture. The backdrops stay the caller's to close.

    Args:
        backdrops: shown one at a time, the first one first.
        mirror: see ``toggle_mirror``.
        refine: from a frame and its mask to the matte.
        light_wrap: let the new background's light fall on the subject's rim.

    Raises:
        UsageError: there is no backdrop.
    """

    def __init__(
        self,
        backdrops: Sequence[Backdrop],
        *,
        mirror: bool = False,
        refine: Refine = unrefined,
        light_wrap: bool = False,
    ) -> None:
        if not backdrops:
            raise UsageError("no background given: --bg takes a file, blur, #RRGGBB, transparent or none")
        self._backdrops = tuple(backdrops)
        self._current = 0
        self._mirror = mirror
        self._refine = refine
        self._light_wrap = light_wrap

    @property
    def transparent(self) -> bool:
        """Whether the current backdrop is :class:`Transparent`."""
        return isinstance(self._backdrops[self._current], Transparent)

    def next_backdrop(self) -> None:
        """Show the next backdrop, after the last one the first again."""
        self._current = (self._current + 1) % len(self._backdrops)

    def toggle_mirror(self) -> None:
        """Flip what comes from the camera, or no longer. A replaced background is never flipped: it may hold text."""
        self._mirror = not self._mirror

    def compose(self, shown: Compositable, at: float, *, stands_for: Frame | None = None) -> Composited:
        """The frame's subject in front of the current backdrop.

        Args:
            shown: a frame with its own mask, or with one carried to it.
            at: seconds since the first frame; drives backgrounds that move.
            stands_for: the later frame whose place in time the picture takes; its pixels are not looked at.

        Returns:
            A picture of the frame's size that shares no memory with anything.

        Raises:
            SourceError: the background can no longer be read.
        """
        backdrop = self._backdrops[self._current]
        image, mask = shown.frame.image, shown.alpha
        if self._mirror:
            image, mask = np.asarray(cv2.flip(image, 1), np.uint8), np.asarray(cv2.flip(mask, 1), np.float32)
        height, width = image.shape[:2]
        matte = self._refine(image, mask)
        alpha, front = matte.alpha, matte.foreground
        cv2.threshold(alpha, LEAST_ALPHA, 0.0, cv2.THRESH_TOZERO, dst=alpha)
        match backdrop:
            case PassThrough():
                picture = image.copy()
            case Transparent():
                picture = np.zeros_like(image)
                cv2.copyTo(front, np.asarray(alpha > 0.0).view(np.uint8), picture)
            case Blur(sigma):
                picture = self._join(front, blurred_background(image, alpha, sigma), alpha)
            case _:
                picture = self._join(front, backdrop.picture(width, height, at), alpha)
        frame = stands_for or shown.frame
        return mark_safe(
            image=picture,
            alpha=alpha,
            index=frame.index,
            captured_at=frame.captured_at,
            pts=frame.pts,
            name=frame.name,
            transparent=isinstance(backdrop, Transparent),
        )

    def _join(self, foreground: Image, background: Image, alpha: Alpha) -> Image:
        if self._light_wrap:
            foreground = light_wrapped(foreground, background, alpha)
        return blend(foreground, background, alpha)

    def slate(self, width: int, height: int, at: float, *, frame: Frame | None = None, now: float) -> Composited:
        """A picture without any camera pixel: the background alone, or a dark card where there is none.

        Args:
            width: pixels.
            height: pixels.
            at: seconds since the first frame; drives backgrounds that move.
            frame: the frame it stands for, so that a file's time line stays whole; its pixels are not looked at.
            now: seconds of the clock that stamps frames, for a slate without frame.

        Raises:
            SourceError: the background can no longer be read.
        """
        backdrop = self._backdrops[self._current]
        match backdrop:
            case Blur() | PassThrough():
                picture = np.full((height, width, 3), SLATE_BGR, np.uint8)
            case Transparent():
                picture = np.zeros((height, width, 3), np.uint8)
            case _:
                picture = backdrop.picture(width, height, at).copy()
        return mark_safe(
            image=picture,
            alpha=np.zeros((height, width), np.float32),
            index=-1 if frame is None else frame.index,
            captured_at=now if frame is None else frame.captured_at,
            pts=None if frame is None else frame.pts,
            name=None if frame is None else frame.name,
            is_slate=True,
            transparent=isinstance(backdrop, Transparent),
        )


def blend(foreground: Image, background: Image, alpha: Alpha) -> Image:
    """``alpha * foreground + (1 - alpha) * background``, rounded.

    Alpha 0 gives exactly the background and 1 exactly the foreground; in between the result is within one level.

    Args:
        foreground: ``(H, W, 3)`` uint8.
        background: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller.
    """
    result = background.copy()
    # Blending costs ten times what copying does, and most of a picture is background: row band by row band, only
    # the columns between the first and the last pixel of the subject are blended.
    for top in range(0, alpha.shape[0], _BAND):
        columns = np.flatnonzero(alpha[top : top + _BAND].max(axis=0))
        if columns.size:
            part = np.s_[top : top + _BAND, columns[0] : columns[-1] + 1]
            cv2.blendLinear(foreground[part], background[part], alpha[part], 1.0 - alpha[part], result[part])
    return result


def blurred_background(image: Image, alpha: Alpha, sigma: float) -> Image:
    """The picture out of focus, as if the subject were not in it.

    Normalised convolution (Knutsson and Westin, 1993): each pixel weighs as much as it is background, so that the
    subject's colours do not run out into a halo. Behind the subject, out of the blur's reach, stands the mean colour
    of the background.

    Args:
        image: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].
        sigma: see :class:`Blur`.

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller.
    """
    height, width = image.shape[:2]
    sigma *= min(width, height) / 720.0
    # A picture this much out of focus holds nothing finer than sigma / 3: it is blurred, much sooner, at that size.
    factor = 2 ** max(1, math.floor(math.log2(sigma / 3.0)))
    size = (math.ceil(width / factor), math.ceil(height / factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    weight = _background_weight(np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32))
    weighted = cv2.merge([*(channel * weight for channel in cv2.split(small)), weight])
    *mean, total = cv2.mean(weighted)
    blurred = cv2.GaussianBlur(weighted, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    share = _MEAN_WEIGHT / total
    blue, green, red, sums = (c + share * m for c, m in zip(cv2.split(blurred), (*mean, total), strict=True))
    soft = cv2.merge([np.rint(colour / sums).astype(np.uint8) for colour in (blue, green, red)])
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _background_weight(alpha: Alpha) -> Alpha:
    """1 where there is background, 0 on the subject and on its rim, where the camera's lens has mixed the two."""
    weight = cv2.erode(np.clip(1.0 - 4.0 * alpha, 0.0, 1.0), np.ones((3, 3), np.uint8))
    # Where subject covers everything, its least certain part is the best guess at the background.
    return np.asarray(np.maximum(weight, 1e-6 * (1.0 - alpha) + 1e-9), np.float32)


__all__ = [
    "LEAST_ALPHA",
    "SLATE_BGR",
    "Backdrop",
    "Background",
    "Blur",
    "Compositor",
    "PassThrough",
    "Transparent",
    "blend",
    "blurred_background",
]
