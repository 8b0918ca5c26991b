"""OpenVINO itself, one for the whole process."""

from __future__ import annotations

from functools import cache

import openvino as ov


@cache
def openvino_core() -> ov.Core:
    """The one there is, never given up before the process ends.

    On x86-64 OpenVINO's CPU plugin gives the thread that loads it a stack for signal handlers, and frees it with the
    last ``Core``. Freed by another thread, it is still where the first one's handlers are to run: the next Ctrl-C is a
    segmentation fault, and the recording is lost.
    """
    return ov.Core()
