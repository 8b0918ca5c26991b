"""How much memory there is left to use, and how to give some back."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_MEMINFO: Final = Path("/proc/meminfo")
_CGROUPS: Final = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""Limit and usage of the container's control group, versions 2 and 1, as a container sees its own."""

_MAPS: Final = Path("/proc/self/maps")
_PAGE_OUT: Final = 21
"""``MADV_PAGEOUT`` of Linux 5.4."""


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


def release_library(name: str) -> int:
    """Give back the memory of a loaded library that is not needed for now.

    The system drops what it can read from the file again, and does so when the library is used. On another system than
    Linux, or where the kernel is too old, nothing happens.

    Args:
        name: part of its file's name.

    Returns:
        How many stretches of its memory were given back.
    """
    if sys.platform != "linux":
        return 0
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    released = 0
    with suppress(OSError):  # no /proc
        for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and name in os.path.basename(fields[5]):
                begin, end = (int(address, 16) for address in fields[0].split("-"))
                released += advise(begin, end - begin, _PAGE_OUT) == 0
    return released
