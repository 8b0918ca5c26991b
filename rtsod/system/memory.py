"""How much memory there is left to use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MEMINFO: Final = Path("/proc/meminfo")
_CGROUPS: Final = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""Limit and usage of the container's control group, versions 2 and 1, as a container sees its own."""


def free_memory() -> int | None:
    """Bytes that can be had without swapping; None where the system does not tell.

    What the system calls available, or what is left of a container's limit if that is less.
    """
    free = []
    try:
        numbers = dict(line.split(":", 1) for line in _MEMINFO.read_text(encoding="utf-8").splitlines())
        free.append(int(numbers["MemAvailable"].removesuffix("kB")) * 1024)
    except (OSError, ValueError, KeyError):  # not Linux
        return None
    for limit, usage in _CGROUPS:
        try:
            free.append(int(limit.read_text()) - int(usage.read_text()))
        except (OSError, ValueError):  # no such version, or "max"
            continue
    return max(0, min(free)) if free else None
