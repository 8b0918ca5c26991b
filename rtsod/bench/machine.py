"""What a measurement was made on: without it, no number means anything."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from rtsod.version import __version__

_BUSY: Final = 0.25
"""Of the cores: a system's own background work stays below."""
LIBRARIES: Final = ("numpy", "opencv-python", "openvino", "torch", "tensorrt", "onnxruntime", "av")


def describe() -> dict[str, object]:
    """The machine, its load at this moment, and the versions that matter; ready for JSON."""
    return {
        "processor": _processor(),
        "cores": len(_affinity()),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
        "rtsod": __version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": load(),
    }


def load() -> float | None:
    """Processes that ran or waited to run, on average over the last minute; None where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def busy_note(machine: dict[str, object]) -> str | None:
    """A warning where others used the machine when it was described: then no rate is what it could be."""
    cores, others = machine["cores"], machine["load"]
    if not (isinstance(cores, int) and isinstance(others, float)) or others <= _BUSY * cores:
        return None
    return f"the machine was busy before the benchmark began (load {others:g} on {cores} cores): its rates are too low"


def _affinity() -> set[int]:
    try:
        return os.sched_getaffinity(0)  # what a container really gives
    except AttributeError:
        return set(range(os.cpu_count() or 1))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
