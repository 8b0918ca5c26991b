"""Where a number comes from: the machine, the library versions and the command. Without them it means nothing."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from rtsod.system.machine import describe_machine, memory_gb
from rtsod.system.processor_class import limit, processor_class
from rtsod.version import __version__

LIBRARIES: Final = ("numpy", "opencv-python", "openvino", "torch", "tensorrt", "onnxruntime", "av")
"""Distributions whose versions affect the results."""


def describe() -> dict[str, object]:
    """The machine, the versions that matter, and the time, ready for JSON."""
    machine = describe_machine()
    return {
        "processor": machine["processor"],
        "processor_class": str(processor_class()),
        **({} if (most := limit()) is None else {"held_to": most}),
        "cores": machine["cores"],
        "memory_gb": memory_gb(),
        **{name: machine[name] for name in ("available_cores",) if name in machine},
        "system": machine["system"],
        "python": machine["python"],
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
        "rtsod": __version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def command_line(module: str, argv: Sequence[str] | None = None) -> str:
    """A command as you would type it, to be stored with the result it produces.

    Args:
        module: the module to run.
        argv: its arguments; None takes those of this process.
    """
    return shlex.join(["python", "-m", module, *(sys.argv[1:] if argv is None else argv)])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
