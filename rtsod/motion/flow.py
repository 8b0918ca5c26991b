"""Where each pixel of a picture was in another one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image

Flow: TypeAlias = NDArray[np.float32]
"""``(HEIGHT, WIDTH, 2)`` float32: the way to go from each pixel, in pixels, x first."""

Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])

WIDTH, HEIGHT = 160, 120
"""Pixels of the small pictures that motion is found in."""
_FINEST: Final = 0
_STRIDE: Final = 5
_DESCENTS: Final = 12
"""Of the search. What counts is the finest grid it works on: at 160x120 down to single pixels it is as good as at
320x240 down to the half, at two thirds of the cost. The presets stop earlier."""


@dataclass(frozen=True, slots=True)
class Small:
    """A picture as motion is looked for in it."""

    colour: Image
    """``(HEIGHT, WIDTH, 3)`` uint8 BGR."""
    grey: Image
    """``(HEIGHT, WIDTH)`` uint8."""


def small(image: Image) -> Small:
    """Bring a frame, ``(H, W, 3)`` uint8 BGR, to that size; its aspect ratio does not matter to motion."""
    # In two steps: averaging the whole frame would cost four times as much, sampling it would alias.
    half = cv2.resize(image, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_LINEAR)
    colour = np.asarray(cv2.resize(half, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
    return Small(colour, np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8))


def coarse(alpha: Alpha) -> Alpha:
    """A mask, ``(S, S)`` float32, at the small pictures' size."""
    return np.asarray(cv2.resize(alpha, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)


class FlowSearch:
    """Dense inverse search (Kroeger, Timofte, Dai and Van Gool, ECCV 2016), without refinement. For one thread."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(_FINEST)
        self._search.setPatchStride(_STRIDE)
        self._search.setGradientDescentIterations(_DESCENTS)

    def back(self, new: Small, old: Small) -> Flow:
        """Where the pixels of ``new`` were in ``old``."""
        return np.asarray(self._search.calc(new.grey, old.grey, None), np.float32)  # type: ignore[call-overload]


def follow(picture: Pixels, flow: Flow) -> Pixels:
    """What lies in ``picture`` where ``flow`` points to; beyond its edge, the edge.

    Args:
        picture: ``(H, W)`` or ``(H, W, C)`` float32 or uint8, of any size: it is the same view.
        flow: see :data:`Flow`.

    Returns:
        Like ``picture``.
    """
    height, width = picture.shape[:2]
    ways = flow
    if (height, width) != flow.shape[:2]:
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        ways = np.asarray(cv2.resize(flow * scale, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    places = np.asarray(cv2.add(ways, _places(width, height)), np.float32)
    found = cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(found, picture.dtype)


@lru_cache(maxsize=4)
def _places(width: int, height: int) -> NDArray[np.float32]:
    places = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    places.flags.writeable = False
    return places


@dataclass(frozen=True, slots=True)
class ComposedFlow:
    """Where each pixel was in an earlier picture, over the pictures between the two."""

    flow: Flow
    longest_step: NDArray[np.float32]
    """``(HEIGHT, WIDTH)``: pixels, from one of these pictures to the next."""

    @classmethod
    def step(cls, back: Flow) -> ComposedFlow:
        """From a picture to the one before it."""
        return cls(back, np.asarray(cv2.magnitude(back[..., 0], back[..., 1]), np.float32))

    def after(self, back: Flow) -> ComposedFlow:
        """Go ``back`` first, and from there this way."""
        step = ComposedFlow.step(back)
        longest = np.maximum(step.longest_step, follow(self.longest_step, back))
        return ComposedFlow(back + follow(self.flow, back), longest)
