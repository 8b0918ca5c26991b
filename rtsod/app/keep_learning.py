"""Learning goes on while a network of your own runs: what it did not know is learned by a process beside the run.

:class:`KeptLearning` hands looks to that process (:mod:`rtsod.learning.tutor`), opens what it offers, has it take over
between two frames, and at the end saves it.
"""

from __future__ import annotations

import logging
import queue
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.config import EngineConfig
from rtsod.errors import OutputError, RtsodError, UsageError, internal_error
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.imaging.network_input import shrink
from rtsod.learning.kept_examples import KeptExample, Kind
from rtsod.learning.labelled import ZOOMED, as_levels
from rtsod.learning.tutor import Adopted, Job, Offer, keep_learning
from rtsod.masking.look import Look, Student
from rtsod.metrics import Event, Metrics, Work
from rtsod.model.card import Card
from rtsod.model.own_models import CALIBRATION_FILE, WEIGHTS_FILE, OwnModel, only_learner, own_model, save_files
from rtsod.model.stored import stored_card
from rtsod.model.weights import Weights, resolve, sha256_of
from rtsod.progress import Notify
from rtsod.system.cache_folder import cache_folder
from rtsod.system.private_folder import delete_left_behind, private_folder
from rtsod.system.worker_process import WorkerEnded, WorkerProcess

_log = logging.getLogger(__name__)

_WAITING_LOOKS: Final = 4
"""Looks that wait to be sent. They hold whole frames, and come a second apart: more of them mean that nobody reads."""
_JOIN_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class OpenStudent:
    """A student that is open."""

    student: Student
    close: Callable[[], None]
    """Closes its engines."""


class KeptLearning:
    """A :class:`rtsod.masking.look.Learner` whose learning happens in another process. Close it before the run's end.

    Args:
        model: that runs, whose folder is replaced at the end.
        job: for the process.
        open_offer: opens weights; called on a thread of its own.
        close_first: closes the student that the run began with.
        metrics: counts examples and successors.
        notify: receives a line when a better network takes over for the first time, when learning fails, at the end.

    Raises:
        OSError: no process can be started.
    """

    def __init__(
        self, model: OwnModel, job: Job, open_offer: Callable[[Weights], OpenStudent], close_first: Callable[[], None],
        metrics: Metrics, notify: Notify,
    ) -> None:  # fmt: skip
        self._model, self._job, self._open_offer = model, job, open_offer
        self._metrics, self._notify = metrics, notify
        self._close_running = close_first
        self._looks: queue.Queue[tuple[Look, Kind] | None] = queue.Queue(_WAITING_LOOKS)
        self._lock = threading.Lock()
        self._next: OpenStudent | None = None
        self._taken = threading.Event()
        self._adopted: Offer | None = None
        self._is_over = False
        """Nothing is learned any more: it failed, or was closed."""
        self._is_closed = False
        self._process = WorkerProcess(keep_learning, job, OMP_NUM_THREADS="1")
        self._threads = [
            threading.Thread(target=work, name=f"rtsod-{name}", daemon=True)
            for name, work in (("learning-sender", self._send_all), ("learning-receiver", self._receive_all))
        ]
        for thread in self._threads:
            thread.start()

    def heard(self, look: Look) -> None:
        """See :class:`rtsod.masking.look.Learner`."""
        if self._is_over:
            return
        known = Kind.KNOWN if self._adopted is None else Kind.LEARNT
        try:
            self._looks.put_nowait((look, known if look.agrees else Kind.WRONG))
        except queue.Full:
            self._metrics.worked(Work.EXAMPLES_MISSED)

    def successor(self) -> Student | None:
        """See :class:`rtsod.masking.look.Learner`."""
        if self._next is None:
            return None
        with self._lock:
            following, self._next = self._next, None
        if following is None:
            return None
        self._metrics.event(Event.NETWORK_IMPROVED)
        self._taken.set()
        return following.student

    def close(self) -> None:
        """End the learning at once, and save the network that took over last. Idempotent."""
        if self._is_closed:
            return
        self._is_over = self._is_closed = True
        self._process.close()
        self._taken.set()
        with ExitStack() as stack:
            stack.callback(self._save)
            with self._lock:
                unused, self._next = self._next, None
            if unused is not None:
                unused.close()
            with suppress(queue.Full):  # then the thread ends with the next look
                self._looks.put_nowait(None)
            for thread in self._threads:
                thread.join(_JOIN_SECONDS)
            self._close_running()

    def _send_all(self) -> None:
        while (item := self._looks.get()) is not None and not self._is_over:
            look, kind = item
            self._process.send(self._example(look, kind))
            self._metrics.worked(Work.EXAMPLES)

    def _example(self, look: Look, kind: Kind) -> KeptExample:
        size, fitting, image = self._job.description.size, self._job.description.fitting, look.frame.image
        side = round(ZOOMED * size)
        label = look.teacher if kind is Kind.WRONG else look.student
        return KeptExample(
            kind, look.frame.time, shrink(image, side, fitting), shrink(image, size, fitting), _levels(label, side)
        )

    def _receive_all(self) -> None:
        try:
            while True:
                offer = self._process.receive()
                following = self._open_offer(self._weights(offer))
                self._taken.clear()
                with self._lock:
                    if self._is_over:
                        following.close()
                        return
                    self._next = following
                self._taken.wait()
                if self._is_over:
                    return
                self._take(offer, following)
        except (RtsodError, WorkerEnded) as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(internal_error(error))

    def _weights(self, offer: Offer) -> Weights:
        file, calibration = offer.folder / WEIGHTS_FILE, offer.folder / CALIBRATION_FILE
        label = f"{self._model.label}, as it learned in this run"
        return Weights(self._job.description, sha256_of(file), label, file, calibration)

    def _take(self, offer: Offer, following: OpenStudent) -> None:
        """The inference thread asks nobody but the successor now."""
        is_first, self._adopted = self._adopted is None, offer
        self._process.send(Adopted())
        close, self._close_running = self._close_running, following.close
        close()
        line = (
            f"masks: {self._model.name} has learned what it did not know: IoU {offer.before:.2f} before, "
            f"{offer.after:.2f} now, on frames that were held out"
        )
        (self._notify if is_first else _log.info)(line)

    def _fail(self, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._process.close()
            self._metrics.event(Event.LEARNING_FAILED)
            self._notify(f"learning: {self._model.name} learns no more in this run, which goes on: {reason}")

    def _save(self) -> None:
        offer, name = self._adopted, self._model.name
        if offer is None:
            return
        if not offer.keeps_known:
            self._notify(
                f"learning: what {name} learned is not saved, because nothing that it knew before was seen in this run"
            )
            return
        try:
            if sha256_of(self._model.weights) != self._job.card.weights_sha256:
                self._notify(f"learning: what {name} learned is not saved, because {name} was replaced meanwhile")
                return
            save_files(name, offer.folder)
        except (RtsodError, OSError) as error:
            self._notify(f"learning: what {name} learned cannot be saved: {error}")
        else:
            self._notify(f"learning: {name} is saved, with {offer.frames} frames of this run learned")


def open_keep_learning(
    config: EngineConfig,
    threshold: float,
    info: EngineInfo,
    first: OpenStudent,
    open_offer: Callable[[Weights], OpenStudent],
    metrics: Metrics,
    opened: ExitStack,
    notify: Notify,
) -> KeptLearning:
    """Begin to learn beside a run.

    Args:
        config: names a network of your own.
        threshold: agreement below which a look speaks against it.
        info: of its engine.
        first: the student that the run begins with.
        open_offer: see :class:`KeptLearning`.
        metrics: see there.
        opened: ends the learning, saves, and deletes what was kept in files meanwhile.
        notify: see :class:`KeptLearning`.

    Raises:
        UsageError: there is no such network, another process is learning it, or an option does not fit.
        OutputError: there is no place for what is offered.
    """
    assert config.model is not None
    model, weights = own_model(config.model), resolve(config)
    if config.input_size not in (None, weights.description.size):
        raise UsageError(
            f"--keep-learning: {model.name} learns at {weights.description.size} pixels: drop --input-size"
        )
    if info.slow_to_open:
        raise UsageError(f"--keep-learning: {info.name} takes minutes to open what was learned: use --engine openvino")
    opened.enter_context(only_learner(model.name))
    try:
        delete_left_behind(cache_folder() / "learning")
        folder = opened.enter_context(private_folder(cache_folder() / "learning"))
        running = Path(shutil.copyfile(model.weights, folder / WEIGHTS_FILE))
        unknown = Card(weights_sha256=weights.sha256, teacher="unknown", frames=0, held_out=0)
        card = stored_card(model, weights.sha256) or unknown
        job = Job(weights.description, running, card, threshold, info.precision == "int8", folder)
        learning = KeptLearning(model, job, open_offer, first.close, metrics, notify)
    except OSError as error:
        raise OutputError(f"--keep-learning: cannot begin to learn: {error.strerror or error}") from error
    opened.callback(learning.close)
    return learning


def _levels(alpha: Alpha, side: int) -> Image:
    interpolation = cv2.INTER_AREA if len(alpha) > side else cv2.INTER_LINEAR
    return as_levels(np.asarray(cv2.resize(alpha, (side, side), interpolation=interpolation), np.float32))
