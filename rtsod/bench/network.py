"""The network alone: batch 1, pixels in host memory to mask in host memory, synchronised."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from rtsod.bench.target import TARGET_FPS, Subject
from rtsod.config import ModelName
from rtsod.frames import EngineInfo
from rtsod.interfaces import Clock, Engine
from rtsod.metrics import Percentiles

_WARM_UP_SECONDS: Final = 1.0
_WARM_UP_TIMES: Final = 3
_LEAST_TIMES: Final = 10
_NOISES: Final = 4


@dataclass(frozen=True, slots=True)
class NetworkResult:
    """How fast one network ran."""

    subject: Subject
    engine: EngineInfo
    why: str
    """What ``auto`` said."""
    startup_s: float
    """From launching the interpreter to the first mask, compiled models already in the cache."""
    samples_ms: tuple[float, ...]
    """Every inference after warming up, in order."""
    others_cores: float | None = None
    """What other programs used meanwhile, see :mod:`rtsod.bench.interference`."""
    cut_short: bool = False
    """A signal ended the measurement before its time."""

    @property
    def model(self) -> ModelName:
        """``full`` or ``lite``."""
        return self.subject.model

    @property
    def fps(self) -> float:
        """Inferences per second over the whole measurement."""
        return 1e3 * len(self.samples_ms) / sum(self.samples_ms)

    @property
    def percentiles(self) -> Percentiles:
        """Milliseconds per inference. With few samples the higher ones are the slowest sample."""
        p50, p95, p99 = np.percentile(self.samples_ms, [50, 95, 99])
        return Percentiles(p50=round(float(p50), 3), p95=round(float(p95), 3), p99=round(float(p99), 3))

    @property
    def target_fps(self) -> float | None:
        """The paper's; None where it gives none for this."""
        return TARGET_FPS[self.model] if self.subject.no_verdict is None else None

    @property
    def reached(self) -> bool | None:
        """The verdict, where there is a target."""
        return None if self.target_fps is None else self.fps >= self.target_fps


def prepare(subject: Subject) -> EngineInfo:
    """Convert, compile and cache whatever the engine keeps, so that what follows starts like any later start."""
    engine, _ = subject.open()
    engine.close()
    return engine.info


def measure_network(subject: Subject, seconds: float, launched_at: float) -> NetworkResult:
    """Open the engine and time it. For a fresh process.

    Args:
        subject: what to open.
        seconds: how long to measure, after warming up.
        launched_at: ``time.time()`` just before this process was launched.

    Raises:
        RtsodError: the engine cannot be opened or fails.
    """
    engine, why = subject.open()
    try:
        engine.infer(_noise(engine.info.input_size)[0])
        startup = time.time() - launched_at
        with _told_to_end() as ended:
            samples = time_engine(engine, seconds, ended=ended.is_set)
        return NetworkResult(subject, engine.info, why, round(startup, 3), samples, cut_short=ended.is_set())
    finally:
        engine.close()


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set by SIGTERM, which otherwise would end the process, and what it has measured with it."""
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, before)


def time_engine(
    engine: Engine,
    seconds: float,
    *,
    clock: Clock = time.perf_counter,
    ended: Callable[[], bool] = lambda: False,
) -> tuple[float, ...]:
    """Milliseconds of each inference for so many seconds, at least ten times, after warming up.

    Args:
        engine: to be timed.
        seconds: how long.
        clock: for both.
        ended: asked after each inference whether that is enough; there is always one.

    The pictures are noise: zeros would let a processor skip work (denormals, sparsity, power).
    """
    noises = _noise(engine.info.input_size)
    began, times = clock(), 0
    while not ended() and (times < _WARM_UP_TIMES or clock() - began < min(_WARM_UP_SECONDS, seconds)):
        engine.infer(noises[times % _NOISES])
        times += 1
    samples: list[float] = []
    began = clock()
    while not samples or (not ended() and (len(samples) < _LEAST_TIMES or clock() - began < seconds)):
        started = clock()
        engine.infer(noises[len(samples) % _NOISES])  # synchronous by contract: the mask is in host memory
        samples.append(round((clock() - started) * 1e3, 4))
    return tuple(samples)


def _noise(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (_NOISES, size, size, 3), np.uint8)
