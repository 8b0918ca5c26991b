"""Describes the machine a run or a measurement was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

_CPU_INFO: Final = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, object]:
    """Processor, cores, operating system and Python, ready for JSON."""
    return {
        "processor": processor_name(),
        "cores": len(usable_cores()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def usable_cores() -> set[int]:
    """Indices of the cores this process may run on, which in a container can be fewer than the machine has."""
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on macOS and Windows
        return set(range(os.cpu_count() or 1))


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
