"""``rtsod train --check``: finds out in a minute what would spoil a run of days.

Two questions, because a network answers only the first. Can it learn a few pairs by heart? If not, the learning rate,
the data or the code is to blame. And do the masks belong to the pictures? A network learns wrong masks by heart just as
well, so that is asked of the pixels: see :mod:`rtsod.training.suspicion`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch.utils.data import default_collate

from rtsod.data.pairs import Pair
from rtsod.data.reading import read_pair
from rtsod.interfaces import Clock
from rtsod.training.augmentation import PlainRecipe
from rtsod.training.config import NO_VALIDATION, TrainConfig
from rtsod.training.data import open_data
from rtsod.training.loop import NotFinite, Trainer
from rtsod.training.losses import losses
from rtsod.training.named_weights import weights_file
from rtsod.training.network import load_weights, new_network, unfold_batch_norm
from rtsod.training.presets import loss_recipe
from rtsod.training.reporter import TrainReporter
from rtsod.training.samples import Sample
from rtsod.training.spread import evenly
from rtsod.training.suspicion import suspicions

if TYPE_CHECKING:
    from rtsod.training.processes import Processes

PAIRS: Final = 4
"""Learned by heart at most; fewer where that leaves less than ``ENOUGH`` steps."""
ENOUGH: Final = 100
"""Steps in which a network learns a pair by heart at the paper's learning rate."""
EXAMINED: Final = 48
"""Pairs whose pixels are looked at."""
SIDE: Final = 64
"""Pictures are scaled to this, in pixels, the least that the network takes: more would only take more time."""
SECONDS: Final = 30.0
"""For the run's own learning rate; two others get a third of it each. With what comes before, under a minute."""
USUAL_RATES: Final = (1e-3, 1e-2)
"""Adam's default, which the paper uses, and ten times that, which learns four pairs faster."""
CLEARLY_BETTER: Final = 0.8
"""Of the loss: one that reaches less than this, in a third of the time, has the better learning rate."""
KNOWN_BY_HEART: Final = 0.9
"""IoU of the thresholded maps with the labels, mean of the pairs."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found."""

    passed: bool
    text: str
    """One line: what was learned, or the likely cause."""


@dataclass(frozen=True, slots=True)
class _Try:
    steps: int
    iou: float
    first: float
    last: float
    """Losses."""
    finite: bool = True

    @property
    def learned(self) -> bool:
        """Whether the pairs are known. A loss that rose says no: much too large steps meet good maps by chance."""
        return self.iou >= KNOWN_BY_HEART and self.last < self.first


def check(
    config: TrainConfig,
    reporter: TrainReporter,
    *,
    stop: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
    clock: Clock = time.perf_counter,
) -> CheckResult:
    """Learn a few pairs by heart.

    Args:
        config: of the run that is to be checked. Nothing is written to its folder.
        reporter: told how it goes.
        stop: asked after every step.
        seconds: for the run's own learning rate; None: :data:`SECONDS`.
        clock: in seconds.

    Raises:
        RtsodError: as :func:`rtsod.training.run.train`.
    """
    from rtsod.training.processes import opened_processes

    seconds = SECONDS if seconds is None else seconds
    pairs = open_data(dataclasses.replace(config, val=NO_VALIDATION, patience=None), reporter).pairs
    found = suspicions([read_pair(pair) for pair in _some(pairs, EXAMINED)])
    if found:
        return CheckResult(False, "; ".join(found))
    with opened_processes(dataclasses.replace(config, accumulate=1)) as processes:
        batch = _batch(_some(pairs, PAIRS), config)
        overfit = _Overfit(config, processes, batch, reporter, stop, clock)
        overfit.shrink(seconds)
        own = overfit(config.recipe.learning_rate, seconds)
        if own.learned:
            what = f"{overfit.pairs} pair{'s' if overfit.pairs > 1 else ''}"
            return CheckResult(True, f"learned {what} by heart in {own.steps} steps: IoU {own.iou:.3f}")
        others = {rate: overfit(rate, seconds / 3) for rate in USUAL_RATES if rate != config.recipe.learning_rate}
    return CheckResult(False, _cause(config.recipe.learning_rate, own, others))


def _cause(rate: float, own: _Try, others: dict[float, _Try]) -> str:
    """Why a network does not learn what it could, judged by what it does at other learning rates.

    Args:
        rate: the run's learning rate.
        own: what happened at it.
        others: what happened at others.
    """
    seen = f"not learned by heart in {own.steps} steps: IoU {own.iou:.2f}, loss {own.first:.2f} to {own.last:.2f}"
    if not own.finite:
        seen = f"the loss is not finite after {own.steps} steps"
    better, best = min(others.items(), key=lambda item: item[1].last)
    if best.last < CLEARLY_BETTER * own.last:
        what = "small" if better > rate else "large"
        return (
            f"{seen}; --lr {rate:g} is too {what}: with {better:g} the loss is {best.last:.2f} after {best.steps} steps"
        )
    if not own.finite or own.last > own.first:
        return f"{seen}; at other learning rates as well: look at --init, and at the pictures' masks"
    return f"{seen}; the steps were too few: check on a faster machine, or with a smaller --model"


class _Overfit:
    """Learns one batch again and again, each time from the same start."""

    def __init__(
        self,
        config: TrainConfig,
        processes: Processes,
        batch: Sample,
        reporter: TrainReporter,
        stop: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._config, self._processes, self._batch = config, processes, batch
        self._reporter, self._stop, self._clock = reporter, stop, clock

    @property
    def pairs(self) -> int:
        """How many are learned."""
        return len(self._batch.image)

    def shrink(self, seconds: float) -> None:
        """Leave out pairs, so that there is time for enough steps."""
        trainer = self._trainer()
        trainer.step([self._batch], 0.0)  # the first one also prepares what all use
        step_seconds = self._step_seconds(trainer)
        threads = torch.get_num_threads()
        if threads > 1:  # pictures this small give many threads little to do, and beside other programs they wait
            torch.set_num_threads(1)
            alone = self._step_seconds(trainer)
            if alone > step_seconds:
                torch.set_num_threads(threads)
            step_seconds = min(step_seconds, alone)
        fitting = int(self.pairs * seconds / ENOUGH / step_seconds)
        self._batch = Sample(*(part[: max(1, fitting)] for part in self._batch))
        self._processes.accelerator.free_memory()

    def _step_seconds(self, trainer: Trainer) -> float:
        began = self._clock()
        trainer.step([self._batch], 0.0)
        return max(self._clock() - began, 1e-9)

    def _trainer(self) -> Trainer:
        config = self._config
        network, _ = new_network(config)
        if config.init is not None and load_weights(network, weights_file(config.init, self._reporter)):
            unfold_batch_norm(network, [self._batch.image])
        recipe = dataclasses.replace(config.recipe, ema=None)
        parts = loss_recipe(config.preset)
        return Trainer(self._processes, network, recipe, 1, lambda outputs, batch: losses(outputs, batch.label, parts))

    def __call__(self, rate: float, seconds: float) -> _Try:
        """Learn for some seconds at a constant learning rate."""
        trainer = self._trainer()
        began, step, iou, first, last = self._clock(), 0, 0.0, 0.0, 0.0
        while (passed := self._clock() - began) < seconds and not self._stop():
            try:
                numbers = trainer.step([self._batch], rate)
            except NotFinite:
                return _Try(step, 0.0, first, float("inf"), finite=False)
            last = numbers.losses["total"]
            first, step = (first if step else last), step + 1
            self._reporter.progress(min(1.0, passed / seconds), f"step {step}, loss {last:.3f}, IoU {iou:.2f}")
            if step % 5 == 0:
                iou = _iou(trainer, self._batch, self._processes.device)
                if _Try(step, iou, first, last).learned:
                    break
        self._processes.accelerator.free_memory()
        return _Try(step, iou, first, last)


def _iou(trainer: Trainer, batch: Sample, device: torch.device) -> float:
    """Mean IoU of the batch's maps, normalised by its own statistics, with its labels."""
    network = trainer.result.train()
    with torch.no_grad():
        fused = network(batch.image.to(device))[0].cpu() > 0
    truth = batch.label > 0.5
    both, either = (fused & truth).sum((1, 2, 3)), (fused | truth).sum((1, 2, 3))
    return float(torch.where(either > 0, both / either.clamp(min=1), 1.0).mean())


def _batch(pairs: Sequence[Pair], config: TrainConfig) -> Sample:
    _, description = new_network(config)
    recipe = PlainRecipe(dataclasses.replace(description, size=SIDE))
    batch: Sample = default_collate([recipe(*read_pair(pair), 0) for pair in pairs])
    return batch


def _some(pairs: Sequence[Pair], most: int) -> list[Pair]:
    return [pairs[place] for place in evenly(len(pairs), most)]
