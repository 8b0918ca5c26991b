"""Video devices on Linux: lists them, names them, and finds out what they can do and which process has them open.

Asks the kernel directly, with the ``ioctl`` requests of ``linux/videodev2.h``. On other systems there are no devices.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

DEVICES: Final = Path("/dev")
_NAMES: Final = Path("/sys/class/video4linux")
PROCESSES: Final = Path("/proc")

# linux/videodev2.h. A request number contains the size of its structure.
_QUERYCAP: Final = 0x80685600
_ENUM_FMT: Final = 0xC0405602
_ENUM_FRAMESIZES: Final = 0xC02C564A
_ENUM_FRAMEINTERVALS: Final = 0xC034564B
_HAS_DEVICE_CAPS: Final = 0x80000000
_CAPTURE: Final = 0x00000001 | 0x00001000  # single- or multi-planar
_OUTPUT: Final = 0x00000002 | 0x00002000
_TYPE_CAPTURE: Final = 1
_DISCRETE: Final = 1

LOOPBACK: Final = "v4l2 loopback"
"""Name of the driver of virtual cameras."""


@dataclass(frozen=True, slots=True)
class Device:
    """One ``/dev/videoN``, as its driver describes it."""

    index: int
    path: Path
    name: str
    driver: str
    bus: str
    """Where it is connected, e.g. ``"usb-0000:00:14.0-6"``."""
    captures: bool
    """Whether pictures can be read from it now."""
    outputs: bool
    """Whether pictures can be written to it now."""
    readable: bool = True
    """False if this user may not open it; then nothing else is known."""

    @property
    def is_virtual(self) -> bool:
        """Whether this is a virtual camera."""
        return self.driver == LOOPBACK


@dataclass(frozen=True, slots=True)
class Mode:
    """One format, size and rate of a camera."""

    pixel_format: str
    """Four letters, e.g. ``"MJPG"``."""
    width: int
    height: int
    fps: Fraction | None
    """The highest rate; None if the driver does not report one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies a camera that is plugged in again and gets another number."""

    links: frozenset[str]
    """Its names in ``/dev/v4l/by-id``."""
    name: str
    bus: str


def devices(folder: Path = DEVICES) -> list[Device]:
    """List all ``/dev/videoN``, by N."""
    numbers = (re.fullmatch(r"video(\d+)", path.name) for path in folder.glob("video*"))
    found = (query(folder / f"video{index}") for index in sorted(int(n[1]) for n in numbers if n))
    return [device for device in found if device is not None]


def query(path: Path) -> Device | None:
    """Describe the device at ``path``; None if there is none, or it is not a V4L2 device."""
    number = re.fullmatch(r"video(\d+)", path.name)
    if number is None:
        return None
    index = int(number[1])
    try:
        with opened(path) as handle:
            reply = _ioctl(handle, _QUERYCAP, bytes(104))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EBUSY):
            return None
        return Device(index, path, device_name(index) or "", "", "", captures=True, outputs=False, readable=False)
    driver, card, bus = (_text(part) for part in struct.unpack_from("16s32s32s", reply))
    capabilities, device_capabilities = struct.unpack_from("<II", reply, 84)
    flags = device_capabilities if capabilities & _HAS_DEVICE_CAPS else capabilities
    return Device(index, path, card, driver, bus, captures=bool(flags & _CAPTURE), outputs=bool(flags & _OUTPUT))


def capture_devices(folder: Path = DEVICES) -> list[int]:
    """List the indexes N of all ``/dev/videoN`` that are real cameras, or may be: that may not be opened."""
    return [device.index for device in devices(folder) if device.captures and not device.is_virtual]


def device_name(index: int, names: Path = _NAMES) -> str | None:
    """Read the name that the driver gives ``/dev/videoN``; None if there is none."""
    try:
        return (names / f"video{index}" / "name").read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def cameras_named(name: str, folder: Path = DEVICES) -> list[Device]:
    """List the cameras of exactly this name, or else those whose name contains it. Case does not matter."""
    cameras = [device for device in devices(folder) if device.captures and not device.is_virtual]
    wanted = name.casefold()
    exact = [device for device in cameras if device.name.casefold() == wanted]
    return exact or [device for device in cameras if wanted in device.name.casefold()]


def identity(index: int, folder: Path = DEVICES) -> Identity | None:
    """Identify a camera, to find it again with :func:`find`; None if it cannot be opened."""
    device = query(folder / f"video{index}")
    if device is None or not device.readable:
        return None
    return Identity(_links(device.path), device.name, device.bus)


def find(wanted: Identity, folder: Path = DEVICES) -> int | None:
    """Find the index that a camera has now: by its link, else by name and bus, else by a name that is unique."""
    cameras = [device for device in devices(folder) if device.captures]
    by_link = [device for device in cameras if wanted.links & _links(device.path)]
    named = [device for device in cameras if device.name == wanted.name]
    in_place = [device for device in named if device.bus == wanted.bus]
    for candidates in (by_link, in_place, named if len(named) == 1 else []):
        if candidates:
            return candidates[0].index
    return None


def modes(path: Path) -> list[Mode]:
    """List the modes of a camera; empty if it cannot be opened. For a range of sizes, the largest stands for all."""
    with suppress(OSError), opened(path) as handle:
        return [mode for pixel_format in _formats(handle) for mode in _modes(handle, pixel_format)]
    return []


def holders(path: Path, processes: Path = PROCESSES) -> dict[int, str]:
    """Find the other processes that have a device open, as far as this user may see: names by process ID."""
    found: dict[int, str] = {}
    for folder in processes.glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # it has ended, or belongs to another user
            if any(_leads_to(path, link) for link in (folder / "fd").iterdir()):
                found[int(folder.name)] = (folder / "comm").read_text(errors="replace").strip()
    return found


def _leads_to(path: Path, link: Path) -> bool:
    try:
        return os.readlink(link) == str(path)
    except OSError:  # the program has closed this file meanwhile, and may still have the device open
        return False


def held_by(path: Path, processes: Path = PROCESSES) -> str:
    """Describe the :func:`holders` of a device: ``"zoom (process 123)"``; empty if none is visible."""
    return ", ".join(f"{name} (process {number})" for number, name in sorted(holders(path, processes).items()))


def explain(index: int, folder: Path = DEVICES) -> str:
    """Explain in one line why the camera ``/dev/videoN`` cannot be opened, and how to fix it."""
    path = folder / f"video{index}"
    if not path.exists():
        others = ", ".join(f"{folder}/video{n}" for n in capture_devices(folder))
        return f"{path} does not exist: " + (f"there is {others}" if others else "no camera is connected; try 'demo'")
    if not os.access(path, os.R_OK | os.W_OK):
        return no_permission(path)
    device = query(path)
    if device is None or not device.captures:
        return f"{path} does not capture pictures: it is another function of a device; try another index"
    if programs := held_by(path):
        return f"{path} is in use by {programs}: close it"
    return f"{path} gives no pictures: close other programs that use the camera, or plug it in again"


def no_permission(path: Path) -> str:
    """Say that this user may not open the device, and how to get the permission."""
    return f"no permission for {path}: add yourself to the group 'video' (sudo usermod -aG video $USER), log in again"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a device only to query it, without waiting and without reserving it."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def fourcc(text: str) -> int:
    """The number of a pixel format, from its four letters."""
    return int.from_bytes(text.encode("ascii"), "little")


def _formats(handle: int) -> Iterator[int]:
    for index in range(64):
        try:
            reply = _ioctl(handle, _ENUM_FMT, struct.pack("<II", index, _TYPE_CAPTURE).ljust(64, b"\0"))
        except OSError:  # the end of the list
            return
        yield struct.unpack_from("<I", reply, 44)[0]


def _modes(handle: int, pixel_format: int) -> Iterator[Mode]:
    letters = (pixel_format & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", errors="replace").strip()
    for index in range(256):
        try:
            reply = _ioctl(handle, _ENUM_FRAMESIZES, struct.pack("<II", index, pixel_format).ljust(44, b"\0"))
        except OSError:
            return
        kind, *size = struct.unpack_from("<I6I", reply, 8)
        width, height = (size[0], size[1]) if kind == _DISCRETE else (size[1], size[4])
        yield Mode(letters, width, height, _highest_rate(handle, pixel_format, width, height))
        if kind != _DISCRETE:
            return


def _highest_rate(handle: int, pixel_format: int, width: int, height: int) -> Fraction | None:
    rates: list[Fraction] = []
    for index in range(64):
        query = struct.pack("<IIII", index, pixel_format, width, height).ljust(52, b"\0")
        try:
            kind, numerator, denominator = struct.unpack_from("<III", _ioctl(handle, _ENUM_FRAMEINTERVALS, query), 16)
        except OSError:
            break
        if numerator:
            rates.append(Fraction(denominator, numerator))
        if kind != _DISCRETE:  # the first field of a range is its shortest interval
            break
    return max(rates, default=None)


def _links(path: Path) -> frozenset[str]:
    try:
        links = list((path.parent / "v4l" / "by-id").iterdir())
    except OSError:
        return frozenset()
    return frozenset(link.name for link in links if link.resolve() == path.resolve())


def _ioctl(handle: int, request: int, buffer: bytes) -> bytes:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "V4L2 exists only on Linux")
    import fcntl

    return fcntl.ioctl(handle, request, buffer)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", errors="replace").strip()
