"""OpenVINO, imported without its telemetry, and its one ``Core``.

Everything else that needs OpenVINO imports ``ov`` and ``ops`` from here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


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

__all__ = ["openvino_core", "ops", "ov"]


@cache
def openvino_core() -> ov.Core:
    """The one ``Core`` of this process. It lives until the process ends.

    On x86-64 OpenVINO's CPU plugin gives the thread that loads it an alternate signal stack, and frees that stack with
    the last ``Core``. If another thread frees it, the first thread's handlers still point to it: the next Ctrl-C is a
    segmentation fault, and the recording is lost.
    """
    return ov.Core()
