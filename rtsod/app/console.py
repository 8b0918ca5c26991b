"""What a run tells its user: lines and progress bars as it goes, a line of numbers and a JSON file at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
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
from rich.table import Column

from rtsod.frames import EngineInfo, SourceInfo
from rtsod.metrics import Counts, Metrics, Snapshot, Work
from rtsod.model.weights import ReportBytes
from rtsod.progress import BuildProgress, Notify, progress_as_lines
from rtsod.system.files import write_text
from rtsod.system.machine import describe_machine
from rtsod.system.names import printable
from rtsod.version import __version__

HELD_SHARE: Final = 0.1
"""Share of the captured frames: above it, the viewer notices that the picture freezes ..."""
MIN_HELD_FRAMES: Final = 30
"""... unless it happened to fewer frames than this: masks are late at the start, and a scene may change once."""

_WORK_WORDS: Final = {
    Work.MASKS: "masks",
    Work.FULL_FRAME_REFRESHES: "full-frame refreshes",
    Work.CHECKS: "checks by the teacher",
    Work.EXAMPLES: "examples learned from",
    Work.EXAMPLES_MISSED: "examples missed",
    Work.STATIC: "static frames skipped",
}
"""How the summary line names what inference did."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Fall silent. Rich would end the process, and the recording with it."""
        self.quiet = True
        mute_stderr()


def mute_stderr() -> None:
    """Redirect stderr to the null device, so that flushing a closed pipe does not fail again at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class Reporter:
    """Writes to stderr, so that stdout stays free for piping. A closed or full stderr is not an error."""

    def __init__(self) -> None:
        self._console = _Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

    def notify(self, line: str) -> None:
        """Print one line."""
        try:
            self._console.print(printable(line))
        except OSError:  # a full disk behind a redirection
            mute_stderr()

    @contextmanager
    def download(self, what: str) -> Iterator[ReportBytes]:
        """A bar in bytes, which appears with the first byte. Without a download there is none."""
        progress = self._bar(DownloadColumn())
        task = progress.add_task(what, total=None)
        started = False

        def report(done: int, total: int) -> None:
            nonlocal started
            if not started:
                started = True
                if not self._console.is_terminal:
                    self.notify(f"{what} ({total / 1e6:.{int(total < 1e7)}f} MB)")
                progress.start()
            progress.update(task, completed=done, total=total or None)
            if done >= total > 0:
                progress.stop()  # the next task may show its own bar

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
        """Bars for the phases of an engine's build; without a terminal, lines."""
        return progress_bars(self._console, self.notify)

    @contextmanager
    def frames(self, what: str, total: int | None, metrics: Metrics) -> Iterator[_FrameBar]:
        """A bar in frames, updated from the metrics whenever it is polled."""
        progress = self._bar(MofNCompleteColumn(), TextColumn("{task.fields[fps]:.1f} fps"))
        with progress:
            yield _FrameBar(progress, what, total, metrics, self.notify)

    @contextmanager
    def items(self, what: str, total: int) -> Iterator[Callable[[float, str], None]]:
        """A bar of items, with a remark beside it; without a terminal, a line for every twentieth of them."""
        # A narrow terminal cuts the remark, and nothing else.
        remarks = TextColumn("{task.fields[remark]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn(),
            remarks, console=self._console, disable=not self._console.is_terminal, expand=True,
        )  # fmt: skip
        said = 0

        def report(done: float, remark: str) -> None:
            nonlocal said
            progress.update(task, completed=done, remark=remark)
            twentieths = int(20 * done / max(1, total))
            if not self._console.is_terminal and twentieths > said:
                said = twentieths
                share = "" if float(done).is_integer() else f" ({100 * done / total:.0f} %)"
                self.notify(f"{int(done)} of {total} {what}{share}{f'; {remark}' if remark else ''}")

        with progress:
            task = progress.add_task(what, total=total, remark="")
            yield report

    def _bar(self, *columns: ProgressColumn) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )


class SilentReporter(Reporter):
    """Discards everything: for the benchmark, the studies and the tests."""

    def notify(self, line: str) -> None:
        """Discard a line."""

    @contextmanager
    def download(self, what: str) -> Iterator[ReportBytes]:
        """Discard the progress of a download."""
        yield lambda done, total: None

    def build(self) -> AbstractContextManager[BuildProgress]:
        """Discard the progress of a build."""
        return nullcontext(lambda phase, done, total: None)


class _FrameBar:
    def __init__(self, progress: Progress, what: str, total: int | None, metrics: Metrics, notify: Notify) -> None:
        self._progress = progress
        self._metrics = metrics
        self._notify: Notify | None = notify
        self._task = progress.add_task(what, total=total, fps=0.0)

    def poll(self) -> None:
        counts = self._metrics.counts()  # polled at every tick: the percentiles of a snapshot would take its time
        self._progress.update(self._task, completed=counts.done, fps=counts.output_fps)
        if self._notify is not None and (line := frozen_picture_hint(counts)) is not None:
            self._notify(line)
            self._notify = None


def frozen_picture_hint(counts: Counts) -> str | None:
    """Advice for a viewer whose picture often freezes while frames are tracked; None where it rarely or never does."""
    held, captured = counts.held, counts.captured
    if held < MIN_HELD_FRAMES or held <= HELD_SHARE * captured:
        return None
    return (
        f"tracking: the picture froze for {held} of {captured} frames, because no reliable motion led to them: "
        "the processor is too busy, or the camera shakes; a smaller --size or --fps, or --sync locked, may help"
    )


def one_line(engine: EngineInfo, numbers: Snapshot) -> str:
    """The numbers of a run in one line."""
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
        work = ", ".join(f"{count} {_WORK_WORDS[Work(kind)]}" for kind, count in numbers["work"].items())
        parts.append(f"masks of {numbers['rung']}{steps}: {work}")
    if numbers["composited"] > 1:
        parts.append(f"{numbers['output_fps']:.1f} fps")
    for label, key in (("latency", "latency_ms"), ("mask age", "mask_age_ms")):
        values = numbers[key]  # type: ignore[literal-required]
        if values is not None:
            parts.append(f"{label} p50/p95/p99 {values['p50']:.0f}/{values['p95']:.0f}/{values['p99']:.0f} ms")
    parts.append("ms per stage: " + ", ".join(f"{stage} {ms:.1f}" for stage, ms in numbers["stage_ms"].items()))
    return " | ".join(parts)


def overlay_lines(engine: EngineInfo, numbers: Snapshot) -> list[str]:
    """The numbers so far, short enough to draw over the preview."""
    lines = [f"{engine.model} {engine.name} {engine.precision}", f"{numbers['output_fps']:.1f} fps"]
    latency = numbers["latency_ms"]
    if latency is not None:
        lines.append(f"latency {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms")
    lines.append(f"dropped {sum(numbers['dropped'].values())} of {numbers['captured']}")
    if numbers["rung"] is not None:
        lines.append(f"masks of {numbers['rung']}")
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
    """Write everything about a run as JSON, completely or not at all.

    Args:
        path: the file.
        source: the source's description.
        engine: the engine's description.
        sinks: the names of the outputs.
        sync: locked, tracked, or both.
        numbers: the numbers of the whole run.
        end: why it ended: ``"done"``, or the line of the error or signal.

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
def progress_bars(console: Console, notify: Notify) -> Iterator[BuildProgress]:
    """A receiver that shows a bar for each phase in progress; without a terminal, lines."""
    if not console.is_terminal:
        yield progress_as_lines(notify)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(SpinnerColumn(), *columns, console=console, transient=True)
    tasks: dict[str, TaskID] = {}

    def report(phase: str, done: int, total: int) -> None:
        if done >= total:
            if phase in tasks:
                bars.remove_task(tasks.pop(phase))
            if not tasks:
                bars.stop()  # lines printed in between start in the first column
            return
        if phase not in tasks:
            bars.start()
            tasks[phase] = bars.add_task(phase, total=total)
        bars.update(tasks[phase], completed=done)

    try:
        yield report
    finally:
        bars.stop()
