"""Runs a configuration to its end: composes the run, serves the window and the signals, closes everything, reports."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Final

from rtsod.app.assembly import Run, build_run
from rtsod.app.console import Reporter, one_line, overlay_lines, write_stats
from rtsod.app.control import ControlPage
from rtsod.app.live_controls import RunControls
from rtsod.app.live_run import controlled, in_background, run_sources
from rtsod.app.next_step import next_step, nothing_shown
from rtsod.app.plain_words import summary_line
from rtsod.app.preload import preloading
from rtsod.config import AppConfig, RunConfig
from rtsod.errors import ExitCode, ReceiverGone, RtsodError, UsageError, internal_error
from rtsod.frames import SourceInfo
from rtsod.interfaces import Sink
from rtsod.live import Profiles
from rtsod.sinks.live_stream import LiveStreamSink
from rtsod.sinks.preview import Key, PreviewSink, PreviewWindow
from rtsod.sinks.virtual_camera import VirtualCameraSink
from rtsod.sources.demo import DEMO_NAME
from rtsod.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    from rtsod.app.heartbeat import Heartbeat

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.05
"""How often the signals and the progress bar are served, in seconds."""
WINDOW_TICK_SECONDS: Final = 0.005
"""The same with a preview window, whose keys should respond at once."""
SIGNAL_SECONDS: Final = 0.3
"""How much later than its neighbours in a pipeline this process may get the signal that ends them all."""
KEY_TIMEOUT_SECONDS: Final = 0.01
"""How long the window waits for a key."""


def run(
    config: AppConfig,
    *,
    profiles: Profiles | None = None,
    remark: str | None = None,
    heartbeat: Heartbeat | None = None,
) -> ExitCode:
    """Run a configuration, from opening its source to closing its outputs.

    Call it from the main thread: it handles signals and shows the window.

    Args:
        config: the whole run.
        profiles: of the configuration file that it came from, to be applied and saved while it goes on; None where
            there is no such file.
        remark: a first line for the user.
        heartbeat: tells the manager of a service how the run is; None where there is none.

    Returns:
        ``ExitCode.DONE``, or the code of the signal that ended the run.

    Raises:
        UsageError: this is not the main thread.
        RtsodError: the run could not start, or an error ended it. Outputs are closed and usable by then.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("run was called from another thread: call it from the main thread, which gets the signals")
    reporter = Reporter()
    if remark is not None:
        reporter.notify(remark)
    with StopSignals() as signals:
        try:
            with ExitStack() as opened:
                page = ControlPage(config.control, opened)
                window = _Window(opened)

                def before_network(sinks: Sequence[Sink]) -> None:
                    window.open(sinks)
                    if heartbeat is not None:
                        heartbeat.ready()

                with preloading(config):
                    running = build_run(config, reporter=reporter, before_network=before_network)
                opened.callback(running.close)
                signals.hold()
                _Session(running, reporter, signals, window, page, config, profiles, heartbeat).run()
        except ReceiverGone as error:
            if not signals.arrives_within(SIGNAL_SECONDS):
                raise
            reporter.notify(str(error))
        except Interrupted:
            reporter.notify("interrupted before anything was shown")
    return signals.exit_code


class _Window:
    """The preview window, if one of the sinks is a preview."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self.preview: PreviewWindow | None = None

    def open(self, sinks: Sequence[Sink]) -> None:
        self.preview = next((PreviewWindow(sink) for sink in sinks if isinstance(sink, PreviewSink)), None)
        if self.preview is not None:
            self._opened.callback(self.preview.close)


class _Session:
    """The main thread's part of a run."""

    def __init__(
        self,
        run: Run,
        reporter: Reporter,
        signals: StopSignals,
        window: _Window,
        page: ControlPage,
        config: AppConfig,
        profiles: Profiles | None,
        heartbeat: Heartbeat | None,
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._signals = signals
        self._window = window.preview
        self._heartbeat = heartbeat
        self._spec = config.source.spec
        self._transparent = "transparent" in config.picture.backgrounds
        self._show_numbers = False
        self._controls = RunControls(controlled(run, config), profiles=profiles, may_reveal=config.control.may_reveal)
        self._page = page

    def run(self) -> None:
        """Run the pipeline, close the sinks and report, however the run ends."""
        run, end, well = self._run, "done", True
        total = _expected_frames(run.source.info, run.config)
        try:
            with self._served(), self._reporter.frames(run.source.info.name, total, run.metrics) as bar:
                ended_by: BaseException | None = None
                try:
                    interval = WINDOW_TICK_SECONDS if self._window else TICK_SECONDS
                    run_sources(run, self._controls, lambda: self._tick(bar.poll), interval)
                except BaseException as error:
                    ended_by = error
                    raise
                finally:
                    if self._heartbeat is not None:
                        self._heartbeat.stopping()
                    bar.poll()
                    self._controls.close()
                    close_sinks(run.sinks, ended_by)
            self._check_published()
            if self._signals.received:
                end = f"ended by {self._signals.exit_code.name.lower()}"
        except RtsodError as error:
            end, well = str(error), False
            self._report_notes(error)
            raise
        except Exception as error:
            end, well = internal_error(error), False
            self._report_notes(error)
            raise
        finally:
            self._report(end, well)

    def _served(self) -> AbstractContextManager[None]:
        """The control page, if there is one."""
        run = self._run
        return self._page.served(
            self._controls, run.sinks, run.source.info.name, self._reporter.notify, terminal=sys.stderr.isatty()
        )

    def _tick(self, poll: Callable[[], None]) -> bool:
        """Serve the progress bar, the watchdog, the window and the signals. True ends the run."""
        poll()
        run, controls = self._run, self._controls
        if self._heartbeat is not None:
            self._heartbeat.beat(run.metrics, waits=run.pipeline.paused and not run.source.info.live)
        if self._window is not None:
            lines = overlay_lines(run.pool.info, run.metrics.snapshot()) if self._show_numbers else ()
            match self._window.pump(KEY_TIMEOUT_SECONDS, overlay=lines):
                case Key.QUIT:
                    return True
                case Key.BACKGROUND:
                    in_background(controls.next_background, self._reporter.notify)
                case Key.MIRROR:
                    in_background(controls.toggle_mirror, self._reporter.notify)
                case Key.PAUSE:
                    controls.toggle_pause()
                case Key.STATISTICS:
                    self._show_numbers = not self._show_numbers
        return self._signals.received

    def _check_published(self) -> None:
        """Find out whether every live stream has reached its server, now that they are closed.

        Raises:
            ReceiverGone: one has not.
        """
        missing = [each for sink in self._run.sinks if isinstance(sink, LiveStreamSink) and (each := sink.unpublished)]
        if missing:
            raise ReceiverGone("; ".join(missing))

    def _report_notes(self, error: Exception) -> None:
        """Tell the user about errors of other threads, which are attached to the first one."""
        for note in getattr(error, "__notes__", ()):
            self._reporter.notify(note)

    def _report(self, end: str, well: bool) -> None:
        run = self._run
        numbers, engine = run.metrics.snapshot(), run.pool.info
        _log.info(one_line(engine, numbers))
        self._reporter.notify(summary_line(run.source.info, numbers))
        if run.config.stats is not None:
            names = [sink.name for sink in run.sinks]
            write_stats(run.config.stats, run.source.info, engine, names, run.sync, numbers, end)
        elif well and numbers["captured"]:
            shown = bool(numbers["composited"])
            interrupted = bool(self._signals.received)
            self._reporter.notify(
                self._next_step() if shown else nothing_shown(engine.model, ended_by_user=interrupted)
            )

    def _next_step(self) -> str:
        run = self._run
        return next_step(
            run.source.info,
            run.output,
            no_camera=self._spec == "auto" and run.source.info.name == DEMO_NAME,
            transparent=self._transparent,
            virtual_camera=next((sink.label for sink in run.sinks if isinstance(sink, VirtualCameraSink)), None),
        )


def close_sinks(sinks: Sequence[Sink], ended_by: BaseException | None) -> None:
    """Close every sink, the last one first, even if others fail.

    Args:
        sinks: of a run that has ended.
        ended_by: the error that ended it. It gets those of the sinks as notes, and nothing is raised.

    Raises:
        Exception: the first error of a sink, with those of others as notes.
    """
    errors: list[Exception] = []
    for sink in reversed(sinks):
        try:
            sink.close()
        except Exception as error:
            errors.append(error)
    if not errors:
        return
    first, others = (errors[0], errors[1:]) if ended_by is None else (ended_by, errors)
    for other in others:
        first.add_note(f"also: {type(other).__name__}: {other}")
    if ended_by is None:
        raise first


def _expected_frames(info: SourceInfo, run: RunConfig) -> int | None:
    limits = [limit for limit in (info.frames, run.max_frames) if limit is not None]
    if run.duration is not None and info.fps is not None and not info.live:
        limits.append(round(run.duration * info.fps))
    return min(limits) if limits else None
