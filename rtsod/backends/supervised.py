"""An engine that survives crashes and hangs of the engine it wraps.

It is itself an engine, so the pipeline does not know about it. While the wrapped engine is reopened there are no masks,
and live outputs show slates.
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

MAX_RESTARTS: Final = 3
"""How often an engine is reopened within ``RESTART_WINDOW_SECONDS``, or without one successful inference in between."""
RESTART_WINDOW_SECONDS: Final = 60.0
"""Restarts longer ago than this do not count."""
MIN_TIMEOUT_SECONDS: Final = 10.0
"""An inference that takes longer is stuck, unless it takes less than ``TIMEOUT_RATIO`` times the slowest one so far."""
TIMEOUT_RATIO: Final = 10.0
"""How many times longer than the slowest inference so far one may take."""
OPEN_TIMEOUT_SECONDS: Final = 120.0
"""The timeout for reopening an engine, and for its first inference, which may compile."""


class SupervisedEngine:
    """Reopens an engine that fails or hangs, within a budget of restarts, and repeats the inference that failed.

    The engine runs on its own thread. A thread that hangs in native code cannot be ended: it is abandoned, and its
    engine is closed if the call ever returns. :func:`rtsod.system.signals.leave` ends the process even so.

    Args:
        first: the open engine.
        reopen: opens it again.
        on_event: told once of every event.
        clock: monotonic time in seconds.
        wait: waits on a condition, with a timeout in seconds of that clock.
        gives_way: the engine's thread takes little of a core that others want, so it may take long.
    """

    def __init__(
        self,
        first: Engine,
        reopen: Callable[[], Engine],
        *,
        on_event: Callable[[Event], None],
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
        gives_way: bool = False,
    ) -> None:
        self._gives_way = gives_way
        self._engine: Engine | None = first
        self._info = first.info
        self._reopen, self._on_event, self._clock, self._wait = reopen, on_event, clock, wait
        self._worker = self._new_worker()
        self._restarts: deque[float] = deque()
        self._slowest: float | None = None
        self._cause: str | None = None
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """Describes the engine that runs, or ran last."""
        return self._info

    def infer(self, image: Image) -> Alpha:
        """See :class:`rtsod.interfaces.Engine`. Raises only when the budget of restarts is spent."""
        while True:
            try:
                return self._infer_once(image)
            except WorkerStopped as error:
                raise EngineError("the engine was closed") from error
            except CallTimeout as error:
                if self._closed:
                    raise EngineError(f"{self._info.name} is stuck: its thread was abandoned") from error
                self._on_event(Event.ENGINE_STUCK)
                self._abandon()
                self._worker = self._new_worker()
                self._count_restart(EngineError(f"{self._info.name} is stuck: an inference does not return"))
            except EngineError as error:
                if self._closed:
                    raise
                self._on_event(Event.ENGINE_FAILED)
                reopening = self._engine is None
                self._discard()
                self._count_restart(error, reopening=reopening)

    def close(self) -> None:
        """Free the device. If the engine's thread is still busy, it does so when its call returns. Idempotent."""
        self._closed = True
        self._abandon()
        if not self._worker.busy:  # a call may be stuck
            self._worker.join(MIN_TIMEOUT_SECONDS)

    def _infer_once(self, image: Image) -> Alpha:
        if self._engine is None:
            self._engine = self._worker.call(self._reopen, OPEN_TIMEOUT_SECONDS)
            self._info, self._slowest = self._engine.info, None
        engine, started = self._engine, self._clock()
        timeout = (
            OPEN_TIMEOUT_SECONDS
            if self._slowest is None or self._gives_way
            else max(MIN_TIMEOUT_SECONDS, TIMEOUT_RATIO * self._slowest)
        )
        alpha = self._worker.call(lambda: engine.infer(image), timeout)
        size = engine.info.input_size
        if alpha.shape != (size, size):
            raise EngineError(f"{self._info.name} gave a map of shape {alpha.shape}, not {size}x{size}")
        now = self._clock()
        if self._slowest is None or now - started > self._slowest:
            self._slowest = now - started
        while self._restarts and now - self._restarts[0] > RESTART_WINDOW_SECONDS:
            self._restarts.popleft()
        return alpha

    def _count_restart(self, error: EngineError, *, reopening: bool = False) -> None:
        if not reopening:
            self._cause = str(error)  # errors of reopening, such as a missing GPU, explain less
        if len(self._restarts) >= MAX_RESTARTS:
            last = f", last error: {error}" if reopening else ""
            raise EngineError(f"{self._cause} (given up after {MAX_RESTARTS} restarts{last})") from error
        self._restarts.append(self._clock())
        _log.warning("%s: restarting it", str(error))  # a kept record must not keep the frames on the stack alive

    def _discard(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            self._worker.call(engine.close, MIN_TIMEOUT_SECONDS)
        except CallTimeout:
            _log.info("closing %s takes too long: abandoning its thread", self._info.name)
            self._worker.stop()
            self._worker = self._new_worker()
        except (EngineError, WorkerStopped) as error:
            _log.info("closing %s failed: %s", self._info.name, error)

    def _abandon(self) -> None:
        engine, self._engine = self._engine, None

        def release() -> None:
            try:
                if engine is not None:
                    engine.close()
            except EngineError as error:
                _log.info("closing the engine failed: %s", error)

        self._worker.stop(release)

    def _new_worker(self) -> WorkerThread:
        return WorkerThread("rtsod-engine", wait=self._wait, gives_way=self._gives_way)
