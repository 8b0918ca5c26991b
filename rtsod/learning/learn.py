"""From a camera or clips to a model of one's own: see :func:`learn`."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, OutputError
from rtsod.frames import Image
from rtsod.interfaces import Engine
from rtsod.learning.card import card_of, doubt_threshold
from rtsod.learning.config import LearnConfig
from rtsod.learning.correction import Correction, corrected_examples
from rtsod.learning.examples import LABEL_SIDE, Example, label_frames
from rtsod.learning.labelled import ZOOMED
from rtsod.learning.lesson import Lesson, teach
from rtsod.learning.measure import Measured, measure
from rtsod.learning.recording import INDEX, Recording, joined
from rtsod.learning.sources import opened_sources, recorded
from rtsod.learning.starter import Start, starting_point
from rtsod.model.card import Card
from rtsod.model.description import save_weights
from rtsod.model.own_models import (
    CALIBRATION_FILE,
    CARD_FILE,
    WEIGHTS_FILE,
    OwnModel,
    check_own_name,
    models_folder,
    only_learner,
    save_files,
)
from rtsod.model.weights import resolve
from rtsod.system.cache_folder import cache_folder
from rtsod.system.data_folder import data_folder
from rtsod.system.files import check_room, output_error, write_text
from rtsod.system.private_folder import MODE, delete_left_behind, private_folder
from rtsod.training.reporter import TrainReporter

MIN_IOU: Final = 0.7
"""Mean IoU with the teacher below which nothing is saved: such a mask shows neither the person nor the room."""


_MODEL_BYTES: Final = 5_000_000
"""What the files of a model may take while an older one of the name is still there."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of it."""

    model: OwnModel
    card: Card
    measured: Measured
    before: float
    """Mean IoU of the weights that the lesson began with."""
    stopped: bool
    """It was told to end early."""
    kept: Path | None
    """The recording, if it was to be kept."""


def learn(
    config: LearnConfig,
    reporter: TrainReporter,
    *,
    begun: Callable[[Path | None], None] = lambda recording: None,
    stop: Callable[[], bool] = lambda: False,
) -> Learnt:
    """Record, label, correct, train, measure, and save a model under its name.

    Nothing leaves the machine. The recording is deleted at the end, however it ends, unless it is to be kept.

    Args:
        config: what to learn.
        reporter: told how it goes.
        begun: called before the first step of training, when there begins to be something to save. It is given the
            folder of the recording, which must be deleted even if the process ends at once; None if it is to be kept.
        stop: asked after every step; if it is true, the best network so far is measured and saved.

    Raises:
        UsageError: the name or a source cannot be, or somebody else is learning this name.
        SourceError: a source cannot be read, is too short, or shows nobody.
        WeightsError: the teacher's or the starter's weights cannot be had.
        EngineError: an engine failed, memory is short, or too little was learned to be of use.
        OutputError: the recording or the model cannot be written.
        ModuleNotFoundError: the extra ``train`` is not installed.
    """
    check_own_name(config.name)
    start = starting_point(config.name)
    with ExitStack() as stack:
        stack.enter_context(only_learner(config.name))
        check_room("a model", _MODEL_BYTES, models_folder(), "XDG_DATA_HOME")  # before anybody waits for minutes
        folder = stack.enter_context(_recording_folder(config, reporter))
        with opened_sources(config.sources):  # before anybody waits for the teacher
            pass
        teacher = _teacher(config, reporter)
        stack.callback(teacher.close)
        recordings = recorded(config, folder, reporter)
        corrected, doubt, frame = _examples(recordings, teacher, start, reporter)
        teacher.close()
        reporter.notify(corrected.line)
        begun(None if config.keep else folder)
        lesson = teach(corrected.examples, start, config, reporter, stop)
        model, card, measured = _measured_and_saved(config, start, corrected, lesson, doubt, frame, reporter)
        kept = folder if config.keep and recordings and recordings[0].folder == folder else None
        return Learnt(model, card, measured, lesson.before.mean, lesson.stopped, kept)


def _teacher(config: LearnConfig, reporter: TrainReporter) -> Engine:
    engine = EngineConfig(config.teacher, input_size=LABEL_SIDE)

    def report(done: int, total: int) -> None:
        reporter.preparing("downloading the teacher (kB)", done // 1000, total // 1000)

    return open_engine(engine, resolve(engine), reporter.notify, reporter.preparing, report)


def _examples(
    recordings: list[Recording], teacher: Engine, start: Start, reporter: TrainReporter
) -> tuple[Correction, float, Image]:
    """What to learn from, when a run will doubt that it was learned, and one frame as it is."""
    shots = joined(recordings)
    size = start.description.size
    examples: list[Example] = label_frames(shots, teacher, size, round(ZOOMED * size), reporter.preparing)
    scripted = any(recording.scripted for recording in recordings)
    first, shot = shots[0]
    corrected = corrected_examples(examples, scripted=scripted, progress=reporter.preparing)
    return corrected, doubt_threshold(examples, corrected.examples), first.image(shot)


def _measured_and_saved(
    config: LearnConfig,
    start: Start,
    corrected: Correction,
    lesson: Lesson,
    doubt: float,
    frame: Image,
    reporter: TrainReporter,
) -> tuple[OwnModel, Card, Measured]:
    with tempfile.TemporaryDirectory(prefix="rtsod-") as name:
        built = Path(name)
        weights, calibration = built / WEIGHTS_FILE, built / CALIBRATION_FILE
        save_weights(weights, lesson.network, start.description)
        measured = measure(weights, calibration, start.description, corrected.examples, frame, reporter)
        if not measured.score.mean >= MIN_IOU:
            raise EngineError(
                f"too little was learned to be of use: IoU {measured.score.mean:.2f} with the teacher after "
                f"{lesson.steps} steps; nothing was saved: give it more --train-minutes"
            )
        card = card_of(config, start, corrected, lesson, measured, doubt)
        write_text(built / CARD_FILE, card.text())
        return save_files(config.name, built), card, measured


@contextmanager
def _recording_folder(config: LearnConfig, reporter: TrainReporter) -> Iterator[Path]:
    """A folder for the recording: deleted at the end, or the user's to keep."""
    try:
        private = cache_folder() / "recordings"
        kept = data_folder() / "recordings"
    except OSError as error:
        raise OutputError(f"a recording has no place: {error.strerror or error}") from error
    if deleted := delete_left_behind(private):
        plural = "s" if deleted > 1 else ""
        reporter.notify(f"deleted {deleted} recording{plural} that a killed process had left behind")
    with ExitStack() as stack:
        try:
            if config.keep:
                folder = kept / f"{config.name}-{time.strftime('%Y%m%d-%H%M%S')}"
                folder.mkdir(MODE, parents=True)
            else:
                folder = stack.enter_context(private_folder(private))
        except OSError as error:
            raise output_error(kept if config.keep else private, error) from error
        if config.keep:
            stack.callback(_delete_unfinished, folder)
        yield folder


def _delete_unfinished(folder: Path) -> None:
    """Delete a recording that did not come to its end: nobody was told where it would be."""
    if not (folder / INDEX).exists():
        shutil.rmtree(folder, ignore_errors=True)
