"""Composites the subject over another background. Only this module makes pictures that may leave the machine.

Blending is ``alpha * F + (1 - alpha) * B`` (Porter and Duff's *over*, 1984). It fails closed: a frame that has no
valid mask, neither computed from it nor propagated to it, cannot be composited; :meth:`Compositor.slate` replaces it.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.composite.light_wrap import light_wrapped
from rtsod.frames import Alpha, Compositable, Composited, Frame, Image, mark_safe
from rtsod.imaging.transparency import cleared
from rtsod.interfaces import Backdrop, Background, Blur, PassThrough, Transparent
from rtsod.refine.matte import DenseMatte, Matte, Refine, unrefined

SLATE_BGR: Final = (38, 34, 32)
"""Dark grey, shown as a slate where the backdrop has no picture of its own."""
MIN_ALPHA: Final = 0.002
"""Alpha up to this counts as 0. It is about half a level of 255, so it would be invisible. Without the cut, the
network's faint uncertainty all over the picture would let the camera's background through, and cost time."""
_MEAN_COLOUR_WEIGHT: Final = 0.002
"""Weight of the background's mean colour in the blur. It takes over about three sigma behind the subject's edge."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a picture looks, apart from the frame and its mask. Each picture is made with one of them from end to end."""

    backdrop: Backdrop
    mirror: bool = False
    """Flip frames horizontally. Other backgrounds are never flipped: they may contain text."""
    refine: Refine = unrefined
    """Turns a frame and its mask into a matte."""
    light_wrap: bool = False
    """Let light from the new background spill over the subject's edge."""


class Compositor:
    """Composites subjects over a backdrop.

    Call ``compose`` and ``slate`` from one thread. The caller closes the backdrop.

    Args:
        backdrop: this and the following as in :class:`Appearance`.
        mirror: see there.
        refine: see there.
        light_wrap: see there.
    """

    def __init__(
        self,
        backdrop: Backdrop,
        *,
        mirror: bool = False,
        refine: Refine = unrefined,
        light_wrap: bool = False,
    ) -> None:
        self._appearance = Appearance(backdrop, mirror, refine, light_wrap)
        self._in_use = threading.Lock()

    @property
    def appearance(self) -> Appearance:
        """The one that the next picture is made with."""
        return self._appearance

    def use(self, appearance: Appearance) -> None:
        """Make the next pictures with another appearance. From any thread.

        Once this returns, nothing uses the former one: its backdrop may be closed.
        """
        with self._in_use:
            self._appearance = appearance

    def compose(self, shown: Compositable, at: float, *, stands_for: Frame | None = None) -> Composited:
        """Composite the frame's subject over the current backdrop.

        What is transparent in the frame shows another background, as the room does. Where the frame is shown with its
        own background (blur, none), the picture stays transparent there.

        Args:
            shown: a frame with its own mask, or with one propagated to it.
            at: seconds since the first frame; drives moving backgrounds.
            stands_for: a later frame, whose index and time the picture takes; its pixels are not used.

        Returns:
            A picture of the frame's size that shares no memory with its inputs.

        Raises:
            SourceError: the background can no longer be read.
        """
        with self._in_use:
            return self._compose(self._appearance, shown, at, stands_for or shown.frame)

    def _compose(self, look: Appearance, shown: Compositable, at: float, frame: Frame) -> Composited:
        image, mask, own = shown.frame.image, shown.alpha, shown.frame.alpha
        if look.mirror:
            image, mask = np.asarray(cv2.flip(image, 1), np.uint8), np.asarray(cv2.flip(mask, 1), np.float32)
            own = None if own is None else np.asarray(cv2.flip(own, 1), np.uint8)
        height, width = image.shape[:2]
        matte = look.refine(image, mask)
        matte.suppress(MIN_ALPHA)
        shown_matte = matte if own is None else DenseMatte(_product(matte.alpha, own), matte.foreground)
        opacity: Image | None = None
        match look.backdrop:
            case PassThrough():
                picture = image.copy()
                opacity = None if own is None else own.copy()
            case Transparent():
                picture, opacity = shown_matte.foreground, shown_matte.levels()
            case Blur(sigma):
                picture = _join(look, matte, blurred_background(image, matte.alpha, sigma, own), own)
                opacity = None if own is None else own.copy()
            case backdrop:
                picture = _join(look, shown_matte, backdrop.picture(width, height, at))
        return mark_safe(
            image=picture if opacity is None else cleared(picture, opacity),
            levels=shown_matte.levels,
            index=frame.index,
            captured_at=frame.captured_at,
            pts=frame.pts,
            name=frame.name,
            duration=frame.duration,
            is_last=frame.is_last,
            opacity=opacity,
        )

    def slate(self, width: int, height: int, at: float, *, frame: Frame | None = None, now: float) -> Composited:
        """Make a picture without any camera pixel: the background alone, or a dark card where there is none.

        Args:
            width: pixels.
            height: pixels.
            at: seconds since the first frame; drives moving backgrounds.
            frame: the frame it replaces, so that a file's timeline stays complete; its pixels are not used.
            now: time of a slate that replaces no frame, in seconds of the clock that stamps frames.

        Raises:
            SourceError: the background can no longer be read.
        """
        opacity: Image | None = None
        with self._in_use:
            match self._appearance.backdrop:
                case Blur() | PassThrough():
                    picture = np.full((height, width, 3), SLATE_BGR, np.uint8)
                case Transparent():
                    picture, opacity = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
                case backdrop:
                    picture = backdrop.picture(width, height, at).copy()
        return mark_safe(
            image=picture,
            levels=lambda: np.zeros((height, width), np.uint8),
            index=-1 if frame is None else frame.index,
            captured_at=now if frame is None else frame.captured_at,
            pts=None if frame is None else frame.pts,
            name=None if frame is None else frame.name,
            duration=None if frame is None else frame.duration,
            is_last=frame is not None and frame.is_last,
            is_slate=True,
            opacity=opacity,
        )


def _join(look: Appearance, matte: Matte, background: Image, opacity: Image | None = None) -> Image:
    if look.light_wrap:
        lit = light_wrapped(matte.foreground, background, matte.alpha, opacity)
        matte = DenseMatte(matte.alpha, lit)
    return matte.over(background)


def _product(alpha: Alpha, own: Image) -> Alpha:
    """The mask times the frame's own alpha, with the same cut as the mask alone."""
    product = cv2.multiply(alpha, own, scale=1 / 255, dtype=cv2.CV_32F)
    return np.asarray(cv2.threshold(product, MIN_ALPHA, 0.0, cv2.THRESH_TOZERO)[1], np.float32)


def blurred_background(image: Image, alpha: Alpha, sigma: float, opacity: Image | None = None) -> Image:
    """The picture, blurred as if the subject were not in it.

    Normalized convolution (Knutsson and Westin, 1993): each pixel is weighted by how much it belongs to the background,
    so that the subject's colours do not bleed into a halo, and by its opacity. Behind the subject, beyond the blur's
    reach, the result is the background's mean colour.

    Args:
        image: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` float32 in [0, 1].
        sigma: strength of the blur, as in :class:`~rtsod.interfaces.Blur`.
        opacity: ``(H, W)`` uint8: the picture's own alpha; None is opaque everywhere.

    Returns:
        ``(H, W, 3)`` uint8, owned by the caller.
    """
    height, width = image.shape[:2]
    sigma *= min(width, height) / 720.0
    # The result holds no detail finer than sigma / 3, so blur a picture of that resolution: it is much faster.
    factor = 2 ** max(1, math.floor(math.log2(sigma / 3.0)))
    size = (math.ceil(width / factor), math.ceil(height / factor))
    weight = _background_weight(np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32))
    if opacity is None:
        colours = cv2.split(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        weighted = cv2.merge([*(channel * weight for channel in colours), weight])
    else:
        opaque = np.full_like(opacity, 255)
        premultiplied = cv2.multiply(cv2.merge((*cv2.split(image), opaque)), cv2.merge([opacity] * 4), dtype=cv2.CV_16U)
        small = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA)
        weight = weight * np.float32(1 / 255)
        blue, green, red, sums = cv2.split(small)
        # The small number is for pictures that are transparent everywhere.
        weighted = cv2.merge([blue * weight, green * weight, red * weight, sums * weight * np.float32(1 / 255) + 1e-12])
    *mean, total = cv2.mean(weighted)
    blurred = cv2.GaussianBlur(weighted, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    share = _MEAN_COLOUR_WEIGHT / total
    blue, green, red, sums = (c + share * m for c, m in zip(cv2.split(blurred), (*mean, total), strict=True))
    soft = cv2.merge([np.rint(colour / sums).astype(np.uint8) for colour in (blue, green, red)])
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _background_weight(alpha: Alpha) -> Alpha:
    """1 on the background; 0 on the subject and along its edge, where the lens has mixed the two."""
    weight = cv2.erode(np.clip(1.0 - 4.0 * alpha, 0.0, 1.0), np.ones((3, 3), np.uint8))
    # Where the subject covers everything, its least certain part is the best guess at the background.
    return np.asarray(np.maximum(weight, 1e-6 * (1.0 - alpha) + 1e-9), np.float32)


__all__ = [
    "MIN_ALPHA",
    "SLATE_BGR",
    "Appearance",
    "Backdrop",
    "Background",
    "Blur",
    "Compositor",
    "PassThrough",
    "Transparent",
    "blurred_background",
]
