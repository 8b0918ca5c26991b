"""How long a batch will take, and how much room its results: by what was made already, or by trying some items."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from rtsod.app.watching import OpenPool
from rtsod.batch.config import LOCAL, BatchConfig
from rtsod.batch.items import Item, Kind
from rtsod.batch.manifest import Row, read_rows
from rtsod.batch.processing import open_pool
from rtsod.batch.settings import digest_of, settings_of
from rtsod.batch.tasks import Step, Task
from rtsod.batch.workers import Worker, shares
from rtsod.errors import EngineError, SourceError
from rtsod.imaging.media import open_media, stated_seconds
from rtsod.system.subprocess_call import call_in_subprocess

_TRIED: Final = 3
"""Items of a kind that are tried."""
_TRIED_FRAMES: Final = 60
"""Of a video that is tried."""
_TIMED: Final = 20
"""Videos that are asked how long they are."""
_ENOUGH_ROWS: Final = 10
"""So many items of a kind say more than a trial."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left of a batch, at a guess."""

    seconds: float
    """Until it is over, without the start of the processes, on this machine; on a cluster, of one core."""
    bytes: float
    """Of the results."""
    basis: str
    """What it is judged by."""


def estimate(config: BatchConfig, left: Sequence[Item], open_it: OpenPool = open_pool) -> Estimate | None:
    """Estimate what is left; None where nothing of it could be tried.

    Args:
        config: of the batch.
        left: items to be made.
        open_it: opens the network, in a process.

    Raises:
        RtsodError: what no item would be spared.
    """
    settings, rows_before = digest_of(settings_of(config)), read_rows(config.records).items.values()
    done = [row for row in rows_before if row.state == "done" and row.settings == settings]
    processes, threads = shares(config, len(left)) if config.on == LOCAL else (1, 1)
    seconds, size, words = 0.0, 0.0, []
    with tempfile.TemporaryDirectory(prefix="rtsod-plan-") as folder:
        # One after another, in a process like those that would work side by side.
        trial = replace(
            config, out=Path(folder), segment=None, run=replace(config.run, run=replace(
                config.run.run, max_frames=_TRIED_FRAMES
            ))
        )  # fmt: skip
        trial.records.mkdir(parents=True)
        worker = Worker(trial, Path(folder) / "scratch", threads, open_it)
        try:
            for kind in Kind:
                items = [item for item in left if item.kind is kind]
                if not items:
                    continue
                known = [row for row in done if (row.shown > 0) is (kind is Kind.VIDEO)]
                rows = known[-1000:] if len(known) >= _ENOUGH_ROWS else _tried(worker, items)
                if not rows:
                    return None
                times = _amount(items, kind) / _made(rows, kind)
                seconds += times * sum(row.seconds for row in rows)
                size += times * sum(row.bytes for row in rows)
                words.append(f"{len(rows)} {kind}{'s' if len(rows) > 1 else ''}")
        finally:
            worker.kill()
    return Estimate(seconds / processes, size, " and ".join(words))


def _tried(worker: Worker, items: list[Item]) -> list[Row]:
    """What some items took. The first one is made twice: the network is opened for it."""
    chosen = _spread(sorted(items, key=lambda item: item.bytes), _TRIED)
    results = [worker.do(Task(item, Step.MAKE_WHOLE)) for item in [chosen[0], *chosen]][1:]
    return [row for row in results if isinstance(row, Row) and row.state == "done"]


def _made(rows: list[Row], kind: Kind) -> float:
    """How much was made: items, or seconds of video."""
    return max(sum(row.shown for row in rows), 1e-3) if kind is Kind.VIDEO else len(rows)


def _amount(items: list[Item], kind: Kind) -> float:
    """How much there is: items, or seconds of video, of which some tell how long they are."""
    if kind is Kind.PHOTOGRAPH:
        return len(items)
    asked = _spread([(item.bytes, item.source) for item in items if isinstance(item.source, Path)], _TIMED)
    try:
        lengths = call_in_subprocess("how long videos are", durations, [path for _, path in asked])
    except EngineError:  # one of them ends the process that looks at it
        return 0.0
    known = [(size, length) for (size, _), length in zip(asked, lengths, strict=True) if length]
    total = sum(size for size, _ in known)
    return sum(length for _, length in known) / total * sum(item.bytes for item in items) if total else 0.0


def durations(paths: list[Path]) -> list[float | None]:
    """How long videos say that they are, in seconds; None for those that do not. Called in a process of its own."""
    lengths: list[float | None] = []
    for path in paths:
        try:
            with open_media(path) as container:
                lengths.append(stated_seconds(container))
        except SourceError:
            lengths.append(None)
    return lengths


def _spread(items: Sequence[T], count: int) -> list[T]:
    """So many of a sequence, evenly spread."""
    if len(items) <= count:
        return list(items)
    return [items[int((number + 0.5) * len(items) / count)] for number in range(count)]
