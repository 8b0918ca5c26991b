"""The training of a pupil: from the starter's weights to the best that some minutes give."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from torch.utils.data import default_collate

from rtsod.interfaces import Clock
from rtsod.learning.config import LearnConfig
from rtsod.learning.examples import Example
from rtsod.learning.recipe import RECIPE, network_maps, objective, precision_on, samples_of
from rtsod.learning.score import Score, score
from rtsod.learning.starter import Start
from rtsod.model.u2net import U2Net
from rtsod.training.config import TrainConfig
from rtsod.training.order import Order
from rtsod.training.reporter import TrainReporter
from rtsod.training.samples import Sample
from rtsod.training.schedule import learning_rate
from rtsod.training.spread import evenly

_VALIDATIONS: Final = 10
"""In a lesson: each takes seconds."""
_VALIDATED: Final = 32
"""Held-out frames to validate on, evenly chosen; the measurement at the end takes all."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """How a lesson ended."""

    network: U2Net
    """The best one, in evaluation mode, on the CPU."""
    best: Score
    """Of its maps, in float32, with the labels of the held-out frames that were validated on."""
    before: Score
    """Of the weights it began with."""
    steps: int
    seconds: float
    stopped: bool


def teach(
    examples: Sequence[Example],
    start: Start,
    config: LearnConfig,
    reporter: TrainReporter,
    stop: Callable[[], bool],
    clock: Clock = time.perf_counter,
) -> Lesson:
    """Train for some minutes.

    Args:
        examples: some of them held out, some not.
        start: what to begin with.
        config: of the lesson.
        reporter: told how it goes.
        stop: asked after every step; if it is true, the best network so far is returned.
        clock: in seconds.

    Raises:
        EngineError: a loss or gradient is not finite, or memory is short.
        ModuleNotFoundError: the extra ``train`` is not installed.
    """
    from rtsod.training.loop import Trainer
    from rtsod.training.processes import opened_processes

    description = start.description
    run = TrainConfig(
        data=("recording",), recipe=RECIPE, val="none", size=description.size, crop=description.size,
        minutes=config.train_minutes, workers=0, seed=config.seed, precision=precision_on("auto"),
    )  # fmt: skip
    learned = [example for example in examples if not example.held_out]
    away = [example for example in examples if example.held_out]
    judged = [away[place] for place in evenly(len(away), _VALIDATED)]
    samples = samples_of(learned, description, config.seed)
    order = Order([range(len(learned))], batch=RECIPE.batch, seed=config.seed)

    with opened_processes(run) as processes:
        network = start.network(config.seed)
        trainer = Trainer(processes, network, RECIPE, 1, objective)
        began, total = clock(), 60 * config.train_minutes
        best = before = score(network_maps(trainer.result, description, judged, processes.device), judged)
        kept = copy.deepcopy(trainer.result).cpu()
        step, validated, share, stopped = 0, 0, 0.0, False
        while share < 1 and not stopped:
            batch: Sample = default_collate([samples[draw] for draw in order.step(step)])
            numbers = trainer.step([batch], learning_rate(RECIPE, _middle(share, step)))
            step += 1
            share, stopped = (clock() - began) / total, stop()
            if int(share * _VALIDATIONS) > validated or share >= 1 or stopped:
                validated = int(share * _VALIDATIONS)
                found = score(network_maps(trainer.result, description, judged, processes.device), judged)
                if found.mean > best.mean:
                    best, kept = found, copy.deepcopy(trainer.result).cpu()
            loss = numbers.losses["total"]
            reporter.progress(min(1.0, share), f"step {step}, loss {loss:.2f}, IoU {best.mean:.3f} so far")
        return Lesson(kept.eval(), best, before, step, clock() - began, stopped)


def _middle(share: float, step: int) -> float:
    """The share at the middle of the next step, so that neither the first nor the last has a rate of 0."""
    return min(1.0, share + (share / step / 2 if step else 0.001))
