"""A batch from its inputs to its last row: what is done already, and what is made now."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from rtsod.app.edges import check_names
from rtsod.app.watching import OpenPool
from rtsod.batch.config import LOCAL, BatchConfig
from rtsod.batch.items import Found, Item, find_items, of_shard, why_nothing
from rtsod.batch.making import Making, Progress
from rtsod.batch.manifest import Manifest, Row, Rows, is_done, manifest_path, read_rows
from rtsod.batch.places import SETTINGS, Results, in_words
from rtsod.batch.processing import open_pool, outputs
from rtsod.batch.settings import digest_of, keep_settings, settings_of
from rtsod.batch.workers import Crew, LocalCrew
from rtsod.errors import OutputError, UsageError
from rtsod.system.file_lock import locked
from rtsod.system.files import output_error

_MOMENT_SECONDS: Final = 1.0
"""How long a batch waits for the lock of its shard: whoever brings the records up to date has it for a moment."""


class BatchReporter(Protocol):
    """Is told how a batch goes."""

    def notify(self, line: str) -> None:
        """Print one line."""
        ...

    def items(self, what: str, total: int) -> AbstractContextManager[Callable[[float, str], None]]:
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
    settings: str
    """Digest of those that results depend on."""
    failed_before: list[Row] = field(default_factory=list)
    """Failed in an earlier run, and not to be tried again."""

    @property
    def done_before(self) -> int:
        """How many items need nothing more."""
        return len(self.items) - len(self.left) - len(self.failed_before)


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of it."""

    todo: Todo
    made: int
    failed: list[Row]
    """In this run and before."""
    stopped: bool
    """It was told to end early."""
    too_many: bool
    """It ended early because too much failed."""
    seconds: float


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
    settings = digest_of(settings_of(config))
    results = config.results
    # First, since this shard's file of rows is sent, and must hold what other machines have written to it.
    results.receive(manifest_path(config.records, config.shard).name)
    if config.force:
        return Todo(found, items, items, settings)
    size_of = results.size_of()
    rows = {name: row for name, row in read_rows(config.records).items.items() if row.settings == settings}
    left = [item for item in items if not is_done(rows.get(item.name), settings, size_of)]
    failed = {
        item.name: rows[item.name] for item in left
        if not config.retry_failed and item.name in rows and rows[item.name].state == "failed"
    }  # fmt: skip
    return Todo(found, items, [item for item in left if item.name not in failed], settings, list(failed.values()))


def crew_for(config: BatchConfig, todo: Todo, open_it: OpenPool = open_pool) -> Crew:
    """Who is to make what is left. Nothing is started yet.

    Raises:
        UsageError: what ``config.on`` names is not installed.
    """
    if config.on == LOCAL:
        return LocalCrew(config, len(todo.left), open_it)
    from rtsod.batch.on_ray import RayCrew  # late: it is an extra

    return RayCrew(config, open_it)


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
        raise UsageError(why_nothing(todo.found, config))
    progress = Progress(failed=list(todo.failed_before))

    def too_many() -> bool:
        limit = config.max_failures
        return limit is not None and limit.exceeded(len(progress.failed), len(todo.items))

    with ExitStack() as opened:
        _make_folders(config)
        opened.enter_context(_only_one(config))
        keep_settings(config)
        shutil.rmtree(config.unfinished, ignore_errors=True)  # of a process that was killed
        opened.callback(shutil.rmtree, config.unfinished, ignore_errors=True)
        if todo.left:
            _make(config, todo, progress, reporter, stop, too_many, open_it, opened)
    seconds = time.perf_counter() - began
    return Summary(todo, progress.made, progress.failed, stop(), too_many(), seconds)


def _make(
    config: BatchConfig,
    todo: Todo,
    progress: Progress,
    reporter: BatchReporter,
    stop: Callable[[], bool],
    too_many: Callable[[], bool],
    open_it: OpenPool,
    opened: ExitStack,
) -> None:
    results, path = config.results, manifest_path(config.records, config.shard)
    before, manifest = read_rows(config.records), Manifest(path)
    opened.callback(manifest.close)
    if config.force:
        before = _outdated(before, todo, manifest)
    results.share(SETTINGS, path.name, at_once=True)
    opened.callback(_share_rest, results, path.name, reporter, stop)
    crew = crew_for(config, todo, open_it)
    making = Making(
        config, todo.settings, todo.left, before, progress, manifest, lambda: results.share(path.name), reporter.notify
    )
    reporter.notify(f"{len(todo.left)} to make, in {crew.in_words()}")
    bar = opened.enter_context(reporter.items("items", len(todo.items)))

    def report() -> None:
        over = todo.done_before + progress.made + len(progress.failed)
        bar(over + making.parts_done, progress.remark())

    report()
    making.run(crew, lambda: stop() or too_many(), report)


def _outdated(before: Rows, todo: Todo, manifest: Manifest) -> Rows:
    """Note that what is known of the items to be made counts no more, so that a run that is interrupted goes on.

    Returns:
        What counts still.
    """
    items, now = {item.name for item in todo.left}, time.time()
    for row in (*before.items.values(), *before.parts.values()):
        if row.name in items:
            manifest.append(Row(row.name, "outdated", now, result=row.result, part=row.part))
    return Rows(
        {name: row for name, row in before.items.items() if row.name not in items},
        {name: row for name, row in before.parts.items() if row.name not in items},
    )


def _share_rest(results: Results, name: str, reporter: BatchReporter, stop: Callable[[], bool]) -> None:
    """Send the last rows. Whoever wants to end is told, but not held up, if that fails."""
    try:
        results.share(name, at_once=True)
    except OutputError as error:
        if not stop():
            raise
        reporter.notify(f"the last rows could not be sent, and what they name is made again: {error}")


def _make_folders(config: BatchConfig) -> None:
    for folder in (*([config.out] if isinstance(config.out, Path) else []), config.records):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error


def _only_one(config: BatchConfig) -> AbstractContextManager[object]:
    lock = config.records / f"shard-{config.shard.label}.lock"
    try:
        return locked(lock, _MOMENT_SECONDS, lambda: None)
    except TimeoutError as error:
        part = "" if config.shard.of == 1 else f" at --shard {config.shard.number}/{config.shard.of}"
        raise UsageError(f"--out {in_words(config.out)}: another rtsod batch works{part} there: wait for it") from error
    except OSError as error:
        raise OutputError(f"{lock}: cannot be locked: {error.strerror or error}") from error
