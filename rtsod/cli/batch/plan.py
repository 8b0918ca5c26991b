"""``rtsod batch --plan``: what there is, what would be made where, and how long that would take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rtsod.batch.config import LOCAL, BatchConfig
from rtsod.batch.places import in_words
from rtsod.system.names import printable

if TYPE_CHECKING:
    from rtsod.batch.session import Todo

_NAMED: Final = 3
"""How many items are named."""


def plan(config: BatchConfig, todo: Todo) -> str:
    """The lines to print.

    Raises:
        RtsodError: the network cannot be opened, or another thing that no item would be spared.
    """
    from rtsod.batch.items import in_words as items_in_words
    from rtsod.batch.session import crew_for

    lines = [f"found: {items_in_words(todo.found.items)}, and {todo.found.passed_over} other files"]
    if config.shard.of > 1:
        lines.append(f"shard {config.shard.number}/{config.shard.of}: {items_in_words(todo.items)}")
    lines.append(
        f"done: {todo.done_before}; failed earlier: {len(todo.failed_before)}; to make: {items_in_words(todo.left)}"
    )
    if todo.left:
        lines += [f"would run in {crew_for(config, todo).in_words()}", _estimate(config, todo)]
    lines += [
        printable(f"  {in_words(item.source)} -> {in_words(config.out)}/{item.result(config.suffix)}")
        for item in todo.left[:_NAMED]
    ]
    if len(todo.left) > _NAMED:
        lines.append(f"  and {len(todo.left) - _NAMED} more")
    return "\n".join(lines)


def _estimate(config: BatchConfig, todo: Todo) -> str:
    from rtsod.batch.estimate import estimate

    guess = estimate(config, todo.left)
    if guess is None:
        return "estimate: none, because what was tried of it failed"
    where = "" if config.on == LOCAL else " of one core"
    took = f"{_time(guess.seconds)}{where}, not counting the start"  # which matters in small batches only
    line = f"estimate: {took}, and {_size(guess.bytes)} of results, by {guess.basis}"
    free = _free(config)
    return line if free is None or free > guess.bytes else f"{line}: more than the {_size(free)} that are free there"


def _free(config: BatchConfig) -> float | None:
    """Room where the results would go, in bytes; None if nobody knows."""
    if not isinstance(config.out, Path):
        return None
    folder = next((place for place in (config.out, *config.out.absolute().parents) if place.is_dir()), None)
    return None if folder is None else shutil.disk_usage(folder).free


def _time(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"about {max(1, seconds):.0f} s"
    if hours < 1:
        return f"about {minutes:.0f} min"
    return f"about {hours:.1f} h" if hours < 48 else f"about {hours / 24:.1f} days"


def _size(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{max(count / 1e6, 0.1):.1f} MB"
