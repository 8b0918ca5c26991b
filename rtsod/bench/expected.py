"""What to expect of a processor class: the speed that was recorded on one processor of each.

``assets/expected_speed.json`` is made from ``benchmarks/results`` by ``scripts/readme/update_numbers.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from rtsod.system.processor_class import ProcessorClass

FILE: Final = "expected_speed.json"
MEANING: Final = {
    ProcessorClass.AMX: "8-bit tiles",
    ProcessorClass.VNNI: "8-bit dot products, no AMX",
    ProcessorClass.AVX2: "neither VNNI nor AMX",
    ProcessorClass.OTHER: "neither AMX, VNNI nor AVX2",
    ProcessorClass.UNKNOWN: "the system does not tell the processor's instructions",
}
"""What each class is, in a few words."""


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """How fast one network ran."""

    precision: str
    frame_ms: float
    """Median milliseconds for a whole frame at 320x320, the network alone."""
    call_fps: float
    """Frames per second from camera to sink at 720p and 30 fps, as ``auto`` chose."""
    call_ms: float
    """Median latency there, in milliseconds."""


@dataclass(frozen=True, slots=True)
class ClassSpeed:
    """What was recorded on one processor of a class."""

    processor: str
    cores: int
    date: str
    models: dict[str, ModelSpeed]
    """By ``lite`` and ``full``."""


@cache
def expected_speeds() -> dict[ProcessorClass, ClassSpeed]:
    """The recorded speeds by class; a class without results is missing."""
    table = json.loads((files("rtsod") / "assets" / FILE).read_text(encoding="utf-8"))
    return {
        ProcessorClass(name): ClassSpeed(
            entry["processor"],
            entry["cores"],
            entry["date"],
            {model: ModelSpeed(**speed) for model, speed in entry["models"].items()},
        )
        for name, entry in table.items()
    }


def class_line(here: ProcessorClass, kernel: str = "") -> str:
    """Names the class, and the kernel that most convolutions ran in.

    Args:
        here: the class.
        kernel: OpenVINO's name; empty if unknown.
    """
    ran = f"; most convolutions ran in {kernel}" if kernel else ""
    return f"processor class {here}: {MEANING[here]}{ran}"


def expectation(here: ProcessorClass, cores: int) -> str:
    """What was recorded on this class, in one sentence without a full stop.

    Args:
        here: the class.
        cores: number of cores this process may use.
    """
    speeds = expected_speeds().get(here)
    if speeds is None:
        return "no results have been recorded on this class"
    found = "; ".join(
        f"{model} {speed.frame_ms:.0f} ms for a whole frame, {speed.call_fps:.1f} fps in a 720p call"
        for model, speed in speeds.models.items()
    )
    origin = f"{speeds.processor}, {speeds.cores} cores, {speeds.date}"
    other = "" if cores == speeds.cores else f"; this machine has {cores}"
    return f"expected there: {found} (recorded on {origin}{other})"
