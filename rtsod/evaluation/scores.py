"""All metrics of one map, and of a set of maps.

    scores = [measure(prediction, truth) for prediction, truth in pairs]
    summarise(scores).max_f

What the map is, is a protocol's business: a map stretched to its minimum and maximum scores otherwise than one that is
not. Here it is taken as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.evaluation.alignment import e_measure, mean_of_e
from rtsod.evaluation.boundary import BoundaryScores
from rtsod.evaluation.curves import (
    THRESHOLDS,
    Curve,
    Curves,
    Levels,
    Map,
    MeanCurves,
    Truth,
    check_sizes,
    f_measure,
)
from rtsod.evaluation.kernels import count_above, look_up, sums
from rtsod.evaluation.matting import MattingErrors
from rtsod.evaluation.scratch import scratch
from rtsod.evaluation.structure import s_measure
from rtsod.evaluation.weighted import weighted_f
from rtsod.frames import Alpha

PLAIN_VALUES: Final[Curve] = np.arange(THRESHOLDS) / (THRESHOLDS - 1)
"""What the levels of a map in 8 bits stand for if nothing is stretched."""
PLAIN_VALUES.setflags(write=False)
_BINARY: Final = 0.5
"""Where a map is larger, relaxF and boundary IoU take it for foreground."""


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """The metrics of one map. All but ``mae`` and ``matting`` are the better the higher."""

    curves: Curves
    mae: float
    adaptive_f: float
    weighted_f: float
    s: float
    adaptive_e: float
    relax_f: float
    relax_f_cross: float
    boundary_iou: float
    matting: MattingErrors | None = None
    """None where there is no real alpha."""

    @property
    def is_empty(self) -> bool:
        """Whether the truth has no foreground, where most metrics say little."""
        return self.curves.foreground == 0

    def numbers(self) -> dict[str, float]:
        """All numbers by their names, without the curves; a set's are the means of these."""
        return _numbers(self)


@dataclass(frozen=True, slots=True, eq=False)
class SetScores:
    """The metrics of a set of maps."""

    count: int
    """Pictures that count here."""
    empty: int
    """How many of them have a truth without foreground."""
    precision: Curve
    """Mean over the pictures, like the other curves."""
    recall: Curve
    f: Curve
    """Mean of the pictures' F: PySODMetrics' convention."""
    f_of_means: Curve
    """F of the mean precision and recall: the paper's convention."""
    e: Curve
    mae: float
    max_f: float
    """The paper's convention."""
    fan_max_f: float
    """PySODMetrics' convention: the maximum of ``f``."""
    fan_mean_f: float
    """Its mean over the thresholds."""
    adaptive_f: float
    weighted_f: float
    s: float
    max_e: float
    mean_e: float
    adaptive_e: float
    relax_f: float
    relax_f_cross: float
    """With a cross for the structuring element."""
    boundary_iou: float
    matting: MattingErrors | None
    """Mean over the pictures with a real alpha; None if there are none."""

    def numbers(self) -> dict[str, float]:
        """All numbers by their names, without the curves and counts."""
        return _numbers(self)


def measure(
    prediction: Levels | Map | Alpha, truth: Truth, alpha: Alpha | None = None, *, values: Curve = PLAIN_VALUES
) -> PairScores:
    """All metrics of one map.

    Where a value is none of 256 levels, the curves round it down to one, as PySODMetrics does.

    Args:
        prediction: ``(H, W)`` uint8; or float32 or float64 in [0, 1].
        truth: ``(H, W)`` bool, of the same size: what is foreground.
        alpha: ``(H, W)`` float32 in [0, 1], of the same size: the exact alpha, if the truth has one.
        values: ``(256,)`` float64 in [0, 1]: what each level of a map in 8 bits stands for. A protocol that stretches
            maps can say so here, and need not make another map.

    Raises:
        ValueError: sizes or types do not fit, there is no pixel, or a value is outside [0, 1] or no number.
    """
    levels, full = _both_forms(prediction, truth, values)
    truth = np.ascontiguousarray(truth)
    curves = Curves.of(levels, truth)
    adaptive_f, adaptive_e = _adaptive(full, truth, curves)
    boundary = BoundaryScores.of(full > _BINARY, truth)
    return PairScores(
        curves=curves,
        mae=_mae(full, truth, curves),
        adaptive_f=adaptive_f,
        weighted_f=weighted_f(full, truth),
        s=s_measure(full, truth),
        adaptive_e=adaptive_e,
        relax_f=boundary.relax_f,
        relax_f_cross=boundary.relax_f_cross,
        boundary_iou=boundary.boundary_iou,
        matting=None if alpha is None else _matting(full, alpha),
    )


def summarise(scores: Sequence[PairScores], *, with_empty: bool = True) -> SetScores:
    """The metrics of a set, from those of its pictures.

    Args:
        scores: in an order that is always the same, so that the sums are, too.
        with_empty: whether pictures count whose truth has no foreground. Each of them has F and weighted F of 0 even if
            its map is right.

    Raises:
        ValueError: no picture counts.
    """
    counted = [one for one in scores if with_empty or not one.is_empty]
    if not counted:
        raise ValueError("a mean needs at least one picture")
    curves = [one.curves for one in counted]
    of_set, e = MeanCurves.of(curves), mean_of_e(curves)
    means = {name: float(np.mean([getattr(one, name) for one in counted])) for name in _MEANS}
    return SetScores(
        count=len(counted),
        empty=sum(one.is_empty for one in counted),
        precision=of_set.precision,
        recall=of_set.recall,
        f=of_set.f,
        f_of_means=of_set.f_of_means,
        e=e,
        max_f=of_set.max_f,
        fan_max_f=float(of_set.f.max()),
        fan_mean_f=float(of_set.f.mean()),
        max_e=float(e.max()),
        mean_e=float(e.mean()),
        matting=_mean_matting([one.matting for one in counted if one.matting is not None]),
        **means,
    )


_MEANS: Final = (
    "mae", "adaptive_f", "weighted_f", "s", "adaptive_e", "relax_f", "relax_f_cross", "boundary_iou",
)  # fmt: skip
"""A set's number is the mean of its pictures' number of the same name."""


def _both_forms(prediction: Levels | Map | Alpha, truth: Truth, values: Curve) -> tuple[Levels, Map]:
    """A map's levels and its values."""
    check_sizes(prediction.shape, truth.shape)
    if prediction.dtype == np.uint8:
        if values.shape != (THRESHOLDS,):
            raise ValueError(f"a level's values are {THRESHOLDS} numbers, not {values.shape}")
        _check_range(values)
        levels = np.ascontiguousarray(prediction, np.uint8)
        full = scratch("map", levels.shape, np.float64)
        look_up(levels, np.ascontiguousarray(values, np.float64), full)
        if values is PLAIN_VALUES:
            return levels, full
        return np.asarray(cv2.LUT(levels, (values * 255).astype(np.uint8)), np.uint8), full
    if prediction.dtype not in (np.float32, np.float64):
        raise ValueError(f"a map is uint8, float32 or float64, not {prediction.dtype}")
    full = np.ascontiguousarray(prediction, np.float64)
    _check_range(full)
    return (full * 255).astype(np.uint8), full


def _check_range(values: NDArray[np.float64]) -> None:
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("a map has values that are not within 0 and 1")


def _adaptive(prediction: Map, truth: Truth, curves: Curves) -> tuple[float, float]:
    """F and E at the threshold that the map sets itself: twice its mean, at most 1."""
    hits, predicted = count_above(prediction, truth, min(2 * float(prediction.mean()), 1.0))
    precision, recall = hits / max(predicted, 1), hits / max(curves.foreground, 1)
    f = float(f_measure(precision, recall))
    return f, float(e_measure(hits, predicted, curves.foreground, curves.area))


def _mae(prediction: Map, truth: Truth, curves: Curves) -> float:
    """The mean absolute error, as :func:`rtsod.evaluation.curves.mae` has it, without an array for the differences."""
    inside, outside = sums(prediction, truth)
    return (curves.foreground - inside + outside) / curves.area


def _matting(prediction: Map, alpha: Alpha) -> MattingErrors:
    check_sizes(prediction.shape, alpha.shape)
    return MattingErrors.of(prediction.astype(np.float32), np.asarray(alpha, np.float32))


def _mean_matting(errors: Sequence[MattingErrors]) -> MattingErrors | None:
    if not errors:
        return None
    return MattingErrors(*(float(np.mean([getattr(one, f.name) for one in errors])) for f in fields(MattingErrors)))


def _numbers(scores: PairScores | SetScores) -> dict[str, float]:
    own = {f.name: getattr(scores, f.name) for f in fields(scores)}
    errors = scores.matting
    matting = {f.name: getattr(errors, f.name) for f in fields(errors)} if errors is not None else {}
    return {name: value for name, value in own.items() if isinstance(value, float)} | matting
