"""Precision, recall and F over all thresholds, from one histogram of a map; and the mean absolute error.

A *map* is the prediction P, a *truth* the mask G. A pixel counts as predicted at threshold t where its level, 0..255,
is ``>= t``, so that threshold 0 predicts every pixel. Curves run over t = 0..255 in this order.

F is ``(1 + beta²) P R / (beta² P + R)`` with beta² = 0.3 (Achanta et al., "Frequency-tuned salient region detection",
CVPR 2009). There are two conventions for a set of pictures, and they differ:

* the U²-Net paper's tool takes F of the set's *mean precision and recall*: ``MeanCurves.f_of_means``;
* PySODMetrics (Fan) takes the *mean of the pictures' F*: ``MeanCurves.f``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rtsod.evaluation.kernels import count_levels

Levels: TypeAlias = NDArray[np.uint8]
"""``(H, W)`` uint8: a map in 8 bits."""
Map: TypeAlias = NDArray[np.float64]
"""``(H, W)`` float64 in [0, 1]: a map as the metrics compute with it."""
Truth: TypeAlias = NDArray[np.bool_]
"""``(H, W)`` bool: True is foreground."""
Curve: TypeAlias = NDArray[np.float64]
"""``(256,)`` float64: a value for each threshold."""
Counts: TypeAlias = NDArray[np.int64]
"""``(256,)`` int64: a number of pixels for each threshold."""

THRESHOLDS: Final = 256
"""One for each level."""
BETA_SQUARED: Final = 0.3
"""Weighs precision above recall, as everybody in this field does since Achanta et al."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What one map and its truth have in common at each threshold: numbers of pixels, from which all curves follow."""

    hits: Counts
    """Predicted pixels that are foreground (true positives)."""
    predicted: Counts
    """Predicted pixels."""
    foreground: int
    """Foreground pixels of the truth."""
    area: int
    """Pixels of the picture."""

    @classmethod
    def of(cls, prediction: Levels, truth: Truth) -> Curves:
        """Count, in one pass over the pixels.

        Args:
            prediction: ``(H, W)`` uint8.
            truth: ``(H, W)`` bool, of the same size.

        Raises:
            ValueError: the sizes differ, a type is another one, or there is no pixel.
        """
        check_sizes(prediction.shape, truth.shape)
        if prediction.dtype != np.uint8 or truth.dtype != np.bool_:
            raise ValueError(f"a map is uint8 and a truth bool, not {prediction.dtype} and {truth.dtype}")
        histograms = np.empty((2, THRESHOLDS), np.int64)
        count_levels(np.ascontiguousarray(prediction), np.ascontiguousarray(truth), histograms)
        background, hits = np.cumsum(histograms[:, ::-1], axis=1)[:, ::-1]
        return cls(hits, hits + background, int(hits[0]), truth.size)

    @property
    def precision(self) -> Curve:
        """The share of the predicted pixels that are foreground; 0 where none is predicted."""
        return np.asarray(self.hits / np.maximum(self.predicted, 1))

    @property
    def recall(self) -> Curve:
        """The share of the foreground that is predicted; 0 where there is no foreground."""
        return np.asarray(self.hits / max(self.foreground, 1))

    @property
    def f(self) -> Curve:
        """The F-measure; 0 where nothing is hit."""
        return f_measure(self.precision, self.recall)


def f_measure(precision: Curve | float, recall: Curve | float, beta_squared: float = BETA_SQUARED) -> Curve:
    """The F-measure of precisions and recalls of any shape; 0 where one of them is 0."""
    product = precision * recall
    weighted = beta_squared * precision + recall
    return np.asarray((1 + beta_squared) * product / np.where(product == 0, 1, weighted))


@dataclass(frozen=True, slots=True, eq=False)
class MeanCurves:
    """The curves of a set of pictures."""

    precision: Curve
    """Mean over the pictures."""
    recall: Curve
    """Mean over the pictures."""
    f: Curve
    """The mean of the pictures' F: PySODMetrics' convention."""

    @classmethod
    def of(cls, curves: Sequence[Curves]) -> MeanCurves:
        """The means.

        Raises:
            ValueError: there are no pictures.
        """
        if not curves:
            raise ValueError("a mean needs at least one picture")
        hits = np.array([one.hits for one in curves])
        precision = hits / np.maximum([one.predicted for one in curves], 1)
        recall = hits / np.maximum([[one.foreground] for one in curves], 1)
        means = (each.mean(axis=0) for each in (precision, recall, f_measure(precision, recall)))
        return cls(*means)

    @property
    def f_of_means(self) -> Curve:
        """F of the mean precision and the mean recall: the U²-Net paper's convention."""
        return f_measure(self.precision, self.recall)

    @property
    def max_f(self) -> float:
        """The paper's maxF: the maximum of ``f_of_means`` over the thresholds 0..254, as the authors' tool has them.

        Its last bin, 254..255, is closed (``measures.py:79`` of Binary-Segmentation-Evaluation-Tool).
        """
        return float(self.f_of_means[:-1].max())


def max_f_of_means(curves: Sequence[Curves]) -> float:
    """The paper's maxF, see :attr:`MeanCurves.max_f`.

    Raises:
        ValueError: there are none.
    """
    return MeanCurves.of(curves).max_f


def mae(prediction: Levels | Map, truth: Truth) -> float:
    """The mean absolute error, 0 to 1 (Perazzi et al., "Saliency filters", CVPR 2012).

    Args:
        prediction: ``(H, W)`` uint8, or float in [0, 1].
        truth: ``(H, W)`` bool, of the same size.

    Raises:
        ValueError: the sizes differ, or there is no pixel.
    """
    check_sizes(prediction.shape, truth.shape)
    if prediction.dtype == np.uint8:
        return float(np.mean(np.where(truth, 255 - prediction, prediction)) / 255)
    return float(np.mean(np.abs(prediction - truth)))


def check_sizes(prediction: tuple[int, ...], truth: tuple[int, ...]) -> None:
    """Refuse a map and a truth whose pixels do not correspond.

    Raises:
        ValueError: the shapes differ, are not those of a grey picture, or have no pixel.
    """
    if len(truth) != 2 or 0 in truth or prediction != truth:
        raise ValueError(f"a map and its truth have one size and one channel, not {prediction} and {truth}")
