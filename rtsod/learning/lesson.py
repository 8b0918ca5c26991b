"""The training of a pupil: from the starter's weights to the best that some minutes give."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Clock
from rtsod.learning.config import LearnConfig
from rtsod.learning.examples import Example
from rtsod.learning.score import Score, score
from rtsod.learning.starter import Start
from rtsod.model.description import Description
from rtsod.model.u2net import U2Net
from rtsod.system.processor_class import processor_features
from rtsod.training.augmentation import Augmentation, AugmentedRecipe
from rtsod.training.camera_effects import Effects
from rtsod.training.config import Recipe, TrainConfig, TrainPrecision
from rtsod.training.losses import Losses, LossRecipe, losses
from rtsod.training.order import Order
from rtsod.training.reporter import TrainReporter
from rtsod.training.samples import Sample, Samples, normalised
from rtsod.training.schedule import learning_rate
from rtsod.training.spread import evenly

RECIPE: Final = Recipe(3e-3, 1e-2, "cosine", 0.05, 1.0, 0.99, 8, 1)
"""A rate three times that of ``modern``: the network has a fifth of lite's weights, and a few hundred steps. The
average looks back over a hundred of them. Its length is in minutes, not in steps."""
LOSS: Final = LossRecipe(iou=1.0, fused=2.0)
AUGMENTATION: Final = Augmentation(0.5, 4, (0.8, 1.1), 0.3, Effects(0.4, 0.15, 0.15, 0.2, 0.1))
"""One person in one room, in the light of other days: colours change most, geometry little. Blur and noise are those of
one camera."""
ZOOMED: Final = 1 / AUGMENTATION.zoom[0]
"""Pictures are kept larger than the input by this, so that a window that enlarges finds its pixels."""
_BF16: Final = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions that multiply bfloat16. Without them it is emulated, and slower than float32."""
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


class ExamplePictures:
    """Examples as :class:`rtsod.training.samples.Pictures`."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._pictures = [example.picture for example in examples]
        self._labels = [shrink_label(example.label, len(example.picture)) for example in examples]

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        """See :class:`~rtsod.training.samples.Pictures`."""
        return self._pictures[index], self._labels[index]


def shrink_label(label: Image, side: int) -> Image:
    """A label at another side, as a frame is scaled."""
    return shrink(np.repeat(label[..., None], 3, axis=2), side)[..., 0].copy()


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
        minutes=config.train_minutes, workers=0, seed=config.seed, precision=_precision(),
    )  # fmt: skip
    learned = [example for example in examples if not example.held_out]
    away = [example for example in examples if example.held_out]
    judged = [away[place] for place in evenly(len(away), _VALIDATED)]
    samples = Samples(
        ExamplePictures(learned), AugmentedRecipe(description, description.size, AUGMENTATION), config.seed
    )
    order = Order([range(len(learned))], batch=RECIPE.batch, seed=config.seed)

    def objective(outputs: Sequence[Tensor], batch: Sample) -> Losses:
        return losses(outputs, batch.label, LOSS)

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


def _precision() -> TrainPrecision:
    """bfloat16 on processors that multiply it, where a step of TINY takes two thirds of its time; else float32."""
    features = processor_features() or frozenset()
    return "bf16" if not torch.cuda.is_available() and features & _BF16 else "fp32"


def _middle(share: float, step: int) -> float:
    """The share at the middle of the next step, so that neither the first nor the last has a rate of 0."""
    return min(1.0, share + (share / step / 2 if step else 0.001))


def network_maps(
    network: U2Net, description: Description, examples: Sequence[Example], device: torch.device | str = "cpu"
) -> list[Alpha]:
    """The network's maps of what the engine will see of some examples, ``(S, S)`` float32 in [0, 1] each.

    Args:
        network: on ``device``; left in the mode that it is in.
        description: of its weights.
        examples: any number.
        device: that the network is on.
    """
    training = network.training
    network.eval()
    maps = []
    with torch.inference_mode():
        for example in examples:
            sample = normalised(example.seen, np.zeros(example.seen.shape[:2], np.uint8), description)
            maps.append(torch.sigmoid(network(sample.image[None].to(device)).float())[0, 0].cpu().numpy())
    network.train(training)
    return maps
