"""Progress callbacks, and a receiver that turns progress into lines of text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeAlias

from rtsod.interfaces import Clock

Notify: TypeAlias = Callable[[str], None]
"""Called with one line for the user."""
BuildProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with a phase's name, the steps done, and the total. Phases nest; a phase ends when done equals total."""

_LINE_INTERVAL_SECONDS: Final = 5.0
"""Time between two lines: often enough that the program does not look hung."""


def progress_as_lines(notify: Notify, clock: Clock = time.perf_counter) -> BuildProgress:
    """A receiver for outputs that only print lines."""
    last = clock()

    def report(phase: str, done: int, total: int) -> None:
        nonlocal last
        if clock() - last >= _LINE_INTERVAL_SECONDS and done < total:
            last = clock()
            notify(f"still working: {phase}, {100 * done // max(total, 1)} %")

    return report
