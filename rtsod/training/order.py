"""Which samples a step trains on: a pure function of the seed, the step and the process.

Nothing is stored. A resumed run asks for the step it stopped at, and any number of workers or processes together see
the same samples in the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtsod.errors import UsageError

_SHUFFLE: Final = 1
"""Tells the random numbers that shuffle a round from those that shuffle a group."""
_PASS: Final = 2
_KEPT_ROUNDS: Final = 2
"""Two rounds meet in one step where the second begins."""
_LEAST_DRAWS: Final = 1000
"""Of a round in which groups are mixed by weights: shares of few draws would be rounded too much."""
SMALL_AREA: Final = 0.04
"""A subject on a smaller share of its picture is small. Of 320 pixels, the network's coarsest map has 10 x 10 cells:
such a subject fills fewer than four of them."""
SMALL_OFTENER: Final = 2.0
"""How much more often pictures with small subjects are drawn. They have few pixels to learn from; but drawn much more
often, they would be the same few pictures again and again."""


class Draw(NamedTuple):
    """One sample of one step: what a :class:`~rtsod.training.samples.Samples` is indexed by."""

    epoch: int
    """How often this sample has been drawn before, so that each time it is augmented differently."""
    sample: int
    """Its number, from 0."""


class Order:
    """The endless stream of samples that the steps take their batches from.

    Samples form groups: data sets that are mixed, or pictures with small and large subjects. A round has as many draws
    as there are samples, or 1000 if weights mix fewer. Each group has its share of them, rounded, and at least one. It
    goes through all of its samples in random order, then through all of them in another order. Batches run on across
    the ends of rounds, so all are full, also if there are fewer samples than a batch holds.

    Args:
        groups: the indices of each group's samples; none empty.
        batch: samples a step, over all processes.
        seed: at least 0.
        weights: each group's share of the draws, above 0, in any unit. None draws all samples equally often.

    Raises:
        UsageError: there is no sample, a group is empty, or a weight is not above 0.
    """

    def __init__(
        self, groups: Sequence[Sequence[int] | NDArray[np.int64]], *, batch: int, seed: int,
        weights: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        self._groups = [np.asarray(group, np.int64) for group in groups]
        self._batch = batch
        self._seed = seed
        sizes = np.array([len(group) for group in self._groups])
        if not len(sizes) or not sizes.all():
            raise UsageError("there is nothing to train on: a data set has no pair")
        shares = np.asarray(sizes if weights is None else weights, np.float64)
        if len(shares) != len(sizes) or not (np.isfinite(shares) & (shares > 0)).all():
            raise UsageError(f"weights of {len(sizes)} data set(s) must be as many numbers above 0")
        draws = max(int(sizes.sum()), _LEAST_DRAWS)
        self._quotas = np.maximum(1, np.rint(draws * shares / shares.sum())).astype(np.int64)
        if weights is None:
            self._quotas = sizes
        self._draws_per_round = int(self._quotas.sum())
        self._round = lru_cache(_KEPT_ROUNDS)(self._shuffled_round)

    @classmethod
    def of_sets(cls, sizes: Sequence[int], *, batch: int, seed: int, weights: Sequence[float] | None = None) -> Order:
        """The order over data sets of these sizes, whose samples are numbered one set after the other."""
        ends = np.cumsum(sizes)
        groups = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        return cls(groups, batch=batch, seed=seed, weights=weights)

    def step(self, step: int, rank: int = 0, world: int = 1) -> list[Draw]:
        """The batch of one process in one step.

        Args:
            step: from 0.
            rank: of the process, from 0.
            world: number of processes. Together their batches are that of a single process.

        Raises:
            UsageError: the batch cannot be split into ``world`` equal parts.
        """
        if self._batch % world:
            raise UsageError(f"--batch {self._batch} cannot be split among {world} processes: use a multiple")
        draws = []
        for position in range(step * self._batch + rank, (step + 1) * self._batch, world):
            number, offset = divmod(position, self._draws_per_round)
            passes, indices = self._round(number)
            draws.append(Draw(int(passes[offset]), int(indices[offset])))
        return draws

    def _shuffled_round(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        passes, indices = [], []
        for place, (group, quota) in enumerate(zip(self._groups, self._quotas, strict=True)):
            positions = np.arange(number * quota, (number + 1) * quota)
            passes.append(positions // len(group))
            orders = {turn: self._shuffled_group(place, turn) for turn in np.unique(passes[-1])}
            indices.append(np.array([orders[p // len(group)][p % len(group)] for p in positions], np.int64))
        shuffle = np.random.default_rng((self._seed, _SHUFFLE, number)).permutation(self._draws_per_round)
        return np.concatenate(passes)[shuffle], np.concatenate(indices)[shuffle]

    def _shuffled_group(self, place: int, turn: int) -> NDArray[np.int64]:
        group = self._groups[place]
        return group[np.random.default_rng((self._seed, _PASS, place, turn)).permutation(len(group))]


def small_oftener(
    groups: Sequence[NDArray[np.int64]], areas: NDArray[np.float64], weights: Sequence[float] | None = None
) -> tuple[list[NDArray[np.int64]], list[float]]:
    """Split groups so that samples with small subjects are drawn more often, while each group keeps its weight.

    Args:
        groups: as for :class:`Order`.
        areas: of each sample's subject, as a share of its picture, 0 to 1. Empty pictures are not small subjects.
        weights: as for :class:`Order`.

    Returns:
        Groups and weights for :class:`Order`.
    """
    split, shares = [], []
    for group, weight in zip(groups, map(len, groups) if weights is None else weights, strict=True):
        small = (areas[group] > 0) & (areas[group] < SMALL_AREA)
        parts = [(group[~small], 1.0), (group[small], SMALL_OFTENER)]
        total = sum(len(part) * often for part, often in parts)
        for part, often in parts:
            if len(part):
                split.append(part)
                shares.append(weight * len(part) * often / total)
    return split, shares


class Batches:
    """The batches of one process from a step on: a ``batch_sampler`` for :class:`torch.utils.data.DataLoader`.

    Args:
        order: of all processes.
        start: the first step.
        stop: the step to end before.
        rank: of this process.
        world: number of processes.
    """

    def __init__(self, order: Order, start: int, stop: int, rank: int = 0, world: int = 1) -> None:
        self._order = order
        self._steps = range(start, stop)
        self._rank = rank
        self._world = world

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in self._steps:
            yield self._order.step(step, self._rank, self._world)
