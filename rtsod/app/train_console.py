"""What ``rtsod train`` shows: lines, and a bar with the newest loss and the time that remains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rtsod.app.console import Reporter
from rtsod.interfaces import Clock
from rtsod.progress import BuildProgress

_LINE_SECONDS: Final = 30.0
"""Time between two lines of progress where there is no terminal, so that a log file stays short."""


class TrainConsole(Reporter):
    """The reporter of training: see :class:`rtsod.training.reporter.TrainReporter`."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        super().__init__()
        self._clock = clock
        self._last_line: float | None = None
        self._bars = Progress(
            TextColumn("training"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
            TextColumn("{task.description}"), console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._prepare: BuildProgress = lambda phase, done, total: None
        self._task = self._bars.add_task("", total=1.0, start=False)

    @contextmanager
    def bar(self) -> Iterator[None]:
        """Show the bar while the block runs."""
        with self.build() as self._prepare:
            try:
                yield
            finally:
                self._bars.stop()

    def preparing(self, phase: str, done: int, total: int) -> None:
        """Show how far something is that comes before the first step."""
        self._prepare(phase, done, total)

    def progress(self, share: float, text: str) -> None:
        """Move the bar, or print a line now and then."""
        if not self._console.is_terminal:
            now = self._clock()
            if self._last_line is None or now - self._last_line >= _LINE_SECONDS:
                self._last_line = now
                self.notify(f"{100 * share:.0f} %: {text}")
            return
        self._bars.start()
        self._bars.start_task(self._task)
        self._bars.update(self._task, completed=share, description=text)
