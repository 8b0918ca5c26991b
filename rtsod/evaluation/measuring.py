"""Measures maps as a protocol reads them, several at a time. How many at a time changes no number."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rtsod.data.pairs import Pair
from rtsod.data.reading import read_label
from rtsod.data.softness import has_soft_areas
from rtsod.evaluation.curves import Levels
from rtsod.evaluation.parallel import in_order
from rtsod.evaluation.protocols import BY_NAME, FOREGROUND_ABOVE, ProtocolName, to_size_of_truth
from rtsod.evaluation.scores import PairScores, measure
from rtsod.frames import Image

AlphaChoice: TypeAlias = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class Job:
    """A map to be measured."""

    pair: Pair
    map: Levels | Path
    """``(H, W)`` uint8, or the file it is in."""
    protocol: ProtocolName
    alpha: AlphaChoice = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What became of a job."""

    scores: PairScores
    resized: bool
    """The map had another size than its mask."""


def measure_job(job: Job) -> Measured:
    """Measure one map.

    Raises:
        DataError: the map or the mask cannot be read.
    """
    label = read_label(job.pair.mask, white=job.pair.white, inverted=job.pair.inverted)
    levels = read_label(job.map) if isinstance(job.map, Path) else job.map
    protocol = BY_NAME[job.protocol]
    prediction = protocol.read(to_size_of_truth(levels, label))
    alpha = label.astype(np.float32) * np.float32(1 / 255) if takes_alpha(label, job.alpha) else None
    scores = measure(prediction, label > FOREGROUND_ABOVE, alpha)
    if protocol.soft_mae:
        scores = replace(scores, mae=_soft_mae(prediction, label))
    return Measured(scores, levels.shape != label.shape)


def takes_alpha(label: Image, choice: AlphaChoice) -> bool:
    """Whether a mask is measured as an exact alpha.

    Args:
        label: ``(H, W)`` uint8.
        choice: ``auto`` looks for soft areas that are wider than an antialiased edge.
    """
    return has_soft_areas(label) if choice == "auto" else choice == "on"


def _soft_mae(prediction: Levels | NDArray[np.float64], label: Image) -> float:
    """Against the mask's own levels, divided by their maximum, as ``compute_mae`` in the authors' tool."""
    values = prediction / 255 if prediction.dtype == np.uint8 else prediction
    return float(np.abs(values - label / max(int(label.max()), 1)).mean())


def measure_all(jobs: Iterable[Job], workers: int) -> Generator[Measured, None, None]:
    """Measure maps, several at a time.

    Args:
        jobs: taken from this thread, only a few ahead of their measurement, so that maps do not pile up in memory.
        workers: threads beside this one.

    Yields:
        In the order of the jobs.

    Raises:
        DataError: a map or a mask cannot be read.
    """
    return in_order((partial(measure_job, job) for job in jobs), workers)
