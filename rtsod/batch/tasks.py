"""What a process of a batch is given to do, and what waits for one."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from rtsod.batch.items import Item
from rtsod.batch.manifest import Row
from rtsod.sources.segments import Segment

PARTS: Final = "parts"
"""The folder among the records for the parts of videos that are not finished."""
_NAME_LETTERS: Final = 16
_KIND_LETTERS: Final = 8


class Step(StrEnum):
    """What is to be done for an item."""

    MAKE = "make"
    """Its result; or, of a long video, nothing but to say how it is divided."""
    MAKE_WHOLE = "make whole"
    """Its result, without dividing it."""
    PART = "part"
    """One part of it."""
    JOIN = "join"
    """Its result, of all its parts."""


@dataclass(frozen=True, slots=True)
class Task:
    """One step for one item."""

    item: Item
    step: Step = Step.MAKE
    segments: tuple[Segment, ...] = ()
    """All of the video, where it is divided."""
    number: int = 0
    """Which of them, for a part."""
    attempt: int = 1

    @property
    def is_fresh(self) -> bool:
        """Whether it wants a process of its own, because it has failed."""
        return self.attempt > 1

    def part(self, number: int, suffix: str) -> str:
        """Name of a part's file among the records. Another division of the video has other names."""
        kind = f"{self.item.bytes} {self.segments!r}"
        return f"{parts_of(self.item)}/{_digest(kind)[:_KIND_LETTERS]}-{number}{suffix}"


@dataclass(frozen=True, slots=True)
class Division:
    """How a video is divided; not at all, if there are no segments."""

    segments: tuple[Segment, ...]


Result: TypeAlias = Row | Division | str
"""What becomes of a task: its row, what is to be done instead, or how its process ended."""
Outcome: TypeAlias = tuple[Task, Result]


def parts_of(item: Item) -> str:
    """Name of the folder of an item's parts among the records."""
    return f"{PARTS}/{_digest(item.name)[:_NAME_LETTERS]}"


def discard_parts(records: Path, item: Item) -> None:
    """Delete an item's parts, and their folder if it was the last item's."""
    folder = records / parts_of(item)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


class TaskQueue:
    """Tasks that wait, and the count of those under way, which may bring others. Safe from any thread.

    Args:
        tasks: the first ones.
    """

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._waiting = deque(tasks)
        self._under_way = 0
        self._ended = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def add(self, tasks: Iterable[Task], *, first: bool = False) -> None:
        """Let tasks wait, behind all others or before them."""
        with self._changed:
            if first:
                self._waiting.extendleft(reversed(list(tasks)))
            else:
                self._waiting.extend(tasks)
            self._changed.notify_all()

    def drop(self, item: Item) -> None:
        """Forget what waits for an item."""
        with self._changed:
            self._waiting = deque(task for task in self._waiting if task.item.name != item.name)

    def take(self) -> Task | None:
        """The next task. Blocks while there is none and another may still bring one; None when nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._waiting or not self._under_way)
            if self._ended or not self._waiting:
                return None
            self._under_way += 1
            return self._waiting.popleft()

    def take_all(self) -> list[Task]:
        """All tasks that wait."""
        with self._changed:
            tasks = list(self._waiting)
            self._waiting.clear()
            self._under_way += len(tasks)
            return tasks

    def done(self) -> None:
        """Say that a task that was taken is over, and has brought what it brings."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def end(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
