"""Backward optical flow between downscaled frames, its composition over several frames, and warping along it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.motion.search_kernel import PAD, Level, search_level
from rtsod.motion.warp_kernel import add_step

Flow: TypeAlias = NDArray[np.float32]
"""``(HEIGHT, WIDTH, 2)`` float32: the displacement (x, y) from each pixel of a frame to the place it came from in an
earlier frame, in pixels of the downscaled frame (backward flow)."""

Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])

WIDTH, HEIGHT = 160, 120
"""Size in pixels of the downscaled frames that everything in :mod:`rtsod.motion` works on."""
_LEVELS: Final = 3
"""Levels of the pyramid in which motion is searched: the downscaled frame, its half and its quarter."""


@dataclass(frozen=True, slots=True)
class DownscaledFrame:
    """A frame at the size at which motion is estimated."""

    colour: Image
    """``(HEIGHT, WIDTH, 3)`` uint8 BGR."""
    grey: Image
    """``(HEIGHT, WIDTH)`` uint8."""


def downscale_frame(image: Image) -> DownscaledFrame:
    """Scale a frame to ``WIDTH`` x ``HEIGHT``. Its aspect ratio is not kept; motion does not depend on it.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
    """
    # In two steps: area averaging over the whole frame costs four times as much, bilinear sampling alone aliases.
    double = cv2.resize(image, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_LINEAR)
    colour = np.asarray(cv2.resize(double, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
    return DownscaledFrame(colour, np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8))


def downscale_alpha(alpha: Alpha) -> Alpha:
    """Scale a map, ``(S, S)`` float32, to ``(HEIGHT, WIDTH)``."""
    return np.asarray(cv2.resize(alpha, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)


class FlowEstimator:
    """Estimates dense optical flow. Not thread-safe.

    Dense inverse search (Kroeger, Timofte, Dai and Van Gool, ECCV 2016) without the variational refinement. OpenCV has
    it, too, but steps an eighth of the way at a time. With whole steps it takes a quarter of the time, and the masks
    are as good or better.
    """

    def __init__(self) -> None:
        self._newest: DownscaledFrame | None = None
        self._levels: list[Level] = []
        """Of ``_newest``, because it is the old frame the next time."""

    def backward(self, new: DownscaledFrame, old: DownscaledFrame) -> Flow:
        """The flow from each pixel of ``new`` to where it was in ``old``."""
        old_levels = self._levels if old is self._newest else _pyramid(old.grey)
        self._newest, self._levels = new, _pyramid(new.grey)
        flow = np.zeros((HEIGHT >> _LEVELS, WIDTH >> _LEVELS, 2), np.float32)
        for new_level, old_level in zip(reversed(self._levels), reversed(old_levels), strict=True):
            coarse, flow = flow, np.empty((new_level.shape[0] - 2 * PAD, new_level.shape[1] - 2 * PAD, 2), np.float32)
            search_level(new_level, old_level, coarse, flow)
        return flow


def _pyramid(grey: Image) -> list[Level]:
    """A picture at full size, half, and so on."""
    pictures = [grey.astype(np.float32)]
    for level in range(1, _LEVELS):
        size = (WIDTH >> level, HEIGHT >> level)
        pictures.append(np.asarray(cv2.resize(pictures[-1], size, interpolation=cv2.INTER_AREA), np.float32))
    return [
        np.asarray(cv2.copyMakeBorder(picture, PAD, PAD, PAD, PAD, cv2.BORDER_REPLICATE), np.float32)
        for picture in pictures
    ]


def warp(picture: Pixels, flow: Flow) -> Pixels:
    """Fetch, for each pixel, the value that ``flow`` points to: backward warping with bilinear interpolation.

    Where the flow points beyond the edge of the picture, the nearest edge pixel is repeated.

    Args:
        picture: ``(H, W)`` or ``(H, W, C)`` float32 or uint8, of any size; it shows the same view as the flow's frames,
            so the flow is scaled to it.
        flow: see :data:`Flow`.

    Returns:
        An array of the shape and dtype of ``picture``.
    """
    height, width = picture.shape[:2]
    displacement = flow
    if (height, width) != flow.shape[:2]:
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        displacement = np.asarray(cv2.resize(flow * scale, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    source = np.asarray(cv2.add(displacement, _pixel_grid(width, height)), np.float32)
    warped = cv2.remap(picture, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(warped, picture.dtype)


@lru_cache(maxsize=4)
def _pixel_grid(width: int, height: int) -> NDArray[np.float32]:
    """The coordinates (x, y) of every pixel: ``(height, width, 2)`` float32, read-only."""
    grid = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    grid.flags.writeable = False
    return grid


@dataclass(frozen=True, slots=True)
class ComposedFlow:
    """The flow to an earlier frame, composed from the flows between the frames on the way."""

    layers: NDArray[np.float32]
    """``(HEIGHT, WIDTH, 4)``, in pixels: the displacement (x, y), the longest displacement of the pixel between two
    successive frames on the way, and 0. In one array, and of four channels, because OpenCV warps that fastest."""

    @classmethod
    def from_step(cls, step: Flow) -> ComposedFlow:
        """The flow from a frame to the one before it."""
        layers = np.zeros((HEIGHT, WIDTH, 4), np.float32)
        add_step(layers, step)
        return cls(layers)

    @property
    def flow(self) -> Flow:
        """The displacement."""
        return self.layers[..., :2]

    @property
    def max_step_px(self) -> NDArray[np.float32]:
        """``(HEIGHT, WIDTH)``: the longest displacement of each pixel between two successive frames, in pixels."""
        return self.layers[..., 2]

    def extend(self, step: Flow) -> ComposedFlow:
        """The flow from a newer frame: first ``step``, which leads from it to this flow's frame, then this flow."""
        layers = warp(self.layers, step)
        add_step(layers, step)
        return ComposedFlow(layers)
