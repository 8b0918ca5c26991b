"""Trains the same small network with each kind of block in every stage: the same data, order, steps and seeds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from rtsod.blocks.comparison import network_macs
from rtsod.blocks.kinds import BY_NAME, KINDS, Kind
from rtsod.blocks.result import TrainedKind, Training
from rtsod.data.picture_cache import PictureCache
from rtsod.errors import DataError, UsageError
from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Description
from rtsod.model.table import Block, table_from_toml
from rtsod.model.u2net import U2Net
from rtsod.progress import BuildProgress, Notify
from rtsod.training.augmentation import PlainRecipe
from rtsod.training.config import PRESETS, Preset, TrainConfig
from rtsod.training.data import TrainData, open_data
from rtsod.training.feed import Feed
from rtsod.training.loop import Trainer
from rtsod.training.losses import Losses, losses
from rtsod.training.pictures import PairPictures
from rtsod.training.presets import draws_small_oftener, loss_recipe
from rtsod.training.processes import opened_processes
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.run import samples_of
from rtsod.training.samples import Sample
from rtsod.training.schedule import learning_rate
from rtsod.training.validation import Validation, validate

MIN_SEEDS: Final = 3
"""Fewer give no spread: the difference between two kinds could be chance."""
PRESET: Final[Preset] = "modern"
TABLE: Final = "small"
"""Of ``rtsod/assets/tables``: small enough that a few minutes of a processor train it."""
BATCH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """How to train the networks.

    Raises:
        UsageError: a value is out of range.
    """

    data: str
    """What :func:`rtsod.data.dataset.open_dataset` takes."""
    steps: int
    """Of each network."""
    size: int = 96
    """Pictures are scaled to this square, in pixels: small, so that a processor trains 18 networks in half an hour."""
    seeds: int = MIN_SEEDS

    def __post_init__(self) -> None:
        if self.seeds < MIN_SEEDS:
            raise UsageError(f"--seeds {self.seeds}: fewer than {MIN_SEEDS} show no spread")
        if self.steps < 1:
            raise UsageError(f"--train {self.steps}: must be at least 1 step")
        self.config(0)  # checks the rest

    def config(self, seed: int) -> TrainConfig:
        """The configuration of one training, but for the network.

        Without averaged weights: over a few hundred steps the average would still hold much of the first ones.
        """
        recipe = dataclasses.replace(PRESETS[PRESET], batch=BATCH, steps=self.steps, ema=None)
        return TrainConfig(data=(self.data,), preset=PRESET, recipe=recipe, size=self.size, crop=self.size, seed=seed)


class _Lines(SilentTrainReporter):
    """Passes lines on, and nothing else."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify

    def notify(self, line: str) -> None:
        """Pass a line on."""
        self._notify(line)


def data_of(plan: TrainPlan, notify: Notify) -> TrainData:
    """The pairs of all trainings, and those that judge them: one split for all seeds.

    Args:
        plan: says which.
        notify: told what is odd about the data.

    Raises:
        DataError: the data cannot be used, or is too little to hold some out.
    """
    data = open_data(plan.config(0), _Lines(notify))
    if not data.validation:
        raise DataError(f"{plan.data}: has too few pairs to hold some out: add more")
    return data


def train_kinds(
    plan: TrainPlan,
    data: TrainData,
    progress: BuildProgress,
    kinds: Sequence[Kind] = KINDS,
    table: tuple[Block, ...] | None = None,
) -> Training:
    """Train every kind with every seed, and judge each network after its last step.

    All kinds of one seed come before the next seed, so that what slows the machine for a while slows all.

    Args:
        plan: how.
        data: from :func:`data_of`.
        progress: told of every network and its steps.
        kinds: what to train.
        table: of the networks; None for :data:`TABLE`.

    Raises:
        DataError: a picture cannot be read.
        EngineError: memory is short, or a loss is not finite.
    """
    table = table or _small_table()
    found: dict[str, list[tuple[Validation, float]]] = {kind.name: [] for kind in kinds}
    total, done = plan.seeds * len(kinds), 0
    for seed in range(plan.seeds):
        for kind in kinds:
            progress(f"training {kind.name}, seed {seed}", done, total)
            found[kind.name].append(_trained(plan.config(seed), kind, table, data, progress))
            done += 1
    progress("training", total, total)
    return Training(
        data=plan.data,
        steps=plan.steps,
        batch=BATCH,
        size=plan.size,
        table=TABLE,
        preset=PRESET,
        kinds=tuple(_summed(name, table, plan, each) for name, each in found.items()),
    )


def _small_table() -> tuple[Block, ...]:
    with as_file(files("rtsod") / "assets" / "tables" / f"{TABLE}.toml") as path:
        return table_from_toml(Path(path))


def _summed(
    name: str, table: tuple[Block, ...], plan: TrainPlan, found: Sequence[tuple[Validation, float]]
) -> TrainedKind:
    kind = BY_NAME[name]
    with torch.device("meta"):
        parameters = sum(each.numel() for each in U2Net(table, kind.build).parameters())
    return TrainedKind(
        kind=name,
        seeds=tuple(range(plan.seeds)),
        max_f=tuple(validation.max_f for validation, _ in found),
        mae=tuple(validation.mae for validation, _ in found),
        seconds=tuple(round(seconds, 2) for _, seconds in found),
        parameters=parameters,
        macs=network_macs(kind, table, plan.size),
    )


def _trained(
    config: TrainConfig, kind: Kind, table: tuple[Block, ...], data: TrainData, progress: BuildProgress
) -> tuple[Validation, float]:
    """The numbers of one network after its last step, and the seconds that its training took."""
    recipe, steps = config.recipe, config.recipe.steps
    loss = loss_recipe(config.preset)

    def learn(outputs: Sequence[Tensor], batch: Sample) -> Losses:
        return losses(outputs, batch.label, loss)

    description = Description(TABLE, table, IMAGENET_MEAN, IMAGENET_DEVIATION, config.fit, config.size)
    samples = samples_of(config, description, data)
    copies, small = len(samples) // len(data.pairs), draws_small_oftener(config.preset)
    order = data.order(copies, recipe.batch, config.seed, small_subjects_oftener=small)
    with opened_processes(config) as processes:
        torch.manual_seed(config.seed)
        trainer = Trainer(processes, U2Net(table, kind.build), recipe, 1, learn)
        feed = Feed(samples, [str(pair.image) for pair in data.pairs], order, start=0)
        began = time.perf_counter()
        try:
            for step in range(steps):
                progress("steps", step, steps)
                trainer.step(feed.step(), learning_rate(recipe, step / steps))
        finally:
            feed.close()
        seconds = time.perf_counter() - began
        progress("steps", steps, steps)
        pictures = PairPictures(data.validation, PictureCache(None))
        judged = validate(trainer.result, pictures, PlainRecipe(description), processes)
        return judged, seconds
