"""The receiver of a build's progress that shows bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from rtsod.progress import BuildProgress, Say, spoken


@contextmanager
def shown(console: Console, say: Say) -> Iterator[BuildProgress]:
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
