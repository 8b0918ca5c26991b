"""An engine that outlives a crash and a hang.

It is itself an engine, so the pipeline knows nothing of it: while it is being opened again no mask comes, and those
who watch get slates.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from rtsod.errors import EngineError
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.interfaces import Clock, Engine, Wait
from rtsod.metrics import Event
from rtsod.system.worker_thread import CallTimeout, WorkerStopped, WorkerThread

_log = logging.getLogger(__name__)

RESTARTS: Final = 3
"""So often within ``RESTART_SECONDS``, or without a single answer in between, an engine is opened again."""
RESTART_SECONDS: Final = 60.0
LEAST_PATIENCE: Final = 10.0
"""Seconds after which an inference counts as stuck; more where inferences take more than a second."""
FIRST_PATIENCE: Final = 120.0
"""Seconds for opening an engine again, and for its first inference, which may compile."""


class SupervisedEngine:
    """An engine that is opened again when it fails or gets stuck, within a budget; the picture is then tried again.

    It runs on a thread of its own. One that is stuck in native code cannot be ended: it is left behind, and closed
    should it ever come back; :func:`rtsod.system.signals.leave` ends the process all the same.

    Args:
        first: opened already.
        reopen: opens it again.
        on_event: told of every event, once.
        clock: seconds that only grow.
        wait: waits on a condition for so many seconds of that clock.
    """

    def __init__(
        self,
        first: Engine,
        reopen: Callable[[], Engine],
        *,
        on_event: Callable[[Event], None],
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
    ) -> None:
        self._engine: Engine | None = first
        self._info = first.info
        self._reopen, self._on_event, self._clock, self._wait = reopen, on_event, clock, wait
        self._worker = self._new_worker()
        self._restarts: deque[float] = deque()
        self._slowest: float | None = None
        self._cause: EngineError | None = None
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """Of the engine that runs, or ran last."""
        return self._info

    def infer(self, image: Image) -> Alpha:
        """As every engine's; raises once the budget of restarts is spent."""
        while True:
            try:
                return self._answer(image)
            except WorkerStopped as error:
                raise EngineError("the engine was closed") from error
            except CallTimeout as error:
                if self._closed:
                    raise EngineError(f"{self._info.name} is stuck: it was left behind") from error
                self._on_event(Event.ENGINE_STUCK)
                self._leave()
                self._worker = self._new_worker()
                self._spend(EngineError(f"{self._info.name} is stuck: an inference does not end"))
            except EngineError as error:
                if self._closed:
                    raise
                self._on_event(Event.ENGINE_FAILED)
                reopening = self._engine is None
                self._discard()
                self._spend(error, reopening=reopening)

    def close(self) -> None:
        """Free the device, or leave it to the engine's thread where that is still busy. Idempotent."""
        self._closed = True
        self._leave()
        if not self._worker.busy:  # a call may be stuck
            self._worker.join(LEAST_PATIENCE)

    def _answer(self, image: Image) -> Alpha:
        if self._engine is None:
            self._engine = self._worker.call(self._reopen, FIRST_PATIENCE)
            self._info, self._slowest = self._engine.info, None
        engine, started = self._engine, self._clock()
        patience = FIRST_PATIENCE if self._slowest is None else max(LEAST_PATIENCE, 10 * self._slowest)
        alpha = self._worker.call(lambda: engine.infer(image), patience)
        size = engine.info.input_size
        if alpha.shape != (size, size):
            raise EngineError(f"{self._info.name} gave a map of shape {alpha.shape}, not {size}x{size}")
        now = self._clock()
        if self._slowest is None or now - started > self._slowest:
            self._slowest = now - started
        while self._restarts and now - self._restarts[0] > RESTART_SECONDS:
            self._restarts.popleft()
        return alpha

    def _spend(self, error: EngineError, *, reopening: bool = False) -> None:
        if not reopening:
            self._cause = error  # what follows from it, that there is no GPU any more, explains less
        if len(self._restarts) >= RESTARTS:
            last = f", the last: {error}" if reopening else ""
            raise EngineError(f"{self._cause} (given up after {RESTARTS} restarts{last})") from error
        self._restarts.append(self._clock())
        _log.warning("%s: restarting it", error)

    def _discard(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            self._worker.call(engine.close, LEAST_PATIENCE)
        except CallTimeout:
            _log.info("closing %s takes too long: its thread is left behind", self._info.name)
            self._worker.stop()
            self._worker = self._new_worker()
        except (EngineError, WorkerStopped) as error:
            _log.info("closing %s failed: %s", self._info.name, error)

    def _leave(self) -> None:
        engine, self._engine = self._engine, None

        def release() -> None:
            try:
                if engine is not None:
                    engine.close()
            except EngineError as error:
                _log.info("closing the engine failed: %s", error)

        self._worker.stop(release)

    def _new_worker(self) -> WorkerThread:
        return WorkerThread("rtsod-engine", wait=self._wait)
