"""Backward optical flow between downscaled frames, its composition over several frames, and warping along it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image

Flow: TypeAlias = NDArray[np.float32]
"""``(HEIGHT, WIDTH, 2)`` float32: the displacement (x, y) from each pixel of a frame to the place it came from in an
earlier frame, in pixels of the downscaled frame (backward flow)."""

Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])

WIDTH, HEIGHT = 160, 120
"""Size in pixels of the downscaled frames that everything in :mod:`rtsod.motion` works on."""
_FINEST_SCALE: Final = 0
"""Finest pyramid level of the search, as OpenCV counts them: 0 is the downscaled frame itself. The finest level decides
the accuracy. At 160 x 120 down to level 0 the search is as good as at 320 x 240 down to level 1, at two thirds of the
cost; OpenCV's presets stop at coarser levels."""
_PATCH_STRIDE_PX: Final = 5
"""Distance between the patches that are matched, in pixels."""
_DESCENT_STEPS: Final = 12
"""Gradient descent iterations per patch."""


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

    Dense inverse search (Kroeger, Timofte, Dai and Van Gool, ECCV 2016) without the variational refinement.
    """

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(_FINEST_SCALE)
        self._search.setPatchStride(_PATCH_STRIDE_PX)
        self._search.setGradientDescentIterations(_DESCENT_STEPS)

    def backward(self, new: DownscaledFrame, old: DownscaledFrame) -> Flow:
        """The flow from each pixel of ``new`` to where it was in ``old``."""
        return np.asarray(self._search.calc(new.grey, old.grey, None), np.float32)  # type: ignore[call-overload]


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

    flow: Flow
    max_step_px: NDArray[np.float32]
    """``(HEIGHT, WIDTH)``: the longest displacement of each pixel between two successive frames on the way, in
    pixels."""

    @classmethod
    def from_step(cls, step: Flow) -> ComposedFlow:
        """The flow from a frame to the one before it."""
        return cls(step, np.asarray(cv2.magnitude(step[..., 0], step[..., 1]), np.float32))

    def extend(self, step: Flow) -> ComposedFlow:
        """The flow from a newer frame: first ``step``, which leads from it to this flow's frame, then this flow."""
        newest = ComposedFlow.from_step(step)
        max_step_px = np.maximum(newest.max_step_px, warp(self.max_step_px, step))
        return ComposedFlow(step + warp(self.flow, step), max_step_px)
