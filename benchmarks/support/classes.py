"""Results by the class of processor they were recorded on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rtsod.system.interference import is_disturbed
from rtsod.system.processor_class import ProcessorClass

_OLDER: Final = {"Intel(R) Xeon(R) Processor": ProcessorClass.AMX}
"""The class of the processor in those results that do not name it."""
HELD: Final[dict[ProcessorClass, dict[str, str]]] = {
    ProcessorClass.AVX2: {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-ICL",
        "NUMBA_CPU_NAME": "haswell",
    }
}
"""Environment variables that hold a process on any processor to a class: its convolutions, OpenCV, and compiled loops.
OpenVINO's Interpolate still uses AVX-512 where there is some."""
BENCHES: Final = ("bench", "bench_vnni", "bench_avx2")
"""The results of ``rtsod bench``, one for each class."""


def class_of(result: dict[str, Any]) -> str:
    """The class of processor that a result was recorded on."""
    machine = result["machine"]
    return str(machine.get("processor_class") or _OLDER.get(machine["processor"], ProcessorClass.UNKNOWN))


def processor_of(result: dict[str, Any]) -> str:
    """The processor that a result was recorded on, and what it was held to."""
    machine = result["machine"]
    held = f" held to {machine['held_to']}" if "held_to" in machine else ""
    return f"{machine['processor']}{held}"


def undisturbed(path: Path) -> dict[str, Any] | None:
    """A result, or None if it has not been recorded, or other programs used the machine meanwhile."""
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    others = result.get("others_cores")
    return None if others is None or is_disturbed(others, result["machine"]["cores"]) else result


def expected_speeds(results: Path) -> dict[str, Any]:
    """What ``rtsod bench`` tells about each class, see :mod:`rtsod.bench.expected`.

    Args:
        results: folder of JSON files.
    """
    found = {}
    for name in BENCHES:
        result = undisturbed(results / f"{name}.json")
        if result is None:
            continue
        found[class_of(result)] = {
            "processor": processor_of(result),
            "cores": result["machine"]["cores"],
            "date": result["machine"]["date"][:10],
            "models": {model: _speed(result, model) for model in ("lite", "full")},
        }
    return found


def network_of(result: dict[str, Any], model: str) -> dict[str, Any]:
    """How fast a network ran alone."""
    (network,) = (network for network in result["networks"] if network["model"] == model)
    return dict(network)


def call_of(result: dict[str, Any], model: str) -> dict[str, Any]:
    """The run of a 720p camera as ``auto`` chose."""
    runs = (run for run in result["pipelines"] if run["model"] == model and run["size"][1] == 720)
    return dict(next(run for run in runs if run["paced"] and run["asked_sync"] == "auto"))


def _speed(result: dict[str, Any], model: str) -> dict[str, Any]:
    network, call = network_of(result, model), call_of(result, model)
    return {
        "precision": network["engine"]["precision"],
        "frame_ms": round(network["ms"]["p50"], 1),
        "call_fps": round(call["output_fps"], 1),
        "call_ms": round(call["latency_ms"]["p50"], 1),
    }


@contextmanager
def held_to(kind: ProcessorClass) -> Iterator[None]:
    """Hold processes that start meanwhile to a class; nothing to do for those not in :data:`HELD`."""
    variables = HELD.get(kind, {})
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
