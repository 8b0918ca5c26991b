"""A stand-in for a network that knows one person in one room, learnt from a clip in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.backends.constant import ConstantEngine
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink

SIZE: Final = 96
_LEVELS: Final = 12
"""Of each colour channel."""


class OnePerson:
    """Tells by its colour and its place whether a pixel belongs to the person: naive Bayes on what it has seen.

    Args:
        images: of the person in the room.
        maps: what another network sees in them, of any size.
    """

    def __init__(self, images: Sequence[Image], maps: Sequence[Alpha]) -> None:
        colours = np.stack([_bins(shrink(image, SIZE)) for image in images])
        small = [cv2.resize(alpha, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for alpha in maps]
        subject = np.asarray(np.stack(small), np.float32)
        self._of_colour = _log_odds(colours, subject, _LEVELS**3)
        place = cv2.GaussianBlur(subject.mean(axis=0), (0, 0), 6)
        self._of_place = np.log((place + 0.02) / (1.02 - place))

    def engine(self) -> ConstantEngine:
        """The network, as an engine."""
        return ConstantEngine(SIZE, self.see, "one person")

    def see(self, image: Image) -> Alpha:
        """The map of a picture, ``(SIZE, SIZE, 3)``."""
        odds = cv2.GaussianBlur(self._of_colour[_bins(image)] + self._of_place, (0, 0), 1.5)
        return np.asarray(1 / (1 + np.exp(-2 * odds)), np.float32)


def _bins(image: Image) -> NDArray[np.intp]:
    levels = image.astype(np.intp) * _LEVELS // 256
    return np.asarray(levels @ np.array([_LEVELS**2, _LEVELS, 1]), np.intp)


def _log_odds(bins: NDArray[np.intp], subject: Alpha, count: int) -> NDArray[np.float64]:
    """Of each bin's colour, relative to what is seen as often; 0 for colours that were never seen."""
    inside = np.bincount(bins.ravel(), subject.ravel(), count) / subject.sum()
    outside = np.bincount(bins.ravel(), 1 - subject.ravel(), count) / (1 - subject).sum()
    return np.asarray(np.log((inside + 1e-5) / (outside + 1e-5)), np.float64)
