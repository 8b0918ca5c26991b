"""What a run tells its user: lines as it goes, a bar for long work, one line of numbers and a JSON at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rtsod.frames import EngineInfo, SourceInfo
from rtsod.metrics import Drop, Metrics, Snapshot
from rtsod.model.weights import ReportBytes
from rtsod.progress import BuildProgress, Notify, spoken
from rtsod.system.files import write_text
from rtsod.system.machine import describe_machine
from rtsod.version import __version__

HELD_OFTEN: Final = 0.1
"""Of the frames so far: held more often, a picture is seen to stand still ..."""
HELD_LEAST: Final = 30
"""... but not because of these first ones: masks are late at the start, and a scene may change once."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Nobody listens any more; rich would end the process, and the recording with it."""
        self.quiet = True
        mute_stderr()


def mute_stderr() -> None:
    """Point stderr to nowhere, so that what is still buffered for a closed pipe does not fail again at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class Reporter:
    """Speaks on stderr, so that stdout stays free for what a user pipes. A lost listener is no error."""

    def __init__(self) -> None:
        self._console = _Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

    def notify(self, line: str) -> None:
        """One line."""
        try:
            self._console.print(line)
        except OSError:  # a full disk behind a redirection
            mute_stderr()

    @contextmanager
    def download(self, what: str) -> Iterator[ReportBytes]:
        """A bar in bytes that appears with the first byte and not at all when nothing is fetched."""
        progress = self._bar(DownloadColumn())
        task = progress.add_task(what, total=None)
        started = False

        def report(done: int, total: int) -> None:
            nonlocal started
            if not started:
                started = True
                if not self._console.is_terminal:
                    self.notify(f"{what} ({total / 1e6:.0f} MB)")
                progress.start()
            progress.update(task, completed=done, total=total or None)
            if done >= total > 0:
                progress.stop()  # what comes next may have a bar of its own

        try:
            yield report
        finally:
            progress.stop()

    @contextmanager
    def status(self, line: str) -> Iterator[Notify]:
        """A spinner beside the newest line; nothing without a terminal."""
        with self._console.status(line) as status:
            yield status.update

    def build(self) -> AbstractContextManager[BuildProgress]:
        """Bars for the phases of an engine's build, from its first report on; without a terminal, lines."""
        return shown(self._console, self.notify)

    @contextmanager
    def frames(self, what: str, total: int | None, metrics: Metrics) -> Iterator[_FrameBar]:
        """A bar in frames, filled from the meter whenever it is polled."""
        progress = self._bar(MofNCompleteColumn(), TextColumn("{task.fields[fps]:.1f} fps"))
        with progress:
            yield _FrameBar(progress, what, total, metrics, self.notify)

    def _bar(self, *columns: ProgressColumn) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )


class _FrameBar:
    def __init__(self, progress: Progress, what: str, total: int | None, metrics: Metrics, notify: Notify) -> None:
        self._progress = progress
        self._metrics = metrics
        self._notify: Notify | None = notify
        self._task = progress.add_task(what, total=total, fps=0.0)

    def poll(self) -> None:
        numbers = self._metrics.snapshot()
        done = numbers["composited"] + sum(numbers["dropped"].values())
        self._progress.update(self._task, completed=done, fps=numbers["output_fps"])
        if self._notify is not None and (line := held_often(numbers)) is not None:
            self._notify(line)
            self._notify = None


def held_often(numbers: Snapshot) -> str | None:
    """What to tell whoever sees the picture stand still; None where it does so rarely or never."""
    held, captured = numbers["dropped"].get(Drop.UNTRACKED, 0), numbers["captured"]
    if held < HELD_LEAST or held <= HELD_OFTEN * captured:
        return None
    return (
        f"tracking: for {held} of {captured} frames the picture stood still, because no motion could be followed to "
        "them: the processor is too busy, or the camera shakes; a smaller --size or --fps, or --sync locked, may help"
    )


def one_line(engine: EngineInfo, numbers: Snapshot) -> str:
    """The numbers of a run, for people."""
    parts = [
        f"{engine.model} on {engine.name}, {engine.precision}, {engine.device}",
        f"{numbers['captured']} frames captured, {numbers['composited']} composited"
        + (f" ({numbers['carried']} of them tracked)" if numbers["carried"] else ""),
    ]
    lost = dict(numbers["dropped"])
    if numbers["unreadable"]:
        lost["unreadable"] = numbers["unreadable"]
    parts.append("dropped " + (", ".join(f"{count} {reason}" for reason, count in lost.items()) if lost else "none"))
    if numbers["events"]:
        parts.append("events " + ", ".join(f"{count} {event}" for event, count in numbers["events"].items()))
    if numbers["rung"] is not None:
        changes = numbers["steps"]
        steps = f", after {changes} change{'s' if changes > 1 else ''}" if changes else ""
        parts.append(f"masks of {numbers['rung']}{steps}: " + ", ".join(f"{n} {w}" for w, n in numbers["work"].items()))
    if numbers["composited"] > 1:
        parts.append(f"{numbers['output_fps']:.1f} fps")
    for label, key in (("latency", "latency_ms"), ("mask age", "mask_age_ms")):
        values = numbers[key]  # type: ignore[literal-required]
        if values is not None:
            parts.append(f"{label} p50/p95/p99 {values['p50']:.0f}/{values['p95']:.0f}/{values['p99']:.0f} ms")
    parts.append("ms per stage: " + ", ".join(f"{stage} {ms:.1f}" for stage, ms in numbers["stage_ms"].items()))
    return " | ".join(parts)


def overlay_lines(engine: EngineInfo, numbers: Snapshot) -> list[str]:
    """The numbers so far, short enough to be drawn over the preview."""
    lines = [f"{engine.model} {engine.name} {engine.precision}", f"{numbers['output_fps']:.1f} fps"]
    latency = numbers["latency_ms"]
    if latency is not None:
        lines.append(f"latency {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms")
    lines.append(f"dropped {sum(numbers['dropped'].values())} of {numbers['captured']}")
    return lines


def write_stats(
    path: Path,
    source: SourceInfo,
    engine: EngineInfo,
    sinks: Sequence[str],
    sync: str,
    numbers: Snapshot,
    end: str,
) -> None:
    """Everything about a run as JSON, written whole or not at all.

    Args:
        path: the file.
        source: what was read.
        engine: what ran.
        sinks: the names of the outputs.
        sync: locked, tracked, or both.
        numbers: of the whole run.
        end: why it ended: ``"done"``, or the error's or signal's line.

    Raises:
        OutputError: the file cannot be written.
    """
    record = {
        "rtsod": __version__,
        "end": end,
        "machine": {**describe_machine(), "numpy": np.__version__},
        "source": {
            "name": source.name,
            "width": source.width,
            "height": source.height,
            "fps": float(source.fps) if source.fps is not None else None,
            "live": source.live,
        },
        "engine": {
            "name": engine.name,
            "model": engine.model,
            "precision": engine.precision,
            "device": engine.device,
            "input_size": engine.input_size,
            "weights": engine.weights,
        },
        "outputs": list(sinks),
        "sync": sync,
        **numbers,
    }
    write_text(path, json.dumps(record, indent=2) + "\n")


@contextmanager
def shown(console: Console, notify: Notify) -> Iterator[BuildProgress]:
    """A receiver that shows a bar for each phase under way, from the first report on; no terminal, and it is spoken."""
    if not console.is_terminal:
        yield spoken(notify)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(SpinnerColumn(), *columns, console=console, transient=True)
    tasks: dict[str, TaskID] = {}

    def report(phase: str, done: int, total: int) -> None:
        if done >= total:
            if phase in tasks:
                bars.remove_task(tasks.pop(phase))
            if not tasks:
                bars.stop()  # what is said in between begins on a line of its own
            return
        if phase not in tasks:
            bars.start()
            tasks[phase] = bars.add_task(phase, total=total)
        bars.update(tasks[phase], completed=done)

    try:
        yield report
    finally:
        bars.stop()
