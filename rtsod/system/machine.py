"""The machine that a run or a measurement is made on: what it is, and how many cores of it there really are."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

from rtsod.system.cgroup import cpu_quota

_CPU_INFO: Final = Path("/proc/cpuinfo")
_limit: float | None = None
"""See :func:`use_cores`."""


def describe_machine() -> dict[str, object]:
    """Processor, cores, operating system and Python, ready for JSON.

    ``cores`` counts those that may be used; ``available_cores`` stands beside it where a quota allows less.
    """
    cores, available = len(usable_cores()), available_cores()
    return {
        "processor": processor_name(),
        "cores": cores,
        **({"available_cores": round(available, 2)} if available < cores else {}),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def usable_cores() -> set[int]:
    """Indices of the cores this process may run on, which in a container can be fewer than the machine has."""
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on macOS and Windows
        return set(range(os.cpu_count() or 1))


def available_cores() -> float:
    """How many cores' time there really is.

    The usable cores, or less where a container's quota allows less, or where :func:`use_cores` leaves some to others.
    """
    limits = (float(len(usable_cores())), cpu_quota(), _limit)
    return min(limit for limit in limits if limit is not None)


def use_cores(count: int) -> None:
    """Have this process use so many cores' time: the network, codecs and OpenCV start their threads by it.

    For processes that share a machine with others of their kind. Call it before anything is opened.
    """
    global _limit
    _limit = float(count)


def thread_count() -> int:
    """How many threads can compute at once without being stopped: the available cores, rounded down, at least 1.

    Threads that use up a quota are all stopped until its next period begins, and a period is 100 ms by default. On one
    and a half cores (Zen 4, lite in 8 bits) a mask at 192 pixels took 44 ms with one thread and 52 with two, the 95th
    percentile 46 and 68 ms; and one thread leaves half a core to everything else.
    """
    return max(1, int(available_cores()))


def let_waiting_threads_sleep() -> None:
    """Let OpenMP's threads sleep while they wait for each other. Call it before PyTorch is imported.

    By default they spin. Beside other programs, one that was stopped is then waited for at full load: a step of
    training lite at 64 pixels took 24 s with two spinning threads on two busy cores, .9 s with sleeping ones, .55 s
    with one thread. What the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def thread_limit() -> int | None:
    """:func:`thread_count` where a quota allows less than the usable cores; None where libraries choose for themselves.

    They know which cores they may use, and some know better than to use all of them: slow cores beside fast ones.
    """
    count = thread_count()
    return count if count < len(usable_cores()) else None


def processor_name(cpu_info: Path = _CPU_INFO) -> str:
    """The processor's model name, or its architecture where the system does not tell more."""
    try:
        for line in cpu_info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_gb() -> float | None:
    """Installed memory in GiB; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
