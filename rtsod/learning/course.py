"""Rounds of training while a call runs: from the running weights, on what was kept of the call."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Final, Self

from torch.utils.data import default_collate

from rtsod.learning.kept_examples import KeptExample, KeptExamples, Kind
from rtsod.learning.recipe import network_maps as maps_of
from rtsod.learning.recipe import objective, precision_on, samples_of
from rtsod.learning.standing import overlap
from rtsod.masking.doubt import agreement
from rtsod.model.description import Description
from rtsod.model.u2net import U2Net
from rtsod.training.config import Recipe, TrainConfig
from rtsod.training.loop import Trainer
from rtsod.training.network import load_weights
from rtsod.training.order import Order
from rtsod.training.processes import Processes, opened_processes
from rtsod.training.samples import Sample

RECIPE: Final = Recipe(1e-3, 1e-2, "constant", 0.0, 1.0, 0.9, 4, 1)
"""A third of the rate of a lesson, because the weights are good already, and half of its batch, because a step at the
lowest priority takes seconds. The average looks back over ten steps: half of a round."""
ROUND_STEPS: Final = 24
"""A round takes half a minute on a core that has nothing else to do."""
_WARM_UP_STEPS: Final = 8
"""Adam's first steps are as long as its rate allows, whatever the gradient."""


class Course:
    """A network that learns in rounds, and the running one beside it.

    Args:
        processes: this one alone.
        description: of the network.
        weights: of the running network.
    """

    def __init__(self, processes: Processes, description: Description, weights: Path) -> None:
        self._description = description
        self._first = U2Net(description.table)
        load_weights(self._first, weights)
        self._first.eval()
        self._running = self._first
        self._trainer = Trainer(processes, copy.deepcopy(self._first), RECIPE, 1, objective)
        self.steps, self.seconds, self._rounds = 0, 0.0, 0

    @classmethod
    @contextmanager
    def opened(cls, description: Description, weights: Path) -> Iterator[Self]:
        """A course on this process's processor.

        Raises:
            WeightsError: the weights cannot be read.
        """
        run = TrainConfig(
            data=("a call",), recipe=RECIPE, val="none", size=description.size, crop=description.size, minutes=1.0,
            workers=0, seed=0, precision=precision_on("cpu"), device="cpu",
        )  # fmt: skip
        with opened_processes(run) as processes:
            yield cls(processes, description, weights)

    @property
    def trained(self) -> U2Net:
        """What was learned so far, in evaluation mode; the next round changes it."""
        return self._trainer.result.eval()

    def round(self, kept: KeptExamples, between: Callable[[], None]) -> None:
        """Train for :data:`ROUND_STEPS` steps, half of them on what was wrong, half on what is known.

        Args:
            kept: holds something wrong to learn from.
            between: called after each step.

        Raises:
            EngineError: a loss or gradient is not finite.
        """
        wrong = list(kept.learned(Kind.WRONG))
        known = [*kept.learned(Kind.KNOWN), *kept.learned(Kind.LEARNT)]
        numbers = range(len(wrong)), range(len(wrong), len(wrong) + len(known))
        groups = [group for group in numbers if len(group)]
        samples = samples_of([*wrong, *known], self._description, self._rounds)
        order = Order(groups, batch=RECIPE.batch, seed=self._rounds, weights=[1.0] * len(groups))
        self._rounds += 1
        for step in range(ROUND_STEPS):
            began = time.process_time()
            batch: Sample = default_collate([samples[draw] for draw in order.step(step)])
            self.steps += 1
            self._trainer.step([batch], RECIPE.learning_rate * min(1.0, self.steps / _WARM_UP_STEPS))
            self.seconds += time.process_time() - began
            between()

    def adopt(self) -> None:
        """What was learned so far runs from now on."""
        self._running = copy.deepcopy(self.trained)

    def standings(self, kept: KeptExamples) -> tuple[Mapping[Kind, float], Mapping[Kind, float], Mapping[Kind, float]]:
        """Mean overlap on what was held out of each kind: of what was learned, of the running network, of the first."""
        found: list[dict[Kind, float]] = [{}, {}, {}]
        for kind in Kind:
            if held_out := kept.held_out(kind):
                for network, means in zip((self.trained, self._running, self._first), found, strict=True):
                    maps = maps_of(network, self._description, held_out)
                    means[kind] = mean(overlap(a, each.alpha) for a, each in zip(maps, held_out, strict=True))
        return found[0], found[1], found[2]

    def unsolved(self, held_out: Sequence[KeptExample], threshold: float) -> float:
        """The share of examples about which the running network still disagrees with the labels, as looks judge it."""
        maps = maps_of(self._running, self._description, held_out)
        wrong = [float(agreement(found, each.alpha) < threshold) for found, each in zip(maps, held_out, strict=True)]
        return mean(wrong) if wrong else 0.0
