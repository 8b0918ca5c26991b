"""Composes a run from its configuration. The program, the benchmark and the studies all go through here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Self

import cv2

from rtsod.app.backdrops import Backdrops
from rtsod.app.console import Reporter, SilentReporter
from rtsod.app.edges import (
    build_compositor,
    check_names,
    check_overwriting,
    check_picture,
    choose_outputs,
    open_outputs,
    report_source,
)
from rtsod.app.engines import NetworkAhead, open_engine_pool
from rtsod.app.planning import plan_run
from rtsod.app.section import build_pipeline
from rtsod.app.watching import OpenPool, open_masker
from rtsod.composite.compositor import Compositor
from rtsod.config import AppConfig, EngineConfig, OutputConfig, PictureConfig, RunConfig, SourceConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Clock, Masker, Sink, Source
from rtsod.mask_plan import MaskPlan
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.initial_quality import check_quality, first_size
from rtsod.masking.time_budget import check_sync
from rtsod.metrics import Metrics, Snapshot
from rtsod.model.weights import with_size
from rtsod.pipeline.pipeline import Pipeline
from rtsod.sinks.live_stream import LiveStreamSink
from rtsod.sinks.virtual_camera import VirtualCameraSink
from rtsod.sources import open_source
from rtsod.sources.fitted import FittedSource
from rtsod.system.files import check_writable
from rtsod.system.machine import thread_count
from rtsod.system.pipes import open_descriptor

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """A composed run, ready for ``run.pipeline.run()``. Close it afterwards, or use it in a ``with`` statement."""

    config: RunConfig
    """What was requested, with the fallback's duration where a fallback recording is made."""
    output: OutputConfig
    """What was requested, with the decision on the preview and the fallback recording."""
    plan: MaskPlan
    source: Source
    compositor: Compositor
    backdrops: Backdrops
    sinks: tuple[Sink, ...]
    pool: EnginePool
    metrics: Metrics
    masker: Masker
    pipeline: Pipeline
    open_source: Callable[[SourceConfig], Source]
    """Opens a source as the run's own was opened."""
    _open_section: Callable[[Source, PictureConfig, RunConfig, ExitStack], tuple[Masker, Pipeline]]
    _section: ExitStack
    """What the source that is read now needs."""
    _reading: ExitStack
    """Closes the source that is read now, if it is the run's to close."""
    _opened: ExitStack

    @property
    def sync(self) -> str:
        """``locked``, ``tracked``, or both, once the run is over."""
        return sync_that_ran(self.plan.sync, self.metrics.snapshot())

    def go_on_with(self, source: Source, picture: PictureConfig) -> None:
        """Go on with another live source once the pipeline has ended: the same outputs, network and numbers.

        Whatever remembers pictures is built anew, so that nothing which was learned from one source is applied to the
        other: no mask, no flow, no region, no subject.

        Args:
            source: open; closed with the run, or once another one takes its place.
            picture: the options for it.

        Raises:
            RtsodError: the masker cannot be built again.
        """
        self._section.close()
        fitted = FittedSource(
            source, self.source.info, first_index=self.pipeline.next_index, skipped=self.source.skipped
        )
        self.source = fitted
        with self._reading.pop_all():  # closes the one before, and lets it go: a clip holds its frames
            self._reading.callback(fitted.close)
        captured, read = self.metrics.snapshot()["captured"], self.pipeline.seconds_read
        frames, seconds = self.config.max_frames, self.config.duration
        left = replace(
            self.config,
            max_frames=None if frames is None else max(1, frames - captured),
            duration=None if seconds is None else max(1e-3, seconds - read),
        )
        self.config = left
        with ExitStack() as section:
            self.masker, self.pipeline = self._open_section(fitted, picture, left, section)
            self._section = section.pop_all()

    def close(self) -> None:
        """Close everything that :func:`build_run` opened, in reverse order. Idempotent."""
        with self._opened:
            self._section.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def build_run(
    config: AppConfig,
    *,
    source: Source | None = None,
    sinks: Sequence[Sink] | None = None,
    pool: EnginePool | None = None,
    plan: MaskPlan | None = None,
    metrics: Metrics | None = None,
    reporter: Reporter | None = None,
    before_network: Callable[[Sequence[Sink]], None] = lambda sinks: None,
    watched: bool = True,
    open_fallback: OpenPool | None = None,
    clock: Clock = time.perf_counter,
) -> Run:
    """Compose a run: open its edges, open the network, plan the masks, build the pipeline.

    What is cheap and likely to be mistyped comes first; the network, which may take minutes, comes last. If a step
    fails, nothing that was opened here stays open. Edges that you hand in stay yours to close.

    Args:
        config: the whole run.
        source: an open source, instead of ``config.source``.
        sinks: open sinks, instead of ``config.output``.
        pool: open engines, instead of ``config.engine``.
        plan: instead of timing the network and deciding by its speed.
        metrics: counts and times the run; a new one by default.
        reporter: receives lines and progress; silent by default.
        before_network: called with the open sinks before the network is opened.
        open_fallback: opens the network that takes over from a small one, and stays yours to close, if it is to outlive
            the run.
        watched: False leaves a small network to itself, for benchmarks, which measure the network they name.
        clock: monotonic time in seconds, the clock that stamps the source's frames.

    Raises:
        RtsodError: something cannot be opened, or the options do not fit together.
    """
    leave_cores_to_the_network()
    if pool is None:
        config = replace(config, engine=with_size(config.engine))
    metrics, reporter = metrics or Metrics(clock), reporter or SilentReporter()
    with ExitStack() as opened:
        if config.run.stats is not None:
            if config.output.pipe is not None and open_descriptor(config.run.stats) == 1:
                raise UsageError(f"--stats {config.run.stats}: standard output is for pictures: name a file")
            check_writable("--stats", config.run.stats)
        check_names(config)
        demand = _Demand()
        open_live = partial(open_source, on_event=metrics.event, demand=demand if config.output.on_demand else None)
        reading = opened.enter_context(ExitStack())
        if source is None:
            source = open_live(config.source)
            reading.callback(source.close)
            report_source(source.info, reporter.notify)
        check_options(config, source.info)
        output, run_config, remark = config.output, config.run, ""
        page = config.control.address is not None
        if sinks is None:
            output, run_config, remark = choose_outputs(output, run_config, source.info, page=page)
        check_overwriting(config, output, source.info)
        engine = config.engine if pool is not None else choose_precision(config.engine, source.info)
        ahead = NetworkAhead(engine, reporter) if pool is None else None
        backdrops = Backdrops(config.picture.backgrounds, cycles_bundled=output.preview is True)
        opened.callback(backdrops.close)
        compositor = build_compositor(config.picture, backdrops.kept, source.info)
        if sinks is None:
            sinks = open_outputs(
                output, source.info, backdrops.kept, opened, reporter.notify, on_event=metrics.event, remark=remark,
                page=page,
            )  # fmt: skip
        demand.virtual_camera = next((sink for sink in sinks if isinstance(sink, VirtualCameraSink)), None)
        _show_slate(compositor, sinks, source.info)
        before_network(sinks)
        if pool is None:
            begin_with = first_size(config.quality, source.info, engine.side)
            pool = open_engine_pool(engine, reporter, metrics.event, first_size=begin_with, ahead=ahead)
            opened.callback(pool.close)
        plan = plan or plan_run(config.quality, config.run, source.info, pool, reporter.notify)
        _log.info("masks are too old after %.2f s", plan.max_mask_age)
        for sink in sinks:  # a file's frame may last longer, and is no older for it
            if source.info.live and isinstance(sink, VirtualCameraSink | LiveStreamSink):
                sink.limit_age(plan.max_mask_age)
        notify = reporter.notify if watched else None

        def open_section(
            source: Source, picture: PictureConfig, run: RunConfig, opened: ExitStack
        ) -> tuple[Masker, Pipeline]:
            masker = open_masker(config, engine, plan, source.info, pool, metrics, opened, notify, open_fallback)
            return masker, build_pipeline(plan, run, picture, source, masker, compositor, sinks, metrics, clock=clock)

        with ExitStack() as section:
            masker, pipeline = open_section(source, config.picture, run_config, section)
            edges = source, compositor, backdrops, tuple(sinks)
            return Run(
                run_config, output, plan, *edges, pool, metrics, masker, pipeline, open_live, open_section,
                section.pop_all(), reading, opened.pop_all(),
            )  # fmt: skip


def check_options(config: AppConfig, info: SourceInfo) -> None:
    """Refuse options that do not fit the source, before the network is opened, which takes longer.

    Raises:
        UsageError: an option does not fit.
    """
    check_quality(config.quality, info)
    check_sync(config.run, info)
    check_picture(config.picture, info)
    if config.run.keep_learning and not info.live:
        raise UsageError(
            f"--keep-learning: {info.name} is no live input, and its masks must not depend on how fast this machine "
            "learns: use rtsod learn --source for it"
        )


def choose_precision(config: EngineConfig, info: SourceInfo) -> EngineConfig:
    """Resolve ``--precision auto`` for photographs, which can wait."""
    if not info.stills or config.precision != "auto":
        return config
    _log.info("precision auto: fp32, because photographs can wait for the authors' own maps")
    return replace(config, precision="fp32")


def sync_that_ran(sync: Sync, numbers: Snapshot) -> str:
    """What to report after a run: ``auto`` may have been locked, tracked, or both."""
    if sync != "auto":
        return sync
    propagated, composited = numbers["carried"], numbers["composited"]
    return "locked" if not propagated else "tracked" if propagated == composited else "locked and tracked"


def leave_cores_to_the_network() -> None:
    """Limit OpenCV's threads, which would compete with the network's; OpenCV's share of a frame is small."""
    cv2.setNumThreads(max(1, thread_count() // 4))


class _Demand:
    """Whether anybody reads the virtual camera. The source asks, and is opened before it."""

    def __init__(self) -> None:
        self.virtual_camera: VirtualCameraSink | None = None

    def __call__(self) -> bool:
        return self.virtual_camera is None or self.virtual_camera.is_read


def _show_slate(compositor: Compositor, sinks: Sequence[Sink], info: SourceInfo) -> None:
    """Show viewers a slate while the network is opened."""
    if info.width is None or info.height is None:
        return
    slate = compositor.slate(info.width, info.height, 0.0, now=time.perf_counter())
    for sink in sinks:
        if sink.live:
            sink.write(slate)
