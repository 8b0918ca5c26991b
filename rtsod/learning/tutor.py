"""The process that learns while a call runs: it keeps what it is sent, trains in rounds, and offers what is better.

It is told what to do by :class:`Job`, receives :class:`~rtsod.learning.kept_examples.KeptExample` and
:class:`Adopted`, and sends :class:`Offer`. It imports PyTorch when there is something to learn, not before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2

from rtsod.errors import EngineError
from rtsod.learning.kept_card import card_after
from rtsod.learning.kept_examples import KeptExamples, Kind
from rtsod.learning.standing import is_better
from rtsod.model.card import Card
from rtsod.model.description import Description, save_weights
from rtsod.model.own_models import CALIBRATION_FILE, CARD_FILE, WEIGHTS_FILE
from rtsod.model.weights import Weights, sha256_of
from rtsod.system.files import write_text
from rtsod.system.priority import run_when_idle
from rtsod.system.worker_process import Mailbox

if TYPE_CHECKING:
    from rtsod.learning.course import Course

MIN_LEARNED: Final = 10
MIN_HELD_OUT: Final = 4
"""Of what was wrong. With a look a second that is a quarter of a minute: who only walks through is not learned."""
SOLVED_SHARE: Final = 0.1
"""While the running network disagrees with the labels of more of what was held out, there is something to learn."""
PATIENCE: Final = 8
"""Rounds in a row without anything better, after which it rests until as much again was wrong: four minutes of a core
for nothing."""
_CALIBRATED_ON: Final = 32
"""Frames to measure the ranges on, as in a lesson."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to begin with."""

    description: Description
    weights: Path
    """Of the running network, which nobody changes meanwhile."""
    card: Card
    threshold: float
    """Agreement below which a look speaks against the network."""
    needs_int8: bool
    """Whether the run computes in 8 bits: then weights for which they are too coarse are no use."""
    folder: Path
    """For what is offered; private, and the owner's to delete."""
    min_learned: int = MIN_LEARNED
    min_held_out: int = MIN_HELD_OUT


@dataclass(frozen=True, slots=True)
class Offer:
    """Something better."""

    folder: Path
    """Holds weights, card and, unless 8 bits are too coarse, a calibration."""
    before: float
    """Mean overlap of the running network with the labels of what was wrong and held out."""
    after: float
    """The same of the offered one."""
    keeps_known: bool
    """Whether something that was known before could be held out, which shows that it still is."""
    frames: int
    """That it learned from."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The offer runs from now on."""


@dataclass(slots=True)
class _Progress:
    kept: KeptExamples = field(default_factory=KeptExamples)
    offers: int = 0
    is_offered: bool = False
    failed: int = 0
    """Rounds in a row without an offer."""
    resting_until: int = 0
    """Of what came to be learned and was wrong."""


def keep_learning(mailbox: Mailbox, job: Job) -> None:
    """Learn until the owner ends.

    Args:
        mailbox: to the owner.
        job: what to begin with.

    Raises:
        WeightsError: the weights cannot be read.
        EngineError: training failed.
        OutputError: an offer cannot be written.
    """
    run_when_idle()
    cv2.setNumThreads(1)
    progress = _Progress()
    while not _has_enough(progress, job):
        _receive(mailbox, progress, None, wait=True)
    import torch  # late: most calls have nothing to teach

    from rtsod.learning.course import Course

    torch.set_num_threads(1)
    with Course.opened(job.description, job.weights) as course:
        while True:
            while not _is_worth_a_round(progress, course, job):
                _receive(mailbox, progress, course, wait=True)
            course.round(progress.kept, lambda: _receive(mailbox, progress, course, wait=False))
            offer = _offer(progress, course, job)
            if offer is None:
                progress.failed += 1
                if progress.failed >= PATIENCE:
                    progress.failed = 0
                    progress.resting_until = progress.kept.came(Kind.WRONG) + job.min_learned
            else:
                progress.failed, progress.is_offered = 0, True
                mailbox.send(offer)


def _receive(mailbox: Mailbox, progress: _Progress, course: Course | None, *, wait: bool) -> None:
    """Take what has come; the first only if nobody is to wait."""
    message = mailbox.receive(wait=wait)
    while message is not None:
        if isinstance(message, Adopted):
            assert course is not None, "there was an offer"
            course.adopt()
            progress.is_offered = False
        else:
            progress.kept.add(message)
        message = mailbox.receive(wait=False)


def _has_enough(progress: _Progress, job: Job) -> bool:
    learned, held_out = progress.kept.learned(Kind.WRONG), progress.kept.held_out(Kind.WRONG)
    return len(learned) >= job.min_learned and len(held_out) >= job.min_held_out


def _is_worth_a_round(progress: _Progress, course: Course, job: Job) -> bool:
    if progress.is_offered or progress.kept.came(Kind.WRONG) < progress.resting_until:
        return False
    if course.unsolved(progress.kept.held_out(Kind.WRONG), job.threshold) > SOLVED_SHARE:
        return True
    progress.resting_until = progress.kept.came(Kind.WRONG) + 1
    return False


def _offer(progress: _Progress, course: Course, job: Job) -> Offer | None:
    """What was learned so far, if it is better: its files are written."""
    new, running, first = course.standings(progress.kept)
    if not is_better(new, running, first):
        return None
    folder = job.folder / str(progress.offers)
    folder.mkdir()
    progress.offers += 1
    save_weights(folder / WEIGHTS_FILE, course.trained, job.description)
    if not _is_calibrated(folder, progress.kept, job) and job.needs_int8:
        return None
    frames = sum(progress.kept.came(kind) for kind in Kind)
    write_text(folder / CARD_FILE, _card(folder, progress.kept, course, job, frames).text())
    return Offer(folder, running[Kind.WRONG], new[Kind.WRONG], Kind.KNOWN in new, frames)


def _card(folder: Path, kept: KeptExamples, course: Course, job: Job, frames: int) -> Card:
    from rtsod.learning.recipe import network_maps
    from rtsod.learning.score import score

    held_out = [each for kind in Kind for each in kept.held_out(kind)]
    found = score(network_maps(course.trained, job.description, held_out), held_out)
    digest = sha256_of(folder / WEIGHTS_FILE)
    return card_after(job.card, digest, found, frames, len(held_out), course.seconds, course.steps)


def _is_calibrated(folder: Path, kept: KeptExamples, job: Job) -> bool:
    """Write the calibration of an offer. False if 8 bits are too coarse for it."""
    from rtsod.export.calibration_from_pictures import calibration_from_pictures
    from rtsod.training.spread import evenly

    file = folder / WEIGHTS_FILE
    weights = Weights(job.description, sha256_of(file), job.description.name, file)
    seen = [each.seen for kind in Kind for each in kept.learned(kind)]
    chosen = [seen[place] for place in evenly(len(seen), _CALIBRATED_ON)]
    try:
        calibration, _ = calibration_from_pictures(weights, file, chosen, _ignore, lambda *_: None)
    except EngineError:
        return False
    write_text(folder / CALIBRATION_FILE, calibration.text())
    return True


def _ignore(line: str) -> None:
    """Discard a line of the calibration."""
