"""A batch from its inputs to its last row: what is done already, what is made now, what failed twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from rtsod.app.edges import check_names
from rtsod.batch.config import ATTEMPTS, BatchConfig
from rtsod.batch.items import Found, Item, find_items, of_shard
from rtsod.batch.manifest import Manifest, Row, is_done, manifest_path, read_rows
from rtsod.batch.processing import OpenPool, open_pool, outputs
from rtsod.batch.settings import keep_settings
from rtsod.batch.workers import Outcome, Workers
from rtsod.errors import OutputError, UsageError
from rtsod.system.file_lock import locked
from rtsod.system.files import output_error
from rtsod.system.machine import thread_count
from rtsod.system.memory import free_memory

WORKER_BYTES: Final = 1_000_000_000
"""What a process takes with full in float32 and a photograph of 50 megapixels."""


class BatchReporter(Protocol):
    """Is told how a batch goes."""

    def notify(self, line: str) -> None:
        """Print one line."""
        ...

    def items(self, what: str, total: int) -> AbstractContextManager[Callable[[int, str], None]]:
        """A bar of items: how many are done, and a remark."""
        ...


@dataclass(frozen=True, slots=True)
class Todo:
    """What there is, and what is left of it."""

    found: Found
    """Of all shards."""
    items: list[Item]
    """Of this shard."""
    left: list[Item]
    """To be made now."""
    failed_before: list[Row] = field(default_factory=list)
    """Failed in an earlier run, and not to be tried again."""

    @property
    def done_before(self) -> int:
        """How many items need nothing more."""
        return len(self.items) - len(self.left) - len(self.failed_before)


@dataclass(slots=True)
class Summary:
    """What came of it."""

    todo: Todo
    made: int = 0
    failed: list[Row] = field(default_factory=list)
    """In this run and before."""
    stopped: bool = False
    """It was told to end early."""
    too_many: bool = False
    """It ended early because too much failed."""
    seconds: float = 0.0


def look(config: BatchConfig, listed: Iterable[str] = ()) -> Todo:
    """Find out what there is to do, without doing anything.

    Args:
        config: of the batch.
        listed: the lines of standard input, if that is an input.

    Raises:
        SourceError: an input cannot be read.
        UsageError: two items would have one result, or options fit no item.
        OutputError: the rows cannot be read.
    """
    check_names(replace(config.run, output=outputs(config, Path("pictures"), Path(f"video{config.suffix}"))))
    found = find_items(config, listed)
    items = of_shard(found.items, config.shard)
    if config.force:
        return Todo(found, items, items)
    rows = read_rows(config.records)
    left = [item for item in items if not is_done(rows.get(item.name), config.out)]
    failed = {
        item.name: rows[item.name] for item in left
        if not config.retry_failed and item.name in rows and rows[item.name].state == "failed"
    }  # fmt: skip
    return Todo(found, items, [item for item in left if item.name not in failed], list(failed.values()))


def shares(config: BatchConfig, left: int) -> tuple[int, int]:
    """How many processes work side by side, and how many cores' time each of them uses.

    Args:
        config: of the batch.
        left: items to be made.
    """
    cores, free = thread_count(), free_memory()
    room = cores if free is None else max(1, free // WORKER_BYTES)
    count = config.workers or min(cores, room, max(1, left))
    return count, max(1, cores // count)


def run_batch(
    config: BatchConfig,
    reporter: BatchReporter,
    *,
    listed: Iterable[str] = (),
    stop: Callable[[], bool] = lambda: False,
    open_it: OpenPool = open_pool,
) -> Summary:
    """Make what is left of a batch.

    Args:
        config: of the batch.
        reporter: told how it goes.
        listed: the lines of standard input, if that is an input.
        stop: asked several times a second; if it is true, what is under way is given up, and the rest is left.
        open_it: opens the network, in each process; can be pickled.

    Raises:
        UsageError: the folder was made with other settings, or another process works at it; see also :func:`look`.
        SourceError: an input cannot be read.
        OutputError: the output folder cannot be written.
        RtsodError: the network cannot be opened.
    """
    began = time.perf_counter()
    todo = look(config, listed)
    if not todo.found.items:
        raise UsageError(
            f"{', '.join(config.inputs)}: no photographs and no videos there"
            + (f", but {todo.found.passed_over} other files" if todo.found.passed_over else "")
        )
    summary = Summary(todo, failed=list(todo.failed_before))
    with ExitStack() as opened:
        _make_folders(config)
        opened.enter_context(_only_one(config))
        keep_settings(config)
        shutil.rmtree(config.unfinished, ignore_errors=True)  # of a process that was killed
        opened.callback(shutil.rmtree, config.unfinished, ignore_errors=True)
        manifest = Manifest(manifest_path(config.records, config.shard))
        opened.callback(manifest.close)
        if todo.left:
            count, threads = shares(config, len(todo.left))
            reporter.notify(f"{len(todo.left)} to make, in {processes_in_words(count, threads)}")
            workers = Workers(config, count, threads, open_it)
            bar = opened.enter_context(reporter.items("items", len(todo.items)))
            _Making(config, summary, manifest, workers, bar, stop).run()
    summary.seconds = time.perf_counter() - began
    return summary


class _Making:
    """The items of one run, and their rows."""

    def __init__(
        self,
        config: BatchConfig,
        summary: Summary,
        manifest: Manifest,
        workers: Workers,
        bar: Callable[[int, str], None],
        stop: Callable[[], bool],
    ) -> None:
        self._config, self._summary, self._manifest = config, summary, manifest
        self._workers, self._bar, self._stop = workers, bar, stop
        self._again: list[Item] = []
        self._busy = dict.fromkeys(("reading", "inference", "writing"), 0.0)
        self._megapixels = 0.0
        self._began = time.perf_counter()

    def run(self) -> None:
        """Make all items, and once more, each in a fresh process, those that failed."""
        self._report()
        for attempt in range(1, ATTEMPTS + 1):
            items, self._again = (self._summary.todo.left if attempt == 1 else self._again), []
            with closing(self._workers.outcomes(items, self._ends, fresh=attempt > 1)) as outcomes:
                for outcome in outcomes:
                    self._take(outcome, attempt)
        self._summary.stopped = self._stop()

    def _ends(self) -> bool:
        limit, summary = self._config.max_failures, self._summary
        summary.too_many = limit is not None and limit.exceeded(len(summary.failed), len(summary.todo.items))
        return summary.too_many or self._stop()

    def _take(self, outcome: Outcome, attempt: int) -> None:
        item, found = outcome
        row = Row(item.name, "failed", time.time(), stage="process", message=found) if isinstance(found, str) else found
        if row.state == "failed" and attempt < ATTEMPTS:
            self._again.append(item)
            return
        row = replace(row, attempts=attempt)
        self._manifest.append(row)
        if row.state == "failed":
            self._summary.failed.append(row)
        else:
            self._summary.made += 1
            self._megapixels += row.megapixels
            for name in self._busy:
                self._busy[name] += getattr(row, name)
        self._report()

    def _report(self) -> None:
        summary = self._summary
        self._bar(summary.todo.done_before + summary.made + len(summary.failed), self._remark())

    def _remark(self) -> str:
        parts = [f"{len(self._summary.failed)} failed"] if self._summary.failed else []
        if self._megapixels:
            parts.append(f"{self._megapixels / (time.perf_counter() - self._began):.1f} megapixels a second")
        if busy := sum(self._busy.values()):
            parts.append(", ".join(f"{name} {100 * of / busy:.0f} %" for name, of in self._busy.items()))
        return "; ".join(parts)


def _make_folders(config: BatchConfig) -> None:
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        config.records.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(config.out, error) from error


def _only_one(config: BatchConfig) -> AbstractContextManager[object]:
    lock = config.records / f"shard-{config.shard.label}.lock"
    try:
        return locked(lock, 0, lambda: None)
    except TimeoutError as error:
        part = "" if config.shard.of == 1 else f" at --shard {config.shard.number}/{config.shard.of}"
        raise UsageError(f"--out {config.out}: another rtsod batch works{part} there: wait for it") from error
    except OSError as error:
        raise OutputError(f"{lock}: cannot be locked: {error.strerror or error}") from error


def processes_in_words(count: int, threads: int) -> str:
    """``"2 processes of 1 thread each"``."""
    each = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"one process of {each}" if count == 1 else f"{count} processes of {each} each"
