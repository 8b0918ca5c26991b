"""A virtual camera of Linux: a device of the kernel module v4l2loopback, written to without any library.

So every refusal of the driver arrives here with its number, and is told as what it means.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2

from rtsod.errors import OutputError
from rtsod.frames import Image
from rtsod.sinks.pixels import bring_to
from rtsod.system import v4l2

SETUP: Final = "sudo modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=1 card_label=rtsod"
_RELOAD: Final = f"sudo modprobe -r v4l2loopback && {SETUP}"
_MODULE: Final = Path("/sys/module/v4l2loopback")
_MODULES: Final = Path("/lib/modules")

# linux/videodev2.h, and v4l2loopback's own event
_S_FMT: Final = 0xC0D05605
_S_PARM: Final = 0xC0CC5616
_STREAMON: Final = 0x40045612
_SUBSCRIBE_EVENT: Final = 0x4020565A
_UNSUBSCRIBE_EVENT: Final = 0x4020565B
_DQEVENT: Final = 0x80885659
_TYPE_OUTPUT: Final = 2
_FIELD_NONE: Final = 1
_COLORSPACE_SRGB: Final = 8
_I420: Final = v4l2.fourcc("YU12")
_CLIENT_USAGE: Final = 0x08000000 + 0x08E00000 + 1
_SEND_INITIAL: Final = 1


class LoopbackCamera:
    """An open virtual camera. I420, BT.601, limited range: what programs expect of a camera.

    Args:
        path: ``/dev/videoN``; None takes the first that can be had.
        width: even, pixels. While somebody reads the device its size is fixed, and pictures are fitted to that.
        height: likewise.
        fps: announced to readers.

    Raises:
        OutputError: it cannot be had; the message tells why, and what to do.
    """

    def __init__(self, path: Path | None, width: int, height: int, fps: Fraction) -> None:
        self._handle = -1
        reasons = []
        for candidate in [path] if path is not None else _candidates():
            try:
                self._open(candidate, width, height, fps)
            except OSError as error:
                reasons.append(_refusal(candidate, width, height, error))
            else:
                return
        raise OutputError(reasons[0] if len(reasons) == 1 else "no virtual camera is free: " + "; ".join(reasons))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should see once."""
        return self._notes

    def prepare(self, image: Image) -> Image:
        """The picture as the device takes it."""
        return cv2.cvtColor(bring_to(image, self.width, self.height), cv2.COLOR_BGR2YUV_I420)  # type: ignore[return-value]

    def send(self, prepared: Image) -> None:
        """Show it.

        Raises:
            OSError: the driver refused it.
        """
        written = os.write(self._handle, prepared.data)
        if written != prepared.size:
            raise OSError(errno.EIO, f"only {written} of {prepared.size} bytes were taken")

    def close(self) -> None:
        """Give the device back. Idempotent."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def is_read(self) -> bool:
        """Whether another program streams from it now, by the driver's own count, else by who has it open."""
        told = _told_by_driver(self.path)
        return bool(v4l2.holders(self.path)) if told is None else told

    def _open(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        device = v4l2.query(path)
        if device is None or not device.readable or not device.is_virtual:
            raise OSError(errno.ENODEV, "")
        # A device shows only what is free of it, unless it shows both always.
        exclusive = not (device.captures and device.outputs)
        writer = "" if device.outputs else v4l2.held_by(path)
        if writer:
            raise OSError(errno.EBUSY, writer)
        handle = os.open(path, os.O_RDWR)
        try:
            self.width, self.height = _set_format(handle, width, height)
            question = struct.pack("<IIIII", _TYPE_OUTPUT, 0, 0, fps.denominator, fps.numerator).ljust(204, b"\0")
            with suppress(OSError):  # a rate is only a hint
                _ask(handle, _S_PARM, question)
            # Modules before 0.13 forget a writer that only writes: after it no other could ever open the device. Newer
            # ones begin the stream with the first write and refuse this, which changes nothing.
            with suppress(OSError):
                _ask(handle, _STREAMON, struct.pack("<i", _TYPE_OUTPUT))
        except BaseException:
            os.close(handle)
            raise
        self._handle, self.path, self.name = handle, path, str(path)
        self._notes: tuple[str, ...] = ()
        if (self.width, self.height) != (width, height):
            self._notes += (
                f"{path} is read by another program, which keeps it at {self.width}x{self.height}: pictures are fitted",
            )
        if not exclusive:
            self._notes += (f"{path} has no exclusive_caps=1, so browsers do not list it: {_RELOAD}",)


def setup_hint() -> str:
    """What is missing before there can be a virtual camera, with its fix; when nothing seems to be, how it is made."""
    if _MODULE.exists():
        return f"v4l2loopback is loaded but has no device: {_RELOAD}"
    release = _MODULES / platform.release()
    if any(release.rglob("v4l2loopback.ko*")):
        return f"v4l2loopback is installed but not loaded: {SETUP}"
    return f"v4l2loopback is not installed: sudo apt install v4l2loopback-dkms, then {SETUP}"


def virtual_cameras() -> list[v4l2.Device]:
    """Every virtual camera there is."""
    return [device for device in v4l2.devices() if device.is_virtual]


def tells_readers(path: Path) -> bool:
    """Whether the driver itself tells that somebody reads (v4l2loopback 0.13 and newer)."""
    return _told_by_driver(path) is not None


def _candidates() -> list[Path]:
    found = [device.path for device in virtual_cameras()]
    if not found:
        raise OutputError(setup_hint())
    return found


def _set_format(handle: int, width: int, height: int) -> tuple[int, int]:
    """Ask for I420 of this size; gives the size the device has then."""
    pixels = struct.pack("<8I", width, height, _I420, _FIELD_NONE, width, width * height * 3 // 2, _COLORSPACE_SRGB, 0)
    answer = _ask(handle, _S_FMT, (struct.pack("<II", _TYPE_OUTPUT, 0) + pixels).ljust(208, b"\0"))
    real_width, real_height, pixel_format = struct.unpack_from("<III", answer, 8)
    if pixel_format != _I420 or real_width % 2 or real_height % 2:
        letters = pixel_format.to_bytes(4, "little").decode("ascii", errors="replace")
        raise OSError(errno.EINVAL, f"it is kept at {real_width}x{real_height} {letters}")
    return real_width, real_height


def _refusal(path: Path, width: int, height: int, error: OSError) -> str:
    device = v4l2.query(path)
    if not path.exists():
        there = ", ".join(str(device.path) for device in virtual_cameras())
        return f"{path} does not exist: " + (f"there is {there}" if there else setup_hint())
    if error.errno in (errno.EACCES, errno.EPERM) or (device is not None and not device.readable):
        return v4l2.no_permission(path)
    if device is None or not device.is_virtual:
        what = f"is {device.name!r} (driver {device.driver})" if device is not None else "is no video device"
        return f"{path} {what}, not a virtual camera: leave the name out to take the first"
    if error.errno == errno.EBUSY:
        who = error.strerror if error.strerror != os.strerror(errno.EBUSY) else v4l2.held_by(path)
        return f"{path} is busy, another program writes to it: close {who or 'it'}, or make a second device"
    if error.errno == errno.EINVAL:
        reader = v4l2.held_by(path) or "every program that reads it"
        detail = "" if error.strerror == os.strerror(errno.EINVAL) else f" ({error.strerror})"
        return (
            f"{path} does not take {width}x{height} I420{detail}: close {reader}, which fixes its format, or {_RELOAD}"
        )
    return f"{path} cannot be opened ({error.strerror or error}): {_RELOAD}"


def _told_by_driver(path: Path) -> bool | None:
    """The driver's own word on whether somebody streams; None where it has none.

    Asked anew every time, through a new handle: a driver that loses an event would otherwise be believed for ever.
    """
    subscription = struct.pack("<III", _CLIENT_USAGE, 0, _SEND_INITIAL).ljust(32, b"\0")
    try:
        with v4l2.opened(path) as handle:
            _ask(handle, _SUBSCRIBE_EVENT, subscription)
            event = _ask(handle, _DQEVENT, bytes(136))
            _ask(handle, _UNSUBSCRIBE_EVENT, subscription)
    except OSError:
        return None
    return bool(struct.unpack_from("<I", event, 8)[0])


def _ask(handle: int, request: int, question: bytes) -> bytes:
    fcntl: Any = __import__("fcntl")  # not there on Windows, where nobody comes here
    answer: bytes = fcntl.ioctl(handle, request, question)
    return answer
