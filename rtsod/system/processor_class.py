"""Which class of processor this is, by the instructions it has for the network's 8-bit arithmetic.

Most of a frame's time is spent on 8-bit convolutions. AMX multiplies whole tiles of bytes at a time, VNNI four bytes
per lane, and AVX2 needs three instructions for what VNNI does in one. The class therefore says more about the speed
than the clock rate, and every result names it.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

_CPU_INFO: Final = Path("/proc/cpuinfo")
_ARM: Final = ("aarch64", "arm64")
_SYSCTL: Final = ("sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features")
_SYSCTL_SECONDS: Final = 5.0
LIMIT_VARIABLES: Final = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that hold oneDNN, and so OpenVINO's and PyTorch's convolutions, to fewer instructions."""


class ProcessorClass(StrEnum):
    """The classes, the fastest first."""

    AMX = "AMX"
    """AMX: server processors of Intel since 2023."""
    VNNI = "VNNI"
    """AVX-512 VNNI or AVX-VNNI, without AMX: laptops of Intel since 2020, of AMD since 2023."""
    AVX2 = "AVX2"
    """AVX2 or AVX-512, without VNNI."""
    OTHER = "other"
    """Anything else that is known: Arm, Apple, x86 before AVX2."""
    UNKNOWN = "unknown"
    """The system does not tell which instructions the processor has."""


def processor_class(environment: Mapping[str, str] = os.environ) -> ProcessorClass:
    """The class as this process may use it.

    Args:
        environment: may hold oneDNN to fewer instructions than the processor has, see ``LIMIT_VARIABLES``.
    """
    features = processor_features()
    return ProcessorClass.UNKNOWN if features is None else class_of(features, limit(environment))


def class_of(features: frozenset[str], most: str | None = None) -> ProcessorClass:
    """The class of a processor.

    Args:
        features: as Linux spells them.
        most: the most that oneDNN may use, as ``ONEDNN_MAX_CPU_ISA`` spells it; None for all.
    """
    levels = (
        (ProcessorClass.AMX, "amx_int8" in features, ("AMX", "DEFAULT", "ALL")),
        (ProcessorClass.VNNI, "avx512_vnni" in features, ("AVX512_CORE_", "AVX10", "DEFAULT", "ALL")),
        (ProcessorClass.VNNI, "avx_vnni" in features, ("VNNI", "AVX512", "AVX10", "DEFAULT", "ALL")),
        (ProcessorClass.AVX2, "avx2" in features, ("AVX2", "AVX512", "AVX10", "DEFAULT", "ALL")),
    )
    for found, has, allowed in levels:
        if has and (most is None or any(name in most for name in allowed)):
            return found
    return ProcessorClass.OTHER


def limit(environment: Mapping[str, str] = os.environ) -> str | None:
    """The most instructions that oneDNN may use, in capitals; None if it is not held to fewer than there are."""
    return next((value.upper() for name in LIMIT_VARIABLES if (value := environment.get(name))), None)


def processor_features(cpu_info: Path = _CPU_INFO) -> frozenset[str] | None:
    """The processor's instruction sets as Linux spells them; None where the system does not tell.

    Windows tells nothing about VNNI and AMX without machine code of one's own.
    """
    if platform.machine().lower() in _ARM:
        return frozenset()  # none of those that matter here
    if platform.system() == "Darwin":
        return _features_of_macos()
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), None)
    return None if flags is None else frozenset(flags.split())


def _features_of_macos() -> frozenset[str] | None:
    """An Intel Mac's features, in Linux's spelling as far as the class needs it."""
    try:
        found = subprocess.run(_SYSCTL, capture_output=True, text=True, timeout=_SYSCTL_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return frozenset(name.lower().replace("avx512vnni", "avx512_vnni") for name in found.split())
