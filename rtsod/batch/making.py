"""What follows from each outcome of a batch: a row, another attempt, the parts of a video, and what joins them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

from rtsod.batch.config import ATTEMPTS, BatchConfig
from rtsod.batch.items import Item
from rtsod.batch.manifest import Manifest, Row, Rows, is_done
from rtsod.batch.places import LocalResults
from rtsod.batch.tasks import Division, Result, Step, Task, TaskQueue, discard_parts
from rtsod.batch.workers import Crew
from rtsod.system.names import printable


@dataclass(slots=True)
class Progress:
    """What was made so far in this run, and what it took."""

    made: int = 0
    failed: list[Row] = field(default_factory=list)
    """In this run and before."""
    busy: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("reading", "inference", "writing"), 0.0))
    megapixels: float = 0.0
    """Of photographs."""
    shown: float = 0.0
    """Of videos, seconds."""
    began: float = field(default_factory=time.perf_counter)

    def add(self, row: Row) -> None:
        """Count what an item or a part of one took. What a joined video shows was counted with its parts."""
        for name in self.busy:
            self.busy[name] += getattr(row, name)

    def remark(self) -> str:
        """How fast it goes, and what the time is spent on."""
        seconds = time.perf_counter() - self.began
        parts = [f"{len(self.failed)} failed"] if self.failed else []
        if self.megapixels:
            parts.append(f"{self.megapixels / seconds:.1f} megapixels a second")
        if self.shown:
            parts.append(f"{self.shown / seconds:.1f} video seconds a second")
        if whole := sum(self.busy.values()):
            parts.append(", ".join(f"{name} {100 * of / whole:.0f} %" for name, of in self.busy.items()))
        return "; ".join(parts)


@dataclass(slots=True)
class _Parts:
    """A video that is being made in parts."""

    count: int
    left: set[int]


class Making:
    """The items of one run, from their first task to their rows.

    Args:
        config: of the batch.
        settings: digest of those that the results depend on.
        items: to be made.
        before: what is known of earlier runs.
        progress: counts what is made.
        manifest: receives the rows.
        share: called after each row.
        notify: told of videos that are divided.
    """

    def __init__(
        self,
        config: BatchConfig,
        settings: str,
        items: list[Item],
        before: Rows,
        progress: Progress,
        manifest: Manifest,
        share: Callable[[], None],
        notify: Callable[[str], None],
    ) -> None:
        self._config, self._settings, self._before, self._progress = config, settings, before, progress
        self._notify = notify
        self._manifest, self._share = manifest, share
        self._tasks = TaskQueue(Task(item) for item in items)
        self._crew: Crew | None = None
        self._divided: dict[str, _Parts] = {}

    @property
    def parts_done(self) -> float:
        """How much of the divided videos is done, in items."""
        return sum(1 - len(parts.left) / parts.count for parts in self._divided.values())

    def run(self, crew: Crew, stop: Callable[[], bool], report: Callable[[], None]) -> None:
        """Make all items, and once more, each in a fresh process, those that failed.

        Args:
            crew: does the tasks.
            stop: see :meth:`rtsod.batch.workers.Crew.outcomes`.
            report: called after each outcome.

        Raises:
            RtsodError: what no other item would be spared.
        """
        self._crew = crew
        with closing(crew.outcomes(self._tasks, stop)) as outcomes:
            for task, result in outcomes:
                self._take(task, result)
                report()

    def _take(self, task: Task, result: Result) -> None:
        if task.step is Step.PART and task.item.name not in self._divided:
            return  # another part of it has failed
        if isinstance(result, Division):
            self._divide(task.item, result)
            return
        if isinstance(result, str):
            result = Row(task.item.name, "failed", time.time(), stage="process", message=result)
        row = replace(result, attempts=task.attempt, settings=self._settings)
        if row.state == "failed" and task.attempt < ATTEMPTS:
            self._tasks.add([replace(task, attempt=task.attempt + 1)])
        elif row.state == "failed":
            self._fail(task, row)
        elif task.step is Step.PART:
            self._append(row)
            self._progress.shown += row.shown
            self._part_done(task)
        else:
            self._append(row)
            self._divided.pop(task.item.name, None)
            self._progress.made += 1
            if task.step is not Step.JOIN:
                self._progress.shown += row.shown
                self._progress.megapixels += 0.0 if row.shown else row.megapixels

    def _append(self, row: Row) -> None:
        self._manifest.append(row)
        self._progress.add(row)
        self._share()

    def _fail(self, task: Task, row: Row) -> None:
        if task.segments:
            self._tasks.drop(task.item)
            self._divided.pop(task.item.name, None)
        if task.step is Step.PART:
            row = replace(row, message=f"part {task.number + 1} of {len(task.segments)}: {row.message}", part=False)
        self._manifest.append(row)
        self._share()
        self._progress.failed.append(row)

    def _divide(self, item: Item, division: Division) -> None:
        if self._config.force or not division.segments:
            discard_parts(self._config.records, item)
        if not division.segments:
            self._tasks.drop(item)
            self._divided.pop(item.name, None)
            self._tasks.add([Task(item, Step.MAKE_WHOLE)], first=True)
            return
        size_of = LocalResults(self._config.records).size_of()
        count = len(division.segments)
        tasks = [Task(item, Step.PART, division.segments, number) for number in range(count)]
        left = [
            task for task in tasks
            if not is_done(
                self._before.parts.get(task.part(task.number, self._config.suffix)), self._settings, size_of
            )
        ]  # fmt: skip
        self._divided[item.name] = _Parts(count, {task.number for task in left})
        self._tasks.add(left or [self._join(tasks[0])], first=True)
        assert self._crew is not None
        self._crew.make_room(len(self._tasks))
        done = f", {count - len(left)} of which are done" if len(left) < count else ""
        self._notify(printable(f"{item.name}: {count} parts{done}, in {self._crew.in_words()}"))

    def _part_done(self, task: Task) -> None:
        parts = self._divided[task.item.name]
        parts.left.discard(task.number)
        if not parts.left:
            self._tasks.add([self._join(task)], first=True)

    def _join(self, task: Task) -> Task:
        return replace(task, step=Step.JOIN, number=0, attempt=1)
