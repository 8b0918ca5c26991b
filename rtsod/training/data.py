"""The data of a run: which pairs are trained on, and which are held out to validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtsod.data.examination import Examined
from rtsod.data.pairs import Pair
from rtsod.data.preparation import prepare_training
from rtsod.training.config import TrainConfig
from rtsod.training.order import Order, small_oftener
from rtsod.training.reporter import TrainReporter


@dataclass(frozen=True, slots=True)
class TrainData:
    """The pairs of a run."""

    training: tuple[Examined, ...]
    """What is trained on."""
    held_out: tuple[Examined, ...]
    """What is validated on; empty without validation."""

    @property
    def pairs(self) -> list[Pair]:
        """What is trained on, one set after the other."""
        return _pairs(self.training)

    @property
    def validation(self) -> list[Pair]:
        """What is validated on."""
        return _pairs(self.held_out)

    def order(self, copies: int, batch: int, seed: int, *, small_subjects_oftener: bool = False) -> Order:
        """The order of the samples.

        Args:
            copies: samples of each picture, see :class:`rtsod.training.samples.SampleRecipe`.
            batch: samples a step.
            seed: of the run.
            small_subjects_oftener: see :func:`rtsod.training.order.small_oftener`.
        """
        sizes = [len(each.dataset.pairs) for each in self.training]
        ends, count = np.cumsum(sizes), sum(sizes)
        groups = [
            np.concatenate([np.arange(end - size, end) + copy * count for copy in range(copies)])
            for end, size in zip(ends, sizes, strict=True)
        ]
        weights = [each.dataset.weight for each in self.training]
        shares = [size * weight for size, weight in zip(sizes, weights, strict=True)]
        if small_subjects_oftener:
            areas = np.tile(np.concatenate([each.areas for each in self.training]), copies)
            groups, shares = small_oftener(groups, areas, shares)
        elif len(set(weights)) == 1:
            return Order(groups, batch=batch, seed=seed)
        return Order(groups, batch=batch, seed=seed, weights=shares)

    def summary(self) -> dict[str, Any]:
        """For the log: what each data set consists of, and how large its subjects are."""
        return {"training": [_summary(each) for each in self.training], "held_out": list(map(_summary, self.held_out))}


def open_data(config: TrainConfig, reporter: TrainReporter) -> TrainData:
    """Find and examine the pairs of a run, and hold out some.

    Args:
        config: of the run.
        reporter: told what is odd about the data, and how far their examination is.

    Raises:
        DataError: a data set cannot be used, or is published for testing.
    """
    validation: Sequence[str] | float | None = config.held_out_share
    if config.validation_set is not None:
        validation = [config.validation_set]
    prepared = prepare_training(
        config.data, validation, config.seed, notify=reporter.notify, progress=reporter.preparing
    )
    return TrainData(*prepared)


def _pairs(sets: Sequence[Examined]) -> list[Pair]:
    return [pair for each in sets for pair in each.dataset.pairs]


def _summary(examined: Examined) -> dict[str, Any]:
    dataset = examined.dataset
    return {
        "name": dataset.name,
        "pairs": len(dataset.pairs),
        "layout": dataset.layout,
        "weight": dataset.weight,
        "empty": examined.empty,
        "areas": examined.area_histogram(),
    }
