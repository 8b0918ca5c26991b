"""When a thread, or a whole process, gets a core that others want, too.

For threads Linux only, so far: elsewhere nothing changes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from contextlib import suppress
from typing import Final

NOBODY_WAITS: Final = 10
"""The nice value of work that nobody waits for: a ninth of a normal thread's share. At 19, the lowest, it would take
minutes beside a program that never rests."""
_LOWEST: Final = 19
"""The nice value of work that may as well wait for hours."""
_IDLE_PRIORITY_CLASS: Final = 0x40
"""Windows': the process runs when the system is idle."""
_SLICE_NS: Final = 100_000
"""The shortest time slice that Linux grants, in nanoseconds; the usual one is about 3 ms."""
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""Numbers of the system call, for which the C library has no function before glibc 2.41."""
_SCHED_ATTR: Final = struct.Struct("=IIQiIQQQ")
"""``struct sched_attr``: size, policy, flags, nice, priority, runtime, deadline, period."""


def give_way(nice: int = NOBODY_WAITS) -> None:
    """Let this thread take little of a core that others want, for the rest of its life.

    The threads it starts inherit this. A thread that gives way more already, because the user asked for it, keeps doing
    so. Where it is forbidden, nothing changes.

    Args:
        nice: the thread's nice value, 0 to 19; each step takes a fifth off its share.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(nice, os.getpriority(os.PRIO_PROCESS, thread)))


def run_when_idle() -> None:
    """Let this process run only where nobody else wants the core, to its end. Call it before it starts threads.

    Linux has a class for it (``SCHED_IDLE``), and Windows a priority; elsewhere it is the lowest priority there is.
    Where it is forbidden, nothing changes. The processes that it starts inherit this, except on Windows.
    """
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _IDLE_PRIORITY_CLASS)
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST if sys.platform == "linux" else 20)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def respond_quickly() -> None:
    """Let this thread run soon after it wakes, for the rest of its life. It gets no larger share.

    For threads that work for a few milliseconds and then wait. Linux 6.12 and newer run those first that asked for the
    shortest time slices; older ones ignore the request.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())  # what the user may have set
    attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, os.SCHED_OTHER, 0, nice, 0, _SLICE_NS, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)  # an error only means that nothing changes
