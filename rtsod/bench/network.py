"""Times the network alone: batch 1, from pixels in host memory to the mask in host memory, synchronised."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from rtsod.bench.kernels import main_kernel
from rtsod.bench.target import PAPER_FPS, Target
from rtsod.frames import EngineInfo
from rtsod.interfaces import Clock, Engine
from rtsod.metrics import Percentiles

_WARM_UP_SECONDS: Final = 1.0
_WARM_UP_INFERENCES: Final = 3
_MIN_SAMPLES: Final = 10
_NOISE_IMAGES: Final = 4


@dataclass(frozen=True, slots=True)
class NetworkResult:
    """How fast one network ran."""

    target: Target
    engine: EngineInfo
    engine_choice: str
    """How ``auto`` explained its choice of engine; empty if there was none."""
    startup_s: float
    """Seconds from launching the interpreter to the first mask, with compiled models already cached."""
    samples_ms: tuple[float, ...]
    """Milliseconds of every inference after warming up, in order."""
    others_cores: float | None = None
    """Cores other programs used meanwhile, see :mod:`rtsod.system.interference`."""
    cut_short: bool = False
    """Whether a signal ended the measurement early."""
    kernel: str = ""
    """The kernel that ran most of the convolutions, by OpenVINO's name; empty if unknown."""

    @property
    def model(self) -> str:
        """``full``, ``lite``, or the name that your own weights give themselves."""
        return self.target.model

    @property
    def fps(self) -> float:
        """Inferences per second over the whole measurement."""
        return 1e3 * len(self.samples_ms) / sum(self.samples_ms)

    @property
    def percentiles(self) -> Percentiles:
        """Milliseconds per inference. With few samples the higher percentiles equal the slowest sample."""
        p50, p95, p99 = np.percentile(self.samples_ms, [50, 95, 99])
        return Percentiles(p50=round(float(p50), 3), p95=round(float(p95), 3), p99=round(float(p99), 3))

    @property
    def paper_fps(self) -> float | None:
        """The paper's rate; None if the paper gives none for this target."""
        return PAPER_FPS[self.model] if self.target.no_verdict_reason is None else None

    @property
    def reached(self) -> bool | None:
        """Whether the network runs at the paper's rate; None if there is no such rate."""
        return None if self.paper_fps is None else self.fps >= self.paper_fps


def prepare(target: Target) -> EngineInfo:
    """Open and close the engine once, so that converted and compiled models are cached for later starts."""
    engine, _ = target.open()
    engine.close()
    return engine.info


def measure_network(target: Target, seconds: float, launched_at: float) -> NetworkResult:
    """Open the engine and time it. Call it in a new process.

    SIGTERM ends the measurement early and keeps its samples.

    Args:
        target: what to open.
        seconds: how long to measure, after warming up.
        launched_at: ``time.time()`` just before this process was launched.

    Raises:
        RtsodError: the engine cannot be opened or fails.
    """
    engine, engine_choice = target.open()
    try:
        engine.infer(_noise(engine.info.input_size)[0])
        startup = time.time() - launched_at
        with _sigterm_event() as stop:
            samples = time_engine(engine, seconds, stop_requested=stop.is_set)
        return NetworkResult(
            target,
            engine.info,
            engine_choice,
            round(startup, 3),
            samples,
            cut_short=stop.is_set(),
            kernel=main_kernel(engine),
        )
    finally:
        engine.close()


@contextmanager
def _sigterm_event() -> Iterator[threading.Event]:
    """An event that SIGTERM sets instead of ending the process, which would lose what it has measured."""
    received = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.set())
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def time_engine(
    engine: Engine,
    seconds: float,
    *,
    clock: Clock = time.perf_counter,
    stop_requested: Callable[[], bool] = lambda: False,
) -> tuple[float, ...]:
    """Warm an engine up, then time its inferences one by one.

    The images are noise: on zeros a processor can skip work (denormals, sparsity, power).

    Args:
        engine: the engine to time.
        seconds: how long to measure; at least ten inferences are timed.
        clock: seconds, monotonic.
        stop_requested: checked after each inference; True ends the measurement, which always has one sample.

    Returns:
        Milliseconds of each inference.
    """
    images = _noise(engine.info.input_size)
    began, count = clock(), 0
    while not stop_requested() and (count < _WARM_UP_INFERENCES or clock() - began < min(_WARM_UP_SECONDS, seconds)):
        engine.infer(images[count % _NOISE_IMAGES])
        count += 1
    samples: list[float] = []
    began = clock()
    while not samples or (not stop_requested() and (len(samples) < _MIN_SAMPLES or clock() - began < seconds)):
        started = clock()
        engine.infer(images[len(samples) % _NOISE_IMAGES])  # synchronous by contract: the mask is in host memory
        samples.append(round((clock() - started) * 1e3, 4))
    return tuple(samples)


def _noise(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (_NOISE_IMAGES, size, size, 3), np.uint8)
