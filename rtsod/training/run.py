"""A training run from its configuration to its weights: see :func:`train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from torch import Tensor

from rtsod.data.picture_cache import PictureCache
from rtsod.errors import EngineError, RtsodError, UsageError
from rtsod.model.description import Description
from rtsod.system.cache_folder import cache_folder
from rtsod.training.config import TrainConfig
from rtsod.training.data import TrainData, open_data
from rtsod.training.feed import Feed, default_workers
from rtsod.training.fingerprint import Fingerprint
from rtsod.training.folder import RunFolder, check_folder, opened_folder
from rtsod.training.identity import Identity, stored_identity
from rtsod.training.log import TrainLog
from rtsod.training.loop import Objective, Trainer
from rtsod.training.losses import Losses, losses
from rtsod.training.memory import check_memory, memory_need
from rtsod.training.named_weights import weights_file
from rtsod.training.network import load_weights, new_network, unfold_batch_norm
from rtsod.training.order import Order
from rtsod.training.pictures import PairPictures
from rtsod.training.presets import draws_small_oftener, loss_recipe, picture_side, sample_recipe
from rtsod.training.report import Report
from rtsod.training.reporter import SilentTrainReporter, TrainReporter
from rtsod.training.samples import Sample, Samples
from rtsod.training.session import Session, TrainResult
from rtsod.training.teachers import teacher_from

if TYPE_CHECKING:
    from rtsod.training.processes import Processes

_UNFOLD_SAMPLES: Final = 64
"""Samples that batch norm is measured on when it was folded: the statistics of 64 pictures have 64 x 288 x 288 values a
channel at full size, and still 5000 at a sixteenth of it."""


def train(
    config: TrainConfig,
    reporter: TrainReporter,
    *,
    resume: bool = False,
    begun: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train a network, and leave its weights in the run's folder: see :mod:`rtsod.training.folder`.

    Under ``torchrun`` every process calls this.

    Args:
        config: of the run.
        reporter: told how it goes.
        resume: go on from the newest intact checkpoint.
        begun: called before the first step, when there begins to be something to save.
        stop: asked after every step; if it is true, the run is saved and ends.

    Raises:
        UsageError: the configuration cannot be met.
        DataError: the data cannot be used, are not those of the run that is resumed, or a picture cannot be read.
        WeightsError: the weights to start from, or the teacher's, cannot be used.
        EngineError: the device is not available, memory is short, a worker process died, or a loss or gradient is not
            finite.
        OutputError: the run's folder cannot be written.
        ModuleNotFoundError: the extra ``train`` is not installed.
    """
    from rtsod.training.processes import opened_processes

    with opened_processes(config) as processes:
        shown = reporter if processes.first else SilentTrainReporter()
        folder = RunFolder(config.out)
        anew = not (resume and folder.has_checkpoint)
        kept = stored_identity(config.out) if resume else None
        if not anew and kept is None:
            raise UsageError(f"{folder.identity}: is missing, so nobody knows what the run was: begin a new run")
        check_folder(config, resume=resume)
        # What is cheap to find out comes before the data, whose examination may take minutes.
        network, description = new_network(config, None if kept is None else kept.description)
        folded = anew and config.init is not None and load_weights(network, weights_file(config.init, shown))
        need = memory_need(description.table, config.crop, 4 if config.precision == "fp32" else 2)
        check_memory(need, config.recipe.batch, config.accumulate, processes.device, processes.world)
        objective = _objective(config, description, processes, shown)
        data = open_data(config, shown)
        prints = Fingerprint.of(data)
        if not anew and kept is not None:
            kept.check_data(prints)
        samples = samples_of(config, description, data)
        copies, small = len(samples) // len(data.pairs), draws_small_oftener(config.preset)
        order = data.order(copies, config.recipe.batch, config.seed, small_subjects_oftener=small)
        if folded:
            shown.notify(f"{config.init}: batch norm is folded: measured anew on {_UNFOLD_SAMPLES} samples")
            unfold_batch_norm(network, _first_images(samples, order))
        trainer = Trainer(processes, network, config.recipe, config.accumulate, objective)
        with ExitStack() as stack:
            opened = opened_folder(config, resume=resume)
            processes.first_does(lambda: stack.enter_context(opened))
            report = Report(folder, shown)
            session = Session(
                config, processes, trainer, description, folder, TrainLog(folder.log if processes.first else None),
                shown, report, stop,
            )  # fmt: skip
            session.begin(data, resume=resume)
            processes.first_does(lambda: folder.keep(config, Identity(description, prints)))
            if processes.first:
                report.begin(samples, order, description)
            feed = stack.enter_context(_feed(config, processes, samples, data, order, session.step))
            begun()
            return session.run(feed, PairPictures(data.validation, PictureCache(None)))


def samples_of(config: TrainConfig, description: Description, data: TrainData) -> Samples:
    """The samples of a run, from pictures that are decoded once.

    Args:
        config: of the run.
        description: of its weights.
        data: of the run.
    """
    recipe = sample_recipe(config.preset, description, config.crop)
    cache = PictureCache(_cache_folder())
    pictures = PairPictures(data.pairs, cache, picture_side(config.preset, description))
    return Samples(pictures, recipe, config.seed)


def _cache_folder() -> Path | None:
    try:
        return cache_folder() / "pictures"
    except OSError:  # the user has none: then nothing is kept
        return None


def _first_images(samples: Samples, order: Order) -> Iterator[Tensor]:
    """The pictures of the first steps, one by one, the same in every process."""
    count, step = 0, 0
    while count < _UNFOLD_SAMPLES:
        for draw in order.step(step)[: _UNFOLD_SAMPLES - count]:
            yield samples[draw].image[None]
            count += 1
        step += 1


def _objective(
    config: TrainConfig, description: Description, processes: Processes, reporter: TrainReporter
) -> Objective:
    recipe = loss_recipe(config.preset)
    teacher = None if config.teacher is None else teacher_from(config.teacher, description, processes.device, reporter)

    def learn(outputs: Sequence[Tensor], batch: Sample) -> Losses:
        return losses(outputs, batch.label, recipe, None if teacher is None else teacher(batch.image))

    return learn


@contextmanager
def _feed(
    config: TrainConfig, processes: Processes, samples: Samples, data: TrainData, order: Order, start: int
) -> Iterator[Feed]:
    workers = default_workers(processes.device) if config.workers is None else config.workers
    feed = Feed(
        samples,
        [str(pair.image) for pair in data.pairs],
        order,
        start=start,
        rank=processes.rank,
        world=processes.world,
        passes=config.accumulate,
        workers=workers,
        pinned=processes.device.type == "cuda",
    )
    try:
        yield feed
    except RtsodError:
        raise
    except Exception as error:
        if (lost := feed.lost_worker()) is not None:
            raise EngineError(lost) from error
        raise
    finally:
        feed.close()
