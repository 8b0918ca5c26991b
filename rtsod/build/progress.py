"""How far a build is: the one callback that builders report to, and its two receivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from rtsod.types import BuildProgress, Clock

_EVERY: Final = 5.0
"""Seconds between two lines."""


@contextmanager
def shown(console: Console, say: Callable[[str], None]) -> Iterator[BuildProgress]:
    """A receiver that shows a bar for each phase under way, from the first report on; no terminal, and it is spoken."""
    if not console.is_terminal:
        yield spoken(say)
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


def spoken(say: Callable[[str], None], clock: Clock = time.perf_counter) -> BuildProgress:
    """A receiver for where there is only a line to print: one now and then, so that the program does not look hung."""
    last = clock()

    def report(phase: str, done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= _EVERY and done < total:
            last = clock()
            say(f"still at it: {phase}, {100 * done // max(total, 1)} %")

    return report
