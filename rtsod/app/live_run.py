"""Runs what is controlled while it goes on: one source after another, and what keys ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from rtsod.app.assembly import Run
from rtsod.app.live_change import Controlled, PreparedChange
from rtsod.app.live_controls import RunControls
from rtsod.config import AppConfig
from rtsod.errors import RtsodError
from rtsod.interfaces import Sink
from rtsod.sinks.live_stream import LiveStreamSink
from rtsod.sinks.pipe import PipeSink
from rtsod.sinks.queued import QueuedSink


def controlled(run: Run, config: AppConfig) -> Controlled:
    """What of a run, composed from a configuration, is controlled."""
    return Controlled(
        run.compositor, run.backdrops, config.picture, config.source, run.source.info, run.metrics,
        lambda: run.pipeline, lambda: run.pool.info,
        run.open_source, config.run.keep_learning,
    )  # fmt: skip


def run_sources(run: Run, controls: RunControls, tick: Callable[[], bool], interval: float) -> None:
    """Run the pipeline, and again with each source that takes another's place. In the main thread.

    Args:
        run: composed.
        controls: its controls.
        tick: see :meth:`rtsod.pipeline.pipeline.Pipeline.run`.
        interval: in seconds; see there.

    Raises:
        RtsodError: what ended the run.
    """
    following: PreparedChange | None

    def serve() -> bool:
        nonlocal following
        ended = tick() or controls.wants_an_end
        if ended:
            hurry(run.sinks)
        following = None if ended else controls.waiting
        return ended or following is not None

    while True:
        following = None  # a pipeline that ends by itself ends the run
        run.pipeline.run(tick=serve, interval=interval)
        if following is None or following.source is None:
            return
        run.pipeline.check_ended()  # two pipelines must not share the outputs and the network
        run.go_on_with(following.source, following.picture)
        controls.source_used(run.source.info)


def hurry(sinks: Iterable[Sink]) -> None:
    """Let no sink hold up the end: its reader may have stopped reading, or its next picture be due much later."""
    for sink in sinks:
        if isinstance(sink, PipeSink | QueuedSink | LiveStreamSink):
            sink.hurry()


def in_background(change: Callable[[], object], notify: Callable[[str], None]) -> None:
    """Make a change that a key asks for in a thread of its own: it may take seconds. Say why it cannot be made."""

    def work() -> None:
        try:
            change()
        except RtsodError as error:
            notify(str(error))

    threading.Thread(target=work, name="rtsod-key", daemon=True).start()
