"""What Linux says about its cameras: which there are, what they are called, why one cannot be opened."""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
from pathlib import Path
from typing import Final

_DEVICES: Final = Path("/dev")
_NAMES: Final = Path("/sys/class/video4linux")
# linux/videodev2.h: VIDIOC_QUERYCAP fills struct v4l2_capability, 104 bytes, with capabilities and device_caps at 84.
_QUERYCAP: Final = 0x80685600
_QUERYCAP_SIZE: Final = 104
_CAPABILITIES_AT: Final = 84
_HAS_DEVICE_CAPS: Final = 0x80000000
_CAN_CAPTURE: Final = 0x00000001 | 0x00001000  # single- or multi-planar


def capture_devices(devices: Path = _DEVICES) -> list[int]:
    """Indexes N of the ``/dev/videoN`` that are, or (not being readable) may be, cameras; in ascending order."""
    numbers = (re.fullmatch(r"video(\d+)", path.name) for path in devices.glob("video*"))
    return [index for index in sorted(int(n[1]) for n in numbers if n) if _may_capture(devices / f"video{index}")]


def device_name(index: int, names: Path = _NAMES) -> str | None:
    """The name the driver gives ``/dev/videoN``, or None."""
    try:
        return (names / f"video{index}" / "name").read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def explain(index: int, devices: Path = _DEVICES) -> str:
    """Why the camera ``/dev/videoN`` cannot be opened, with what would mend it; one line."""
    path = devices / f"video{index}"
    if not path.exists():
        there = ", ".join(f"{devices}/video{n}" for n in capture_devices(devices))
        return f"{path} does not exist: " + (f"there is {there}" if there else "no camera is connected; try 'demo'")
    if not os.access(path, os.R_OK | os.W_OK):
        return (
            f"no permission for {path}: add yourself to the group 'video' (sudo usermod -aG video $USER), log in anew"
        )
    if not _may_capture(path):
        return f"{path} does not capture pictures: it is another function of a device; try another index"
    return f"{path} gives no pictures: close other programs that use the camera, or plug it in again"


def _may_capture(path: Path) -> bool:
    if sys.platform != "linux":
        return True
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM, errno.EBUSY)
    try:
        answer = fcntl.ioctl(handle, _QUERYCAP, bytes(_QUERYCAP_SIZE))
    except OSError:
        return False
    finally:
        os.close(handle)
    capabilities, of_device = struct.unpack_from("<II", answer, _CAPABILITIES_AT)
    return bool((of_device if capabilities & _HAS_DEVICE_CAPS else capabilities) & _CAN_CAPTURE)
