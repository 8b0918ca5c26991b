"""Progress callbacks, and the receiver that turns them into lines of text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeAlias

from rtsod.interfaces import Clock

Notify: TypeAlias = Callable[[str], None]
"""Called with one line for the user."""
BuildProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with a phase's name, its steps done, and its steps in all. Phases nest; one is over when done equals all."""

_EVERY: Final = 5.0
"""Seconds between two lines."""


def spoken(notify: Notify, clock: Clock = time.perf_counter) -> BuildProgress:
    """A receiver for where there is only a line to print: one now and then, so that the program does not look hung."""
    last = clock()

    def report(phase: str, done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= _EVERY and done < total:
            last = clock()
            notify(f"still at it: {phase}, {100 * done // max(total, 1)} %")

    return report
