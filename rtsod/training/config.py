"""What a training run is: :class:`TrainConfig`, and the presets, each a :class:`Recipe`.

Invalid values raise :class:`~rtsod.errors.UsageError`, whose message names the command-line option. Every default
stands here and nowhere else; the command line only fills these classes. The configuration is written to the run's
folder as ``config.json`` and is what ``--resume`` compares.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from rtsod.config import FITS, INPUT_SIZE_RANGE, INPUT_SIZE_STEP, Fit, check_choice, names_model
from rtsod.data.spec import absolute_spec
from rtsod.errors import UsageError
from rtsod.model.table import TABLES

Preset: TypeAlias = Literal["paper", "modern", "finetune"]
TrainPrecision: TypeAlias = Literal["fp32", "bf16", "fp16"]
Schedule: TypeAlias = Literal["constant", "cosine"]

TRAIN_PRECISIONS: Final[tuple[str, ...]] = get_args(TrainPrecision)
SCHEDULES: Final[tuple[str, ...]] = get_args(Schedule)
FINETUNE_PATIENCE: Final = 5
"""Validations without a better one after which preset ``finetune`` ends: a quarter of its run. Few data are soon
learned by heart."""
NO_VALIDATION: Final = "none"
"""``--val none``: train without validation."""
DEMO: Final = "demo:"
"""Begins the name of data that rtsod makes itself."""


def _check_positive(option: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option} {value:g}: must be a positive number")


def _check_count(option: str, value: int) -> None:
    if value < 1:
        raise UsageError(f"{option} {value}: must be 1 or more")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a preset decides; each field has an option of its own."""

    learning_rate: float
    """The largest of the run; see :mod:`rtsod.training.schedule`."""
    weight_decay: float
    """Decoupled from the gradient (AdamW), on convolutions' weights alone. 0 makes AdamW the same as Adam."""
    schedule: Schedule
    warmup: float
    """Share of the run in which the learning rate rises linearly from 0."""
    clip: float | None
    """Largest norm of the gradient; None does not clip."""
    ema: float | None
    """Decay of the exponential moving average of the weights per step; None keeps none."""
    batch: int
    """Samples per step, over all processes and accumulated passes."""
    steps: int
    """Length of a run for which neither ``--steps`` nor ``--minutes`` is given."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's, as in the paper."""
    eps: float = 1e-8
    """Adam's, as in the paper."""

    def __post_init__(self) -> None:
        _check_positive("--lr", self.learning_rate)
        _check_count("--batch", self.batch)
        if not 0 <= self.weight_decay < 1:
            raise UsageError(f"--weight-decay {self.weight_decay}: must be at least 0 and below 1")
        check_choice("--schedule", self.schedule, SCHEDULES)
        if not 0 <= self.warmup <= 1:
            raise UsageError(f"--warmup {self.warmup}: is a share of the run, from 0 to 1")
        if self.clip is not None:
            _check_positive("--clip", self.clip)
        if self.ema is not None and not 0 < self.ema < 1:
            raise UsageError(f"--ema {self.ema}: must lie between 0 and 1, such as .999; --ema none keeps no average")


PRESETS: Final[dict[Preset, Recipe]] = {
    # The authors' u2net_train.py:108 (Adam, constant rate) and the length their author gives in issue 4.
    "paper": Recipe(1e-3, 0.0, "constant", 0.0, None, None, 12, 600_000),
    # What later public trainings of such networks agree on: warm-up, a rate that falls, averaged weights.
    "modern": Recipe(1e-3, 1e-2, "cosine", 0.02, 1.0, 0.999, 12, 100_000),
    # A tenth of that rate: enough to adapt, too little to forget what the weights know.
    "finetune": Recipe(1e-4, 1e-2, "cosine", 0.05, 1.0, 0.999, 12, 4_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A training run."""

    data: tuple[str, ...]
    """What :func:`rtsod.data.dataset.open_dataset` takes."""
    model: str | None = None
    """One of :data:`rtsod.model.table.TABLES`, or the path of a TOML table, see
    :func:`rtsod.model.table.table_from_toml`. None: the table that the weights of :attr:`init` say they have, else
    lite."""
    preset: Preset = "modern"
    recipe: Recipe = field(default_factory=lambda: PRESETS["modern"])
    init: str | None = None
    """Weights to start from, all of which must fit: a file, or a network's name."""
    teacher: str | None = None
    """Weights whose maps are learned as well: a file, or a network's name."""
    val: str = "5%"
    """Held-out share of the data, a data set, or :data:`NO_VALIDATION`."""
    size: int = 320
    """Pictures are scaled to this square, in pixels, as in the paper. A multiple of 32, because the weights will be
    used at this size."""
    crop: int = 288
    """Side of the square that is cut from it, in pixels, as in the paper; at most :attr:`size`."""
    fit: Fit = "stretch"
    """How a picture becomes a square; kept with the weights. The paper stretches."""
    steps: int | None = None
    """Length of the run; None: the recipe's, unless :attr:`minutes` is given."""
    minutes: float | None = None
    """Length of the run in minutes of training, validation included. The learning rate then follows the clock."""
    accumulate: int = 1
    """Passes per step. Each sees an equal part of the batch, so that less memory is needed."""
    precision: TrainPrecision = "fp32"
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    workers: int | None = None
    """Processes that prepare samples; 0 prepares them in the loop. None: from the number of cores."""
    val_every: int | None = None
    """Steps between validations; None: see :attr:`VALIDATIONS`."""
    patience: int | None = None
    """Ends the run after this many validations without a better one; None never does."""
    seed: int = 0
    out: Path = Path("runs")
    """The run's folder."""

    def __post_init__(self) -> None:
        if not self.data:
            raise UsageError("no data: give one or more data sets, such as a folder with pictures and masks")
        if self.model is not None and self.model not in TABLES and Path(self.model).suffix.lower() != ".toml":
            raise UsageError(f"--model {self.model}: must be {', '.join(TABLES)}, or a table: a .toml file")
        check_choice("--preset", self.preset, tuple(PRESETS))
        check_choice("--precision", self.precision, TRAIN_PRECISIONS)
        check_choice("--fit", self.fit, FITS)
        low, high = INPUT_SIZE_RANGE
        if not low <= self.size <= high or self.size % INPUT_SIZE_STEP:
            raise UsageError(f"--size {self.size}: must be a multiple of {INPUT_SIZE_STEP} from {low} to {high}")
        if not INPUT_SIZE_STEP <= self.crop <= self.size:
            raise UsageError(
                f"--crop {self.crop}: must be at least {INPUT_SIZE_STEP} and at most --size, {self.size}; "
                "equal to --size, nothing is cut"
            )
        if self.steps is not None and self.minutes is not None:
            raise UsageError("--steps and --minutes both say how long to train: give one of them")
        if self.steps is not None:
            _check_count("--steps", self.steps)
        if self.minutes is not None:
            _check_positive("--minutes", self.minutes)
        _check_count("--accumulate", self.accumulate)
        if self.recipe.batch % self.accumulate:
            raise UsageError(
                f"--accumulate {self.accumulate}: cannot divide a batch of {self.recipe.batch} into equal parts"
            )
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"--workers {self.workers}: must be 0 or more")
        if self.val_every is not None:
            _check_count("--val-every", self.val_every)
        if self.patience is not None:
            _check_count("--patience", self.patience)
            if self.val == NO_VALIDATION:
                raise UsageError("--patience needs validation, which --val none turns off")
        if self.preset == "finetune" and self.init is None:
            raise UsageError(
                "--preset finetune starts from weights: add --init lite, full or a file, or choose --preset modern"
            )
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed {self.seed}: must be 0 or more")
        self.held_out_share  # noqa: B018  checks it

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole run; None where the clock decides."""
        return self.steps if self.minutes is not None or self.steps is not None else self.recipe.steps

    @property
    def held_out_share(self) -> float | None:
        """The share of the data that is held out for validation; None where :attr:`val` is something else."""
        if not self.val.endswith("%"):
            return None
        try:
            share = float(self.val[:-1]) / 100
        except ValueError:
            return None
        if not 0 < share <= 0.5:
            raise UsageError(f"--val {self.val}: hold out more than 0 and at most 50 %")
        return share

    @property
    def validation_set(self) -> str | None:
        """The data set to validate on; None where :attr:`val` is something else."""
        return None if self.val == NO_VALIDATION or self.held_out_share is not None else self.val

    def to_json(self) -> dict[str, Any]:
        """Ready for :mod:`json`. Paths are absolute: a run may be resumed from any folder."""
        record = dataclasses.asdict(self)
        record["data"] = list(map(absolute_spec, self.data))
        if self.validation_set is not None:
            record["val"] = absolute_spec(self.val)
        record["out"] = os.path.abspath(self.out)
        if self.model is not None and self.model not in TABLES:
            record["model"] = os.path.abspath(self.model)
        for name in ("teacher", "init"):
            if record[name] is not None and not names_model(record[name]):
                record[name] = os.path.abspath(record[name])
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` made.

        Raises:
            UsageError: a value is not valid.
            TypeError, ValueError, KeyError: it is no configuration.
        """
        values = dict(record)
        recipe = dict(values.pop("recipe"))
        recipe["betas"] = tuple(recipe["betas"])
        values["data"] = tuple(values["data"])
        values["out"] = Path(values["out"])
        return cls(recipe=Recipe(**recipe), **values)
