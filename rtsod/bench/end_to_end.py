"""The whole path, from capture to sink, through the program's own pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import psutil

from rtsod.app.assembly import like, pipeline_from, plan_run, sync_that_ran
from rtsod.app.run import leave_cores_to_the_network
from rtsod.bench.sources import BACKGROUND, LoopedSource, PacedSource, demo_images
from rtsod.bench.target import Subject
from rtsod.composite.backgrounds import open_background
from rtsod.composite.compositor import Compositor
from rtsod.config import PictureConfig, QualityConfig, RunConfig, SourceConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import EngineInfo, SourceInfo
from rtsod.interfaces import Backdrop, Clock, Engine, Masker, Source
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.initial_quality import build_masker
from rtsod.metrics import Drop, Metrics, Snapshot, Span, Stage
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.refine import refiner
from rtsod.sinks.null import NullSink
from rtsod.sources import open_source

TRACED_FRAMES: Final = 20
"""Composited frames of which every stage is kept, for the time line."""
_TRACE: Final = 2000
_SAMPLE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Case:
    """One run to measure."""

    subject: Subject
    source: SourceConfig
    """``demo``, a file, a folder; its size and rate are of the demo scene."""
    paced: bool = True
    """Like a camera, dropping what comes too fast; or every frame, as fast as it goes."""
    sync: Sync = "locked"
    """``auto`` makes masks as the program does by default, by the subject's region and a ladder where it takes them."""
    background: str = BACKGROUND
    seconds: float = 10.0
    sinks: int = 1

    @property
    def quality(self) -> QualityConfig:
        """What may be given up."""
        return QualityConfig() if self.sync == "auto" else QualityConfig(quality="fixed")


@dataclass(frozen=True, slots=True)
class Resources:
    """What the process held at one moment."""

    at: float
    """Seconds from the start of the run."""
    memory_mb: float
    threads: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class WholeResult:
    """How one run went."""

    case: Case
    sync: str
    """What ran: locked, tracked, or both."""
    engine: EngineInfo
    source: SourceInfo
    numbers: Snapshot
    cpu_cores: float
    """Processor time per second of the run: 2.0 is two cores kept busy."""
    resources: tuple[Resources, ...]
    latencies_ms: tuple[float, ...]
    """From capture to sink, of each picture."""
    spans: tuple[Span, ...]
    """The passes of all stages while the last ``TRACED_FRAMES`` pictures were made; seconds from the first."""
    others_cores: float | None = None
    """What other programs used meanwhile, see :mod:`rtsod.bench.interference`."""

    @property
    def fps(self) -> float | None:
        """Pictures per second, None for less than two.

        Few pictures that come in a burst seem faster than they were captured: paced like a camera, no more can leave
        in the long run than the share of the pace that was composited.
        """
        numbers = self.numbers
        if numbers["composited"] < 2:
            return None
        rate = numbers["output_fps"]
        if self.case.paced and self.source.fps is not None:
            settled = numbers["captured"] - numbers["dropped"].get(Drop.STOPPED, 0)
            rate = min(rate, float(self.source.fps) * numbers["composited"] / max(settled, 1))
        return round(rate, 3)

    @property
    def peak_memory_mb(self) -> float:
        """Of the process, network and frames in memory included."""
        return max(resource.memory_mb for resource in self.resources)


def measure_whole(case: Case) -> WholeResult:
    """Open what the case names and run it. For a fresh process.

    Raises:
        RtsodError: it cannot be opened, or fails.
    """
    leave_cores_to_the_network()
    with closing(_open_source(case)) as source, closing(_pool(case.subject)) as pool:
        settled = plan_run(case.quality, RunConfig(sync=case.sync), source.info, pool, lambda line: None)
        metrics = Metrics(trace=_TRACE)
        masker = build_masker(settled.choice, source.info, pool, metrics, lambda line: None)
        backdrop, age = open_background(case.background), settled.max_mask_age
        run = replace(case, sync=settled.run.sync)
        result = run_case(run, source, masker, pool.first.info, backdrop, metrics, max_mask_age=age)
        return replace(result, case=case)


def _pool(subject: Subject) -> EnginePool:
    first = subject.open()[0]
    settled = subject.config if subject.constant else like(subject.config, first.info)

    def opened(size: int) -> Engine:
        return replace(subject, config=replace(settled, input_size=size)).open()[0]

    return EnginePool(first, opened)


def run_case(
    case: Case,
    source: Source,
    masker: Masker,
    engine: EngineInfo,
    backdrop: Backdrop,
    metrics: Metrics,
    *,
    max_mask_age: float,
    clock: Clock = time.perf_counter,
) -> WholeResult:
    """Run the pipeline over opened edges until the input ends or ``case.seconds`` are over."""
    pipeline = pipeline_from(
        RunConfig(sync=case.sync),
        source,
        masker,
        Compositor([backdrop], refine=refiner(PictureConfig().refine)),
        [NullSink() for _ in range(case.sinks)],
        metrics,
        stabilizer=None if source.info.stills else MaskStabilizer(),
        max_mask_age=max_mask_age,
        clock=clock,
    )
    watch = _Watch(clock)
    cpu = time.process_time()
    pipeline.run(tick=lambda: watch.tick() >= case.seconds)
    seconds = watch.tick(last=True)
    numbers = metrics.snapshot()
    return WholeResult(
        case=case,
        sync=sync_that_ran(case.sync, numbers),
        engine=engine,
        source=source.info,
        numbers=numbers,
        cpu_cores=round((time.process_time() - cpu) / seconds, 3),
        resources=tuple(watch.samples),
        latencies_ms=tuple(round(latency * 1e3, 3) for latency in metrics.latencies()),
        spans=latest(metrics.spans(), TRACED_FRAMES),
    )


def latest(spans: list[Span], frames: int) -> tuple[Span, ...]:
    """What happened while the last so many pictures were made, from the capture of the first; times from there."""
    composed = [span.frame for span in spans if span.stage is Stage.COMPOSE][-frames:]
    starts = [span.ended for span in spans if span.stage is Stage.CAPTURE and span.frame in composed]
    if not starts:
        return ()
    # A camera is waited for: what counts begins when its frame is there.
    zero = min(starts)
    end = max(span.ended for span in spans if span.frame in composed)
    return tuple(
        replace(span, started=round(span.started - zero, 6), ended=round(span.ended - zero, 6))
        for span in spans
        if span.ended >= zero and span.started <= end
    )


class _Watch:
    """Looks at the process now and then."""

    def __init__(self, clock: Clock) -> None:
        self.samples: list[Resources] = []
        self._clock = clock
        self._start = clock()
        self._process = psutil.Process()
        self._descriptors: Callable[[], int] = getattr(self._process, "num_fds", None) or getattr(  # noqa: B009 - not in this system's stubs
            self._process, "num_handles"
        )

    def tick(self, *, last: bool = False) -> float:
        """Seconds since the start; after the last, when the run's threads have ended, nothing is sampled any more."""
        at = self._clock() - self._start
        if not self.samples or (not last and at - self.samples[-1].at >= _SAMPLE_SECONDS):
            memory = self._process.memory_info().rss / 1e6
            self.samples.append(
                Resources(round(at, 3), round(memory, 1), self._process.num_threads(), self._descriptors())
            )
        return at


def open_paceable(config: SourceConfig) -> Source:
    """A file or a folder, opened.

    Raises:
        UsageError: it sets its own pace: a camera or a stream.
        SourceError: it cannot be opened.
    """
    source = open_source(config)
    if source.info.live:
        source.close()
        raise UsageError(f"--source {config.spec}: the benchmark sets the pace itself: give a file, a folder or demo")
    return source


def _open_source(case: Case) -> Source:
    config = case.source
    source: Source
    if config.spec == "demo":
        # Drawn beforehand: a camera's picture costs this processor nothing.
        images = demo_images(config.width, config.height, config.fps)
        source = LoopedSource(images, Fraction(config.fps), name="demo scene")
    else:
        source = open_paceable(config)
    return PacedSource(source, source.info.fps or Fraction(config.fps)) if case.paced else source
