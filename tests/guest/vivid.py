"""The controls of vivid, the kernel's test camera, which can make it fail on request."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_QUERYCTRL: Final = 0xC0445624
_S_CTRL: Final = 0xC008561C
_NEXT: Final = 0x80000000


def controls(camera: Path) -> dict[str, int]:
    """Read the numbers of all controls, by name."""
    found: dict[str, int] = {}
    handle = os.open(camera, os.O_RDWR | os.O_NONBLOCK)
    try:
        number = 0
        while True:
            try:
                answer = fcntl.ioctl(handle, _QUERYCTRL, struct.pack("<I", number | _NEXT).ljust(68, b"\0"))
            except OSError:
                return found
            (number,) = struct.unpack_from("<I", answer)
            found[answer[8:40].partition(b"\0")[0].decode()] = number
    finally:
        os.close(handle)


def set_control(camera: Path, name: str, value: int = 1) -> None:
    """Set a control. Any value presses a button."""
    number = controls(camera)[name]
    handle = os.open(camera, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(handle, _S_CTRL, struct.pack("<Ii", number, value))
    finally:
        os.close(handle)
