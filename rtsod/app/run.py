"""A run from its configuration: opens the edges, runs the pipeline, closes everything, reports."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2

from rtsod.app.assembly import check, like, pipeline_from, plan_run, sync_that_ran
from rtsod.app.console import Reporter, one_line, overlay_lines, write_stats
from rtsod.backends import open_engine
from rtsod.backends.supervised import SupervisedEngine
from rtsod.composite.backgrounds import bundled_backgrounds, open_background
from rtsod.composite.compositor import Compositor
from rtsod.config import AppConfig, EngineConfig, OutputConfig, RunConfig
from rtsod.errors import ExitCode, OutputError, RtsodError, UsageError
from rtsod.frames import Availability, SourceInfo
from rtsod.interfaces import Backdrop, Engine, PassThrough, Sink, Source, Transparent
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.initial_quality import build_masker
from rtsod.metrics import Metrics
from rtsod.model.weights import resolve
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.progress import Notify
from rtsod.refine import refiner
from rtsod.sinks import check_outputs, open_sinks
from rtsod.sinks.null import NullSink
from rtsod.sinks.preview import Key, PreviewSink, PreviewWindow, display_available
from rtsod.sinks.virtual_camera import VirtualCameraSink
from rtsod.sources import open_source
from rtsod.system.files import check_writable
from rtsod.system.signals import Interrupted, StopSignals

_log = logging.getLogger(__name__)

FALLBACK_OUTPUT: Final = Path("rtsod-output.mp4")
"""Recorded when nothing was asked for and nothing can be shown."""
FALLBACK_SECONDS: Final = 10.0


def run(config: AppConfig) -> ExitCode:
    """One run, from opening to the closing of every output.

    Returns:
        0, or the code of the signal that ended it.

    Raises:
        RtsodError: it could not be started, or ended by an error; outputs are closed and usable by then.
    """
    leave_cores_to_the_network()
    reporter = Reporter()
    with StopSignals() as signals:
        try:
            with ExitStack() as opened:
                _Run(config, reporter, signals, opened).run()
        except Interrupted:
            reporter.notify("interrupted before anything was shown")
    return signals.exit_code


class _Run:
    """The parts of one run; ``opened`` closes them in reverse order."""

    def __init__(self, config: AppConfig, reporter: Reporter, signals: StopSignals, opened: ExitStack) -> None:
        self._reporter = reporter
        self._signals = signals
        if config.run.stats is not None:
            check_writable("--stats", config.run.stats)

        # What is cheap and likely to be mistyped comes first; the network, which may take minutes, last.
        self._metrics = Metrics()
        self._virtual_camera: VirtualCameraSink | None = None
        self._source: Source = open_source(
            config.source, on_event=self._metrics.event, demand=self._is_wanted if config.output.on_demand else None
        )
        opened.callback(self._source.close)
        info = self._source.info
        for line in (f"source: {_describe(info)}", *info.notes):
            reporter.notify(line)
        check(config.quality, config.run, info)
        if config.picture.subject_lock and info.stills:
            raise UsageError(f"{info.name}: photographs have no subject in common: leave --subject-lock out")
        output, self._run_config = _settle_outputs(config.output, config.run, info, reporter.notify)
        backdrops = self._open_backdrops(config, opened, to_cycle=output.preview is True)
        self._compositor = Compositor(
            backdrops,
            mirror=config.picture.mirror,
            refine=refiner(config.picture.refine, stills=info.stills),
            light_wrap=config.picture.light_wrap,
        )
        transparent = any(isinstance(backdrop, Transparent) for backdrop in backdrops)
        check_outputs(output, info, transparent=transparent)
        _check_nothing_is_overwritten(config, output, info)
        if info.stills and config.picture.refine == "auto":
            reporter.notify(
                "edges: off, photographs get the authors' own maps (--refine fast to let the picture guide them)"
            )
        if any(isinstance(backdrop, PassThrough) for backdrop in backdrops):
            reporter.notify("background none: the camera's own background is shown")

        sinks = open_sinks(output, info, transparent=transparent, on_event=self._metrics.event)
        self._sinks: list[Sink] = sinks or [NullSink()]
        for sink in self._sinks:
            opened.callback(sink.close)
            reporter.notify(f"output: {sink.name}")
            if isinstance(sink, VirtualCameraSink):
                self._virtual_camera = sink
                for note in sink.notes:
                    reporter.notify(note)
        self._show_slate(info)
        self._window = next((PreviewWindow(sink) for sink in self._sinks if isinstance(sink, PreviewSink)), None)
        if self._window is not None:
            opened.callback(self._window.close)

        engine = config.engine
        if info.stills and engine.precision == "auto":
            engine = replace(engine, precision="fp32")
            reporter.notify("precision auto: fp32, because photographs can wait for the authors' own maps")
        self._pool = self._open_engines(engine)
        opened.callback(self._pool.close)
        self._engine = self._pool.first
        settled = plan_run(config.quality, self._run_config, info, self._pool, reporter.notify)
        self._run_config, self._age = settled.run, settled.max_mask_age
        self._masker = build_masker(settled.choice, info, self._pool, self._metrics, reporter.notify)
        _log.info("masks count as too old after %.2f s", self._age)
        if self._virtual_camera is not None:
            self._virtual_camera.limit_age(self._age)
        picture = config.picture
        self._stabilizer = (
            MaskStabilizer(subject_lock=picture.subject_lock) if picture.steady and not info.stills else None
        )
        self._show_numbers = False

    def run(self) -> None:
        """Run the pipeline, close the sinks and report, however it ends."""
        config = self._run_config
        self._pipeline = pipeline_from(
            config,
            self._source,
            self._masker,
            self._compositor,
            self._sinks,
            self._metrics,
            stabilizer=self._stabilizer,
            max_mask_age=self._age,
        )
        self._signals.hold()
        end = "done"
        try:
            total = _expected_frames(self._source.info, config)
            with self._reporter.frames(self._source.info.name, total, self._metrics) as bar:
                try:
                    self._pipeline.run(tick=lambda: self._tick(bar.poll), interval=0.005 if self._window else 0.05)
                finally:
                    bar.poll()
                    self._close_sinks()
            if self._signals.received:
                end = f"ended by {self._signals.exit_code.name.lower()}"
        except RtsodError as error:
            end = str(error)
            raise
        finally:
            self._report(end)

    def _show_slate(self, info: SourceInfo) -> None:
        """Who watches sees a slate while the network is loaded, which may take minutes."""
        if info.width is None or info.height is None:
            return
        slate = self._compositor.slate(info.width, info.height, 0.0, now=time.perf_counter())
        for sink in self._sinks:
            if sink.live:
                sink.write(slate)

    def _is_wanted(self) -> bool:
        return self._virtual_camera is None or self._virtual_camera.is_read

    def _tick(self, poll: Callable[[], None]) -> bool:
        """What the main thread does while the others work. True ends the run."""
        poll()
        if self._window is not None:
            numbers = overlay_lines(self._engine.info, self._metrics.snapshot()) if self._show_numbers else ()
            match self._window.pump(0.01, overlay=numbers):
                case Key.QUIT:
                    return True
                case Key.BACKGROUND:
                    self._compositor.next_backdrop()
                case Key.MIRROR:
                    self._compositor.toggle_mirror()
                case Key.PAUSE:
                    self._pipeline.toggle_pause()
                case Key.STATISTICS:
                    self._show_numbers = not self._show_numbers
        return self._signals.received

    def _close_sinks(self) -> None:
        """Close all of them, whatever happens to one; the first error is the run's."""
        with ExitStack() as closing:
            for sink in self._sinks:
                closing.callback(sink.close)

    def _report(self, end: str) -> None:
        numbers = self._metrics.snapshot()
        self._reporter.notify(one_line(self._engine.info, numbers))
        path = self._run_config.stats
        if path is not None:
            names = [sink.name for sink in self._sinks]
            sync = sync_that_ran(self._run_config.sync, numbers)
            write_stats(path, self._source.info, self._engine.info, names, sync, numbers, end)

    def _open_engines(self, config: EngineConfig) -> EnginePool:
        fetching = f"fetching the weights of the {config.model} model, once"
        with self._reporter.download(fetching) as fetched, self._reporter.build() as built:
            weights = resolve(config)
            first = open_engine(config, weights, self._reporter.notify, built, fetched)

        info, settled = first.info, like(config, first.info)

        def supervised(size: int, opened: Engine | None = None) -> Engine:
            def reopen() -> Engine:
                return open_engine(replace(settled, input_size=size), weights, _log.info)

            return SupervisedEngine(opened or reopen(), reopen, on_event=self._metrics.event)

        self._reporter.notify(
            f"network: {info.model} at {info.input_size}x{info.input_size} on {info.name}, {info.precision}, "
            f"{info.device}, {info.weights}"
        )
        return EnginePool(supervised(info.input_size, first), supervised)

    def _open_backdrops(self, config: AppConfig, opened: ExitStack, *, to_cycle: bool) -> list[Backdrop]:
        """What was asked for; then, where a key can ask for the next one, the bundled ones."""
        specs = list(config.picture.backgrounds)
        backdrops: list[Backdrop] = []
        if to_cycle and "transparent" not in specs:  # an output with alpha stays one
            specs += [str(path) for path in bundled_backgrounds() if not {path.name, path.stem} & set(specs)]
        for spec in specs:
            backdrop = open_background(spec)
            close = getattr(backdrop, "close", None)
            if close is not None:
                opened.callback(close)
            backdrops.append(backdrop)
        return backdrops


def _settle_outputs(
    output: OutputConfig, run: RunConfig, info: SourceInfo, notify: Notify
) -> tuple[OutputConfig, RunConfig]:
    """Decide on the preview, and on the recording made when there is no other way to see anything."""
    others = bool(output.outputs or output.mask_outputs or output.virtual_camera is not None)
    if output.preview is False or (output.preview is None and others):
        display = Availability("display", False, "--no-preview")
    else:
        display = display_available()
    if output.preview and not display.available:
        raise OutputError(f"--preview: {display.reason}")
    settled = replace(output, preview=display.available)
    if display.available or others or run.stats is not None:
        return settled, run
    if info.stills:
        folder = FALLBACK_OUTPUT.with_suffix("")
        notify(f"no window ({display.reason}) and no other output asked for: writing pictures to {folder}/")
        return replace(settled, outputs=(folder,)), run
    seconds = run.duration or FALLBACK_SECONDS
    notify(
        f"no window ({display.reason}) and no other output asked for: "
        f"recording {seconds:g} seconds to {FALLBACK_OUTPUT}"
    )
    return replace(settled, outputs=(FALLBACK_OUTPUT,)), replace(run, duration=seconds)


def leave_cores_to_the_network() -> None:
    """OpenCV's own threads would fight the network's; its share of a frame is small."""
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // 4))


def _expected_frames(info: SourceInfo, run: RunConfig) -> int | None:
    bounds = [bound for bound in (info.frames, run.max_frames) if bound is not None]
    if run.duration is not None and info.fps is not None and not info.live:
        bounds.append(round(run.duration * info.fps))
    return min(bounds) if bounds else None


def _describe(info: SourceInfo) -> str:
    parts = [info.name]
    if info.width is not None and info.height is not None:
        parts.append(f"{info.width}x{info.height}")
    if info.fps is not None:
        parts.append(f"{float(info.fps):.4g} fps")
    if info.pixel_format is not None:
        parts.append(info.pixel_format)
    if info.stills and info.frames is not None:
        parts.append(f"{info.frames} pictures")
    return ", ".join(parts)


def _check_nothing_is_overwritten(config: AppConfig, output: OutputConfig, info: SourceInfo) -> None:
    """No output may replace a file this run reads, nor the statistics an output.

    Outputs and source are held against each other where outputs are opened; this is for all other pairs.
    """
    read = [Path(spec).expanduser() for spec in config.picture.backgrounds]
    read += [path for path in (config.engine.weights, info.path) if path is not None]
    written = [*output.outputs, *output.mask_outputs]
    stats = config.run.stats
    if stats is not None:
        if any(stats.resolve() == path.resolve() for path in written):
            raise UsageError(f"--stats {stats}: is an output of this run too: choose another name")
        if stats.is_file() and info.path is not None and stats.resolve().parent == info.path.resolve():
            raise UsageError(f"--stats {stats}: would replace a file in the folder that is read: choose another name")
        written.append(stats)
    for path in written:
        if any(other.is_file() and path.is_file() and path.samefile(other) for other in read):
            raise UsageError(f"{path}: would overwrite a file that this run reads: choose another name")
