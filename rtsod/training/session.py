"""The course of a run: step after step, with validation, checkpoints, the log, and an end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import torch

from rtsod.interfaces import Clock
from rtsod.model.description import Description, save_weights
from rtsod.system.machine import describe_machine
from rtsod.training.augmentation import PlainRecipe
from rtsod.training.checkpoints import Checkpoints
from rtsod.training.config import TrainConfig
from rtsod.training.data import TrainData
from rtsod.training.feed import Feed
from rtsod.training.folder import RunFolder
from rtsod.training.log import TrainLog
from rtsod.training.loop import NotFinite, StepNumbers, Trainer
from rtsod.training.meter import Meter
from rtsod.training.options import check_length
from rtsod.training.report import Report
from rtsod.training.reporter import TrainReporter
from rtsod.training.samples import Pictures
from rtsod.training.schedule import learning_rate
from rtsod.training.validation import predicted, validate
from rtsod.version import __version__

if TYPE_CHECKING:
    from rtsod.training.processes import Processes

VALIDATIONS: Final = 20
"""Validations in a run for which ``--val-every`` is not given: as many points as a curve needs ..."""
LONGEST_PAUSE: Final = 1000
"""... but at least one in so many steps, since checkpoints are written with them."""

Reason = Literal["done", "patience", "stopped"]


class Best(NamedTuple):
    """The validation with the lowest error so far."""

    step: int
    mae: float
    max_f: float


class TrainResult(NamedTuple):
    """How a run ended."""

    reason: Reason
    """``done``: it is as long as it was to be. ``patience``: nothing better came. ``stopped``: it was told to."""
    steps: int
    seconds: float
    """Of training, without those before a resumption."""
    best: Best | None
    """None without validation."""
    weights: Path
    """The best weights; without validation the last ones."""


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where a run is."""

    step: int = 0
    seconds: float = 0.0
    best: Best | None = None
    waiting: int = 0
    """Validations since the best."""


class Session:
    """A run between its first step and its last.

    Args:
        config: of the run.
        processes: of the run.
        trainer: what learns.
        description: of the weights.
        folder: of the run.
        log: of the run.
        reporter: told how it goes.
        report: of the run.
        stop: whether to end after this step.
        clock: in seconds.
    """

    def __init__(
        self,
        config: TrainConfig,
        processes: Processes,
        trainer: Trainer,
        description: Description,
        folder: RunFolder,
        log: TrainLog,
        reporter: TrainReporter,
        report: Report,
        stop: Callable[[], bool],
        clock: Clock = time.perf_counter,
    ) -> None:
        self._config = config
        self._processes = processes
        self._trainer = trainer
        self._description = description
        self._folder = folder
        self._log = log
        self._reporter = reporter
        self._report = report
        self._stop = stop
        self._clock = clock
        self._checkpoints = Checkpoints(folder.checkpoints)
        self._progress = _Progress()

    @property
    def step(self) -> int:
        """Finished steps."""
        return self._progress.step

    def begin(self, data: TrainData, *, resume: bool) -> None:
        """Write the log's first line, or go on from the newest intact checkpoint.

        Raises:
            UsageError: the run is longer already than it is to be.
            OutputError: no checkpoint is intact, or the log cannot be written.
        """
        if self._processes.first:
            self._checkpoints.tidy()
        if resume:
            found = self._checkpoints.load(self._reporter.notify)
            if found is None:
                self._reporter.notify(f"{self._folder.path}: has no checkpoint yet: begun anew")
            else:
                path, state = found
                self._restore(state)
                check_length(self._config, self.step, self._progress.seconds)
                if self._share() < 1:
                    self._reporter.notify(f"goes on after step {self.step}, from {path}")
        self._log.rewind(self.step if resume else -1)
        if not self.step:
            versions = {"rtsod": __version__, "torch": torch.__version__}
            config, sets = self._config.to_json(), data.summary()
            self._log.write("start", config=config, machine=describe_machine(), versions=versions, data=sets)
        else:
            self._log.write("event", step=self.step, text="resumed")

    def run(self, feed: Feed, pictures: Pictures) -> TrainResult:
        """Train to the end.

        Args:
            feed: the samples of this process, from :attr:`step` on.
            pictures: to validate on; may be empty.

        Raises:
            EngineError, DataError, OutputError: see :func:`rtsod.training.run.train`.
        """
        started, before = self._clock(), self._progress.seconds
        meter = Meter(self._config.recipe.batch, self._clock)
        reason: Reason | None = "done" if self._share() >= 1 else None
        if reason is not None:
            self._reporter.notify(f"the run was done after step {self.step}: give more --steps or --minutes to go on")
        while reason is None:
            share = self._share()
            rate = learning_rate(self._config.recipe, self._midpoint(share))
            numbers = self._one_step(feed, rate)
            self._progress = replace(self._progress, step=self.step + 1)
            meter.add(numbers, feed.waited)
            self._tell(meter, rate)
            stop, seconds = self._processes.agree(self._stop(), before + self._clock() - started)
            self._progress = replace(self._progress, seconds=seconds)
            after = self._share()
            reason = "done" if after >= 1 else "stopped" if stop else None
            due = self._due(share, after)
            if len(pictures) and (due or reason == "done"):
                self._validate(pictures)
                patience = self._config.patience
                if reason is None and patience is not None and self._progress.waiting >= patience:
                    reason = "patience"
            if due or reason is not None:
                self._save()
        best = self._progress.best
        result = TrainResult(
            reason, self.step, self._clock() - started, best, self._folder.last if best is None else self._folder.best
        )
        self._log.write("end", reason=reason, steps=self.step, seconds=self._progress.seconds, best=_shown(best))
        if self._processes.first:
            self._report.write()
        return result

    def _share(self) -> float:
        """How much of the run is done, 0 to 1."""
        total, minutes = self._config.total_steps, self._config.minutes
        if total is not None:
            return self.step / total
        assert minutes is not None
        return self._progress.seconds / (60 * minutes)

    def _midpoint(self, share: float) -> float:
        """The share at the middle of the next step, so that neither the first nor the last one has a rate of 0."""
        total = self._config.total_steps
        if total is not None:
            return (self.step + 0.5) / total
        return min(1.0, share + (share / self.step / 2 if self.step else 0.001))

    def _due(self, before: float, after: float) -> bool:
        """Whether to validate and save after a step."""
        if self._config.val_every is not None:
            return self.step % self._config.val_every == 0
        return math.floor(VALIDATIONS * after) > math.floor(VALIDATIONS * before) or self.step % LONGEST_PAUSE == 0

    def _one_step(self, feed: Feed, rate: float) -> StepNumbers:
        try:
            return self._trainer.step(feed.step(), rate)
        except NotFinite as error:
            step = self.step + 1
            files = [name for part in self._processes.gather(feed.files(self.step)) for name in part]
            self._log.write("event", step=step, text=str(error), files=files)
            shown = ", ".join(files[:4]) + (f" and {len(files) - 4} more (log.jsonl)" if len(files) > 4 else "")
            if not self._processes.first:
                raise SystemExit(int(error.exit_code)) from error
            self._report.write()
            raise NotFinite(
                f"step {step}: {error}, with {shown}; the checkpoints are as before: begin a new run with a smaller "
                "--lr or with --clip, or look at these files"
            ) from error

    def _tell(self, meter: Meter, rate: float) -> None:
        seen = meter.total
        self._reporter.progress(
            min(1.0, self._share()), f"step {self.step}, loss {seen:.3f}, {meter.samples_per_second:.1f} samples/s"
        )
        if meter.due(self.step):
            self._log.write("step", step=self.step, lr=rate, **meter.take())

    def _validate(self, pictures: Pictures) -> None:
        recipe = PlainRecipe(self._description)
        found = validate(self._trainer.result, pictures, recipe, self._processes)
        self._log.write("validation", step=self.step, mae=found.mae, max_f=found.max_f)
        if self._processes.first:
            network, device = self._trainer.result, self._processes.device
            self._report.validated(self.step, pictures, lambda image: predicted(network, image, recipe, device))
        best = self._progress.best
        if best is not None and found.mae >= best.mae:
            self._progress = replace(self._progress, waiting=self._progress.waiting + 1)
            return
        self._progress = replace(self._progress, best=Best(self.step, *found), waiting=0)
        self._processes.first_does(lambda: self._save_weights(self._folder.best))

    def _save(self) -> None:
        """Write the newest weights and a checkpoint."""
        everyones = self._processes.gather(_random_state())

        def save() -> None:
            state = {**self._trainer.state(), "random": everyones, "progress": _plain(self._progress)}
            self._checkpoints.save(self.step, state)
            self._save_weights(self._folder.last)

        self._processes.first_does(save)

    def _save_weights(self, path: Path) -> None:
        save_weights(path, self._trainer.result, self._description)

    def _restore(self, state: dict[str, Any]) -> None:
        from rtsod.training.processes import restore_random_state

        self._trainer.restore(state)
        progress = dict(state["progress"])
        best = progress.pop("best")
        self._progress = _Progress(best=None if best is None else Best(*best), **progress)
        everyones = state["random"]
        restore_random_state(everyones[self._processes.rank % len(everyones)])


def _random_state() -> dict[str, Any]:
    from rtsod.training.processes import random_state

    return random_state()


def _plain(progress: _Progress) -> dict[str, Any]:
    record = asdict(progress)
    record["best"] = None if progress.best is None else list(progress.best)
    return record


def _shown(best: Best | None) -> dict[str, float] | None:
    return None if best is None else best._asdict()
