"""The share of a core that a thread gets while others want it, too."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final

_NICE: Final = 10
"""The nice value of work that nobody waits for: a ninth of a normal thread's share. At 19, the lowest, it would take
minutes beside a program that never rests."""


def give_way() -> None:
    """Let this thread take little of a core that others want, for the rest of its life. Linux only, so far.

    The threads it starts inherit this. Elsewhere, and where it is forbidden, nothing changes.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
