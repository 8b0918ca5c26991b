"""Laptops that this machine can stand for: how many cores, which instructions, and what else they do meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.support.camera_numbers import Targets
from rtsod.config import ModelName

_MAX_ISA: Final = "ONEDNN_MAX_CPU_ISA"
"""The environment variable by which oneDNN, and OpenVINO with it, forgo newer instructions."""
_SPIN: Final = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    pass
"""
_VNNI: Final = {"avx512_vnni", "avx_vnni"}
_AMX: Final = "amx_tile"
"""Names of instructions, as /proc/cpuinfo spells them."""


@dataclass(frozen=True, slots=True)
class Laptop:
    """A class of machines."""

    name: str
    cores: int
    vnni: bool
    """True: AVX-512 VNNI, without AMX. False: AVX2 at most."""

    def unavailable(self, cores: int, instructions: set[str]) -> str | None:
        """Why a machine with these cores and instructions cannot stand for it; None if it can."""
        if cores < self.cores:
            return f"this machine has {cores} core{'s' * (cores > 1)}"
        wanted = _VNNI if self.vnni else {"avx2"}
        return None if wanted & instructions else f"this processor has no {'VNNI' if self.vnni else 'AVX2'}"

    def max_isa(self, instructions: set[str]) -> str | None:
        """To what oneDNN must be held; None if the machine has nothing newer that matters for 8 bits."""
        if not self.vnni:
            return "AVX2"
        return "AVX512_CORE_VNNI" if _AMX in instructions else None

    @contextmanager
    def stand_in(self) -> Iterator[None]:
        """Let processes that this thread starts run as on such a machine."""
        before, variable = os.sched_getaffinity(0), os.environ.get(_MAX_ISA)
        limit = self.max_isa(cpu_instructions())
        os.sched_setaffinity(0, sorted(before)[: self.cores])
        os.environ.pop(_MAX_ISA, None)
        if limit is not None:
            os.environ[_MAX_ISA] = limit
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
            os.environ.pop(_MAX_ISA, None)
            if variable is not None:
                os.environ[_MAX_ISA] = variable

    def targets(self, model: ModelName) -> Targets:
        """What a run must reach on it."""
        if self.cores == 1:
            return Targets(lost_share=0.02, p95_ms=80.0)
        return Targets(lost_share=0.005 if model == "lite" else 0.01, p95_ms=50.0)


@dataclass(frozen=True, slots=True)
class Load:
    """What happens beside the run, or in it."""

    name: str
    recording: bool = False
    """The pictures are recorded at once."""
    mjpg: bool = False
    """Each frame is decoded from JPEG."""
    neighbour: bool = False
    """Another process takes one core."""


LAPTOPS: Final = (
    Laptop("two-vnni", 2, vnni=True),
    Laptop("two-avx2", 2, vnni=False),
    Laptop("one-core", 1, vnni=True),
    Laptop("four-vnni", 4, vnni=True),
)
LOADS: Final = (
    Load("alone"),
    Load("recording", recording=True),
    Load("mjpg", mjpg=True),
    Load("beside", neighbour=True),
)


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that takes one core. It ends with this block, and with this process, however that ends."""
    process = subprocess.Popen([sys.executable, "-c", _SPIN], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def cpu_instructions(cpu_info: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The processor's instructions, as Linux names them; empty where it does not tell."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
