"""Measures the whole path, from capture to sink, through the program's own pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import psutil

from rtsod.app.assembly import build_run
from rtsod.app.engines import pin_engine_config
from rtsod.bench.sources import DEFAULT_BACKGROUND, LoopedSource, PacedSource, scene_images
from rtsod.bench.target import Target
from rtsod.config import AppConfig, PictureConfig, QualityConfig, RunConfig, SourceConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import EngineInfo, SourceInfo
from rtsod.interfaces import Clock, Engine, Source
from rtsod.mask_plan import MaskPlan
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Drop, Metrics, Snapshot, Span, Stage
from rtsod.sinks.null import NullSink
from rtsod.sources import open_source

TRACED_FRAMES: Final = 20
"""Number of composited frames at the end of a run whose stages the timeline shows."""
_TRACE_SPANS: Final = 2000
_SAMPLE_INTERVAL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Case:
    """One run to measure."""

    target: Target
    source: SourceConfig
    """``scene``, a file or a folder. Size and rate apply to the drawn scene."""
    paced: bool = True
    """True delivers frames like a camera, dropping those that arrive too fast; False takes every frame as fast as
    possible."""
    sync: Sync = "locked"
    """``auto`` makes masks as the program does by default, which may include the ROI and the quality ladder."""
    background: str = DEFAULT_BACKGROUND
    seconds: float = 10.0
    """Longest duration of the run."""
    sinks: int = 1
    """Number of sinks."""

    @property
    def quality(self) -> QualityConfig:
        """Adaptive quality for ``auto``, otherwise fixed."""
        return QualityConfig() if self.sync == "auto" else QualityConfig(quality="fixed")


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources the process used at one moment."""

    at: float
    """Seconds from the start of the run."""
    memory_mb: float
    """Resident memory, 10^6 bytes."""
    threads: int
    descriptors: int
    """Open file descriptors; on Windows, handles."""


@dataclass(frozen=True, slots=True)
class EndToEndResult:
    """How one run went."""

    case: Case
    sync: str
    """The mode that ran: locked, tracked, or both."""
    engine: EngineInfo
    source: SourceInfo
    snapshot: Snapshot
    cpu_cores: float
    """Processor time per second of the run: 2.0 is two cores kept busy."""
    resources: tuple[Resources, ...]
    latencies_ms: tuple[float, ...]
    """Milliseconds from capture to sink of each composited frame."""
    spans: tuple[Span, ...]
    """What every stage did while the last ``TRACED_FRAMES`` frames were made; times in seconds from the first."""
    others_cores: float | None = None
    """Cores other programs used meanwhile, see :mod:`rtsod.system.interference`."""

    @property
    def fps(self) -> float | None:
        """Composited frames per second; None for fewer than two.

        A short burst can leave faster than its frames were captured. A paced run is therefore limited to the
        source's rate times the share of frames that was composited, which no longer run can exceed.
        """
        snapshot = self.snapshot
        if snapshot["composited"] < 2:
            return None
        rate = snapshot["output_fps"]
        if self.case.paced and self.source.fps is not None:
            completed = snapshot["captured"] - snapshot["dropped"].get(Drop.STOPPED, 0)
            rate = min(rate, float(self.source.fps) * snapshot["composited"] / max(completed, 1))
        return round(rate, 3)

    @property
    def peak_memory_mb(self) -> float:
        """Largest resident memory of the process, with the network and the frames kept in memory."""
        return max(sample.memory_mb for sample in self.resources)


def measure_end_to_end(case: Case) -> EndToEndResult:
    """Open everything the case names and run it. Call it in a new process.

    Raises:
        RtsodError: something cannot be opened, or the run fails.
    """
    with closing(_open_source(case)) as source, closing(_pool(case.target)) as pool:
        return run_case(case, source, pool)


def _pool(target: Target) -> EnginePool:
    first = target.open()[0]
    pinned = pin_engine_config(target.config, first.info)

    def opened(size: int) -> Engine:
        return replace(target, config=replace(pinned, input_size=size)).open()[0]

    return EnginePool(first, opened)


def run_case(
    case: Case,
    source: Source,
    pool: EnginePool,
    *,
    plan: MaskPlan | None = None,
    clock: Clock = time.perf_counter,
) -> EndToEndResult:
    """Run the program's pipeline over open edges until the input ends or ``case.seconds`` have passed.

    Args:
        case: the run.
        source: an open source; the caller closes it.
        pool: open engines; the caller closes it.
        plan: how masks are made; None times the network and decides by its speed, as the program does.
        clock: monotonic time in seconds.
    """
    config = AppConfig(
        source=case.source,
        engine=case.target.config,
        quality=case.quality,
        picture=PictureConfig(backgrounds=(case.background,)),
        run=RunConfig(sync=case.sync),
    )
    sinks = [NullSink() for _ in range(case.sinks)]
    metrics = Metrics(clock, trace=_TRACE_SPANS)
    with build_run(
        config, source=source, sinks=sinks, pool=pool, plan=plan, metrics=metrics, watched=False, clock=clock
    ) as run:
        sampler = _ResourceSampler(clock)
        cpu = time.process_time()
        run.pipeline.run(tick=lambda: sampler.tick() >= case.seconds)
        seconds = sampler.tick(last=True)
        snapshot, sync = metrics.snapshot(), run.sync
    return EndToEndResult(
        case=case,
        sync=sync,
        engine=pool.info,
        source=source.info,
        snapshot=snapshot,
        cpu_cores=round((time.process_time() - cpu) / seconds, 3),
        resources=tuple(sampler.samples),
        latencies_ms=tuple(round(latency * 1e3, 3) for latency in metrics.latencies()),
        spans=last_spans(metrics.spans(), TRACED_FRAMES),
    )


def last_spans(spans: list[Span], frames: int) -> tuple[Span, ...]:
    """The spans during which the last ``frames`` frames were made, with times counted from the first one's capture."""
    composed = [span.frame for span in spans if span.stage is Stage.COMPOSE][-frames:]
    captures = [span.ended for span in spans if span.stage is Stage.CAPTURE and span.frame in composed]
    if not captures:
        return ()
    # A capture span is mostly waiting for the camera: start when its frame has arrived.
    zero = min(captures)
    end = max(span.ended for span in spans if span.frame in composed)
    return tuple(
        replace(span, started=round(span.started - zero, 6), ended=round(span.ended - zero, 6))
        for span in spans
        if span.ended >= zero and span.started <= end
    )


class _ResourceSampler:
    """Samples the process's resources at intervals."""

    def __init__(self, clock: Clock) -> None:
        self.samples: list[Resources] = []
        self._clock = clock
        self._start = clock()
        self._process = psutil.Process()
        self._descriptors: Callable[[], int] = getattr(self._process, "num_fds", None) or getattr(  # noqa: B009 - not in this system's stubs
            self._process, "num_handles"
        )

    def tick(self, *, last: bool = False) -> float:
        """Seconds since the start. The last call takes no sample, since the run's threads have ended by then."""
        at = self._clock() - self._start
        if not self.samples or (not last and at - self.samples[-1].at >= _SAMPLE_INTERVAL_SECONDS):
            memory = self._process.memory_info().rss / 1e6
            self.samples.append(
                Resources(round(at, 3), round(memory, 1), self._process.num_threads(), self._descriptors())
            )
        return at


def open_paceable(config: SourceConfig) -> Source:
    """Open a file or a folder.

    Raises:
        UsageError: the source is a camera or a stream, whose pace the benchmark cannot set.
        SourceError: the source cannot be opened.
    """
    source = open_source(config)
    if source.info.live:
        source.close()
        raise UsageError(f"--source {config.spec}: the benchmark sets the pace: choose a file, a folder or scene")
    return source


def _open_source(case: Case) -> Source:
    config = case.source
    source: Source
    if config.spec == "scene":
        # Rendered in advance: a camera's frame costs this processor nothing.
        images = scene_images(config.width, config.height, config.live_fps)
        source = LoopedSource(images, Fraction(config.live_fps), name="drawn scene")
    else:
        source = open_paceable(config)
    return PacedSource(source, source.info.fps or Fraction(config.live_fps)) if case.paced else source
