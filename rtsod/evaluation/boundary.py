"""How well a map's outline fits: the relaxed F-measure and boundary IoU.

Both compare binary maps: the prediction is foreground where it is above one half. The picture's border counts as
background, so that foreground at the border has an outline there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.evaluation.curves import BETA_SQUARED, Truth

Bits: TypeAlias = NDArray[np.uint8]
"""``(H, W)`` uint8, 0 or 1."""
Element = Literal["square", "cross"]
"""The 3 x 3 structuring element that thins a mask by its outline: with the corners, or without."""

SLACK_PX: Final = 3
"""How far from the other outline a pixel may be and still count as on it, in pixels (Qin et al., "BASNet", CVPR
2019)."""
_BAND_SHARE: Final = 0.02
"""Width of the band of boundary IoU, as a share of the picture's diagonal."""
_ELEMENTS: Final[dict[Element, Bits]] = {
    "square": np.ones((3, 3), np.uint8),
    "cross": np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8),
}
_OFFSETS: Final = np.arange(-SLACK_PX, SLACK_PX + 1)
_DISC: Final = (np.add.outer(_OFFSETS**2, _OFFSETS**2) <= SLACK_PX**2).astype(np.uint8)
"""All offsets of a Euclidean length of at most ``SLACK_PX``. To be within the slack of an outline is to be on the
outline dilated by it: the same pixels that a distance transform tells, and sooner."""


@dataclass(frozen=True, slots=True)
class BoundaryScores:
    """All of them for one map."""

    relax_f: float
    relax_f_cross: float
    boundary_iou: float

    @classmethod
    def of(cls, predicted: Truth, truth: Truth) -> BoundaryScores:
        """Measure."""
        masks = _cropped(predicted, truth)
        square, cross = (_relax_f(*_borders(*masks, element)) for element in _ELEMENTS.values())
        return cls(square, cross, _overlap(*_borders(*masks, _band_element(truth.shape))))


def relax_f(predicted: Truth, truth: Truth, element: Element = "square") -> float:
    """The relaxed boundary F-measure, for which there is no published code; here it is, defined in full.

    The outline of a mask is the mask without its erosion by a 3 x 3 element. Precision is the share of the predicted
    outline that is within 3 px (Euclidean, between centres of pixels) of the true one, recall the share of the true
    outline that is within 3 px of the predicted one; beta² is 0.3. A set's relaxF is the mean over its pictures, each
    at the size of its truth.

    Args:
        predicted: ``(H, W)`` bool.
        truth: ``(H, W)`` bool.
        element: of the erosion.

    Returns:
        0 to 1: 1 where both masks are empty, 0 where one is.
    """
    return _relax_f(*_borders(*_cropped(predicted, truth), _ELEMENTS[element]))


def _relax_f(outline: Bits, true_outline: Bits) -> float:
    count, true_count = cv2.countNonZero(outline), cv2.countNonZero(true_outline)
    if count == 0 or true_count == 0:
        return float(count == true_count)
    precision = cv2.countNonZero(cv2.bitwise_and(outline, cv2.dilate(true_outline, _DISC))) / count
    recall = cv2.countNonZero(cv2.bitwise_and(true_outline, cv2.dilate(outline, _DISC))) / true_count
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)


def boundary_iou(predicted: Truth, truth: Truth) -> float:
    """Intersection over union of the bands along both outlines (Cheng et al., "Boundary IoU", CVPR 2021).

    A band is the mask without its erosion by a square that reaches 2 % of the diagonal in each direction, rounded, at
    least 1 px. So distances are of the larger coordinate, as in the authors' code.

    Args:
        predicted: ``(H, W)`` bool.
        truth: ``(H, W)`` bool.

    Returns:
        0 to 1: 1 where both masks are empty.
    """
    return _overlap(*_borders(*_cropped(predicted, truth), _band_element(truth.shape)))


def _band_element(size: tuple[int, ...]) -> Bits:
    reach = max(1, round(_BAND_SHARE * math.hypot(*size)))
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _overlap(band: Bits, true_band: Bits) -> float:
    union = cv2.countNonZero(cv2.bitwise_or(band, true_band))
    return cv2.countNonZero(cv2.bitwise_and(band, true_band)) / union if union else 1.0


def _cropped(one: Truth, other: Truth) -> tuple[Bits, Bits]:
    """The part of the picture that holds both masks; around it is background, as beyond the picture."""
    masks = [np.ascontiguousarray(mask, np.bool_).view(np.uint8) for mask in (one, other)]
    left, top, width, height = cv2.boundingRect(cv2.bitwise_or(masks[0], masks[1]))
    if width == 0:  # no part at all
        return masks[0], masks[1]
    part = slice(top, top + height), slice(left, left + width)
    return masks[0][part], masks[1][part]


def _borders(one: Bits, other: Bits, element: Bits) -> tuple[Bits, Bits]:
    """The pixels of two masks that their erosions do not keep; beyond the picture is background."""
    inner = [cv2.erode(mask, element, borderType=cv2.BORDER_CONSTANT, borderValue=0) for mask in (one, other)]
    return np.asarray(one - inner[0], np.uint8), np.asarray(other - inner[1], np.uint8)
