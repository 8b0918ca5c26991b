"""What Linux says about its video devices: which there are, what they are called, what they can do, who holds them.

Needs no library: the questions of ``linux/videodev2.h`` through ``ioctl``. On other systems there are no devices.
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
_PROCESSES: Final = Path("/proc")

# linux/videodev2.h: the request numbers hold the sizes of their structures.
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
"""The driver of virtual cameras."""


@dataclass(frozen=True, slots=True)
class Device:
    """One ``/dev/videoN``, as its driver describes it."""

    index: int
    path: Path
    name: str
    driver: str
    bus: str
    """Where it is plugged in, e.g. ``"usb-0000:00:14.0-6"``."""
    captures: bool
    """Pictures can be read from it now."""
    outputs: bool
    """Pictures can be written to it now."""
    readable: bool = True
    """False: it may not be opened, so the rest is not known."""

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual camera."""
        return self.driver == LOOPBACK


@dataclass(frozen=True, slots=True)
class Mode:
    """One way a camera can deliver."""

    pixel_format: str
    """Four letters, e.g. ``"MJPG"``."""
    width: int
    height: int
    fps: Fraction | None
    """The fastest rate; None where the driver does not say."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same of a camera when it is plugged in again and gets another number."""

    links: frozenset[str]
    """Its names below ``/dev/v4l/by-id``."""
    name: str
    bus: str


def devices(folder: Path = DEVICES) -> list[Device]:
    """All ``/dev/videoN``, by N."""
    numbers = (re.fullmatch(r"video(\d+)", path.name) for path in folder.glob("video*"))
    found = (query(folder / f"video{index}") for index in sorted(int(n[1]) for n in numbers if n))
    return [device for device in found if device is not None]


def query(path: Path) -> Device | None:
    """The device at ``path``; None where there is none, or it is none of V4L2."""
    number = re.fullmatch(r"video(\d+)", path.name)
    if number is None:
        return None
    index = int(number[1])
    try:
        with opened(path) as handle:
            answer = _ask(handle, _QUERYCAP, bytes(104))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EBUSY):
            return None
        return Device(index, path, device_name(index) or "", "", "", captures=True, outputs=False, readable=False)
    driver, card, bus = (_text(part) for part in struct.unpack_from("16s32s32s", answer))
    capabilities, of_device = struct.unpack_from("<II", answer, 84)
    flags = of_device if capabilities & _HAS_DEVICE_CAPS else capabilities
    return Device(index, path, card, driver, bus, captures=bool(flags & _CAPTURE), outputs=bool(flags & _OUTPUT))


def capture_devices(folder: Path = DEVICES) -> list[int]:
    """Indexes N of the ``/dev/videoN`` that are, or (not being readable) may be, real cameras; in ascending order."""
    return [device.index for device in devices(folder) if device.captures and not device.is_virtual]


def device_name(index: int, names: Path = _NAMES) -> str | None:
    """The name the driver gives ``/dev/videoN``, or None."""
    try:
        return (names / f"video{index}" / "name").read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def cameras_named(name: str, folder: Path = DEVICES) -> list[Device]:
    """The cameras of exactly this name, else those whose names contain it, in any case of letters."""
    cameras = [device for device in devices(folder) if device.captures and not device.is_virtual]
    wanted = name.casefold()
    exact = [device for device in cameras if device.name.casefold() == wanted]
    return exact or [device for device in cameras if wanted in device.name.casefold()]


def identity(index: int, folder: Path = DEVICES) -> Identity | None:
    """What to look for when the camera has come back; None where it cannot be told."""
    device = query(folder / f"video{index}")
    if device is None or not device.readable:
        return None
    return Identity(_links(device.path), device.name, device.bus)


def find(wanted: Identity, folder: Path = DEVICES) -> int | None:
    """The index the camera has now: by its own link, else by name and place, else by a name that only it has."""
    cameras = [device for device in devices(folder) if device.captures]
    by_link = [device for device in cameras if wanted.links & _links(device.path)]
    named = [device for device in cameras if device.name == wanted.name]
    in_place = [device for device in named if device.bus == wanted.bus]
    for candidates in (by_link, in_place, named if len(named) == 1 else []):
        if candidates:
            return candidates[0].index
    return None


def modes(path: Path) -> list[Mode]:
    """What a camera says it can deliver; nothing where it cannot be asked. A range counts as its largest size."""
    with suppress(OSError), opened(path) as handle:
        return [mode for pixel_format in _formats(handle) for mode in _modes(handle, pixel_format)]
    return []


def holders(path: Path, processes: Path = _PROCESSES) -> dict[int, str]:
    """Which processes have the device open, this one left out: their names by number, as far as this user may see."""
    found: dict[int, str] = {}
    for folder in processes.glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # it has ended, or belongs to somebody else
            if any(os.readlink(link) == str(path) for link in (folder / "fd").iterdir()):
                found[int(folder.name)] = (folder / "comm").read_text(errors="replace").strip()
    return found


def held_by(path: Path) -> str:
    """The holders as words: ``"zoom (process 123)"``; empty when nobody is seen."""
    return ", ".join(f"{name} (process {number})" for number, name in sorted(holders(path).items()))


def explain(index: int, folder: Path = DEVICES) -> str:
    """Why the camera ``/dev/videoN`` cannot be opened, with what would mend it; one line."""
    path = folder / f"video{index}"
    if not path.exists():
        there = ", ".join(f"{folder}/video{n}" for n in capture_devices(folder))
        return f"{path} does not exist: " + (f"there is {there}" if there else "no camera is connected; try 'demo'")
    if not os.access(path, os.R_OK | os.W_OK):
        return no_permission(path)
    device = query(path)
    if device is None or not device.captures:
        return f"{path} does not capture pictures: it is another function of a device; try another index"
    if who := held_by(path):
        return f"{path} is in use by {who}: close it"
    return f"{path} gives no pictures: close other programs that use the camera, or plug it in again"


def no_permission(path: Path) -> str:
    """That, and how to get it."""
    return f"no permission for {path}: add yourself to the group 'video' (sudo usermod -aG video $USER), log in anew"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A handle for questions only."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def fourcc(text: str) -> int:
    """The number of a pixel format."""
    return int.from_bytes(text.encode("ascii"), "little")


def _formats(handle: int) -> Iterator[int]:
    for index in range(64):
        try:
            answer = _ask(handle, _ENUM_FMT, struct.pack("<II", index, _TYPE_CAPTURE).ljust(64, b"\0"))
        except OSError:  # the end of the list
            return
        yield struct.unpack_from("<I", answer, 44)[0]


def _modes(handle: int, pixel_format: int) -> Iterator[Mode]:
    letters = (pixel_format & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", errors="replace").strip()
    for index in range(256):
        try:
            answer = _ask(handle, _ENUM_FRAMESIZES, struct.pack("<II", index, pixel_format).ljust(44, b"\0"))
        except OSError:
            return
        kind, *size = struct.unpack_from("<I6I", answer, 8)
        width, height = (size[0], size[1]) if kind == _DISCRETE else (size[1], size[4])
        yield Mode(letters, width, height, _fastest(handle, pixel_format, width, height))
        if kind != _DISCRETE:
            return


def _fastest(handle: int, pixel_format: int, width: int, height: int) -> Fraction | None:
    rates: list[Fraction] = []
    for index in range(64):
        question = struct.pack("<IIII", index, pixel_format, width, height).ljust(52, b"\0")
        try:
            kind, seconds, per = struct.unpack_from("<III", _ask(handle, _ENUM_FRAMEINTERVALS, question), 16)
        except OSError:
            break
        if seconds:
            rates.append(Fraction(per, seconds))
        if kind != _DISCRETE:  # a range begins with its shortest interval
            break
    return max(rates, default=None)


def _links(path: Path) -> frozenset[str]:
    try:
        links = list((path.parent / "v4l" / "by-id").iterdir())
    except OSError:
        return frozenset()
    return frozenset(link.name for link in links if link.resolve() == path.resolve())


def _ask(handle: int, request: int, question: bytes) -> bytes:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "no V4L2 here")
    import fcntl

    return fcntl.ioctl(handle, request, question)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", errors="replace").strip()
