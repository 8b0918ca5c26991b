"""What other programs took of this machine while something was measured: then no rate is what it could be.

A load average looks back over a minute and counts the benchmark itself; this counts processor time.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from typing import Final

QUIET: Final = 0.1
"""Of each core: a system's own background work stays below."""
_IDLE: Final = ("idle", "iowait", "guest", "guest_nice")
"""No work, or (a guest's) counted as its host's already."""


class Others:
    """Counts from its making on, for the cores that this process may use."""

    def __init__(self) -> None:
        self._known = find_spec("psutil") is not None and sys.platform != "win32"  # there children's time is unknown
        self._began, self._used = time.monotonic(), self._used_by_others()

    def cores(self) -> float | None:
        """How many cores other programs kept busy on average, the hypervisor's other guests included.

        None where that is not known: without psutil (the extra rtsod[bench]), and on Windows. Of this process's own
        children, those count as its own that have ended and were waited for.
        """
        if not self._known:
            return None
        seconds = max(time.monotonic() - self._began, 1e-3)
        return round(max(0.0, self._used_by_others() - self._used) / seconds, 3)

    def _used_by_others(self) -> float:
        if not self._known:
            return 0.0
        import psutil  # an extra

        mine = usable_cores()
        busy = sum(
            seconds
            for number, times in enumerate(psutil.cpu_times(percpu=True))
            if number in mine
            for kind, seconds in times._asdict().items()
            if kind not in _IDLE
        )
        own = os.times()
        return float(busy) - (own.user + own.system + own.children_user + own.children_system)


def usable_cores() -> set[int]:
    """The cores this process may run on: what a container really gives."""
    try:
        return os.sched_getaffinity(0)
    except AttributeError:
        return set(range(os.cpu_count() or 1))


def disturbed(others: float | None, cores: int) -> bool:
    """Whether so much was taken that a measurement is not what this machine can do.

    Args:
        others: of :meth:`Others.cores`.
        cores: how many there are.
    """
    return others is not None and others > QUIET * cores


def busy_note(others: float | None, cores: int) -> str | None:
    """A warning where a measurement was disturbed."""
    if not disturbed(others, cores):
        return None
    return f"other programs kept {others:.1f} of {cores} cores busy meanwhile: rates are too low"
