"""Measures how much processor time other programs used during a measurement, since that makes its rates too low.

A load average covers the last minute and includes the benchmark itself; this counts processor time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Final

from rtsod.interfaces import Clock
from rtsod.system.machine import usable_cores

TOLERATED_SHARE: Final = 0.1
"""Share of all cores that other programs may use; the system's own background work stays below it."""
_SHORTEST_SECONDS: Final = 1e-3
_NOT_BUSY: Final = ("idle", "iowait", "guest", "guest_nice")
"""Fields of ``psutil.cpu_times`` without work, or, for guests, work that the host's fields already include."""


class InterferenceMonitor:
    """Counts what other programs use of this process's cores, from its construction on.

    Args:
        clock: seconds, monotonic.
        others_cpu_seconds: returns the processor seconds other programs have used so far, or None where they cannot
            be counted. The default asks the operating system.
    """

    def __init__(
        self, clock: Clock = time.monotonic, others_cpu_seconds: Callable[[], float | None] | None = None
    ) -> None:
        self._clock = clock
        self._others_cpu_seconds = others_cpu_seconds or _others_cpu_seconds
        self._started_at, self._used_before = clock(), self._others_cpu_seconds()

    def busy_cores(self) -> float | None:
        """Number of cores other programs kept busy on average, including the hypervisor's other guests.

        None where that cannot be counted: on Windows, and without psutil (the extra ``rtsod[bench]``).
        """
        used = self._others_cpu_seconds()
        if used is None or self._used_before is None:
            return None
        seconds = max(self._clock() - self._started_at, _SHORTEST_SECONDS)
        return round(max(0.0, used - self._used_before) / seconds, 3)


def _others_cpu_seconds() -> float | None:
    """None without psutil, and on Windows, where the time of ended child processes is unknown."""
    if find_spec("psutil") is None or sys.platform == "win32":
        return None
    import psutil  # an extra

    return cpu_seconds_of_others(
        [times._asdict() for times in psutil.cpu_times(percpu=True)], usable_cores(), os.times()
    )


def cpu_seconds_of_others(core_times: Sequence[Mapping[str, float]], cores: set[int], own: os.times_result) -> float:
    """Busy time of the usable cores minus this process's own and that of its children that ended and were waited for.

    Args:
        core_times: seconds in each state, for every core of the machine, as ``psutil.cpu_times(percpu=True)`` counts.
        cores: indices of the usable cores.
        own: from ``os.times()``.
    """
    busy = sum(
        seconds
        for core, times in enumerate(core_times)
        if core in cores
        for state, seconds in times.items()
        if state not in _NOT_BUSY
    )
    return busy - (own.user + own.system + own.children_user + own.children_system)


def is_disturbed(others_cores: float | None, cores: int) -> bool:
    """Whether other programs used so much that a measurement does not show what the machine can do.

    Args:
        others_cores: from :meth:`InterferenceMonitor.busy_cores`; None counts as undisturbed.
        cores: number of usable cores.
    """
    return others_cores is not None and others_cores > TOLERATED_SHARE * cores


def interference_warning(others_cores: float | None, cores: int) -> str | None:
    """A warning for a disturbed measurement, otherwise None."""
    if not is_disturbed(others_cores, cores):
        return None
    return (
        f"other programs kept {others_cores:.1f} of {cores} cores busy during the measurement, so its rates are too low"
    )
