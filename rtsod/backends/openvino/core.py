"""OpenVINO, imported without its telemetry, and its one ``Core``.

Everything else that needs OpenVINO imports ``ov`` and ``ops`` from here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rtsod.errors import NOT_ENOUGH_MEMORY, EngineError, is_shortage


@contextmanager
def _telemetry_hidden() -> Iterator[None]:
    """Let ``import openvino`` find no telemetry package, so that it uses its own stub, which sends nothing.

    Where ``openvino_telemetry`` is installed, and pip installs it with OpenVINO, the import alone already sends an
    event. Nothing about a run may leave the machine.
    """
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # Python's way to make an import fail
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


with _telemetry_hidden():
    import openvino as ov
    from openvino import opset13 as ops

__all__ = ["first_line", "mapped_errors", "openvino_core", "ops", "ov", "processor"]


@cache
def openvino_core() -> ov.Core:
    """The one ``Core`` of this process. It lives until the process ends.

    On x86-64 OpenVINO's CPU plugin gives the thread that loads it an alternate signal stack, and frees that stack with
    the last ``Core``. If another thread frees it, the first thread's handlers still point to it: the next Ctrl-C is a
    segmentation fault, and the recording is lost.
    """
    with mapped_errors("OpenVINO does not start"):
        return ov.Core()


def processor(core: ov.Core, device: str) -> tuple[str, ...]:
    """What the speed and the machine code of a network depend on: the device, and which instructions OpenVINO may use.

    Args:
        core: OpenVINO.
        device: such as ``CPU``.
    """
    able = sorted(str(capability) for capability in core.get_property(device, "OPTIMIZATION_CAPABILITIES"))
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return str(core.get_property(device, "FULL_DEVICE_NAME")), limit, *able


@contextmanager
def mapped_errors(what: str) -> Iterator[None]:
    """Turn what OpenVINO raises into an :class:`~rtsod.errors.EngineError` that begins with ``what``."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise EngineError(f"{what}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """The reason in an OpenVINO error: the last line that is not a position in OpenVINO's own sources."""
    if is_shortage(error):
        return NOT_ENOUGH_MEMORY
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (reasons or lines or [type(error).__name__])[-1]
