"""A virtual camera on Linux: a device of the kernel module v4l2loopback, driven with plain system calls.

Every error of the driver arrives here with its number and becomes a message that says what it means and how to fix it.

The functions take the root of the file system so that tests can give them one of their own.
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
import numpy as np

from rtsod.errors import OutputError
from rtsod.frames import Image
from rtsod.sinks.pixels import bring_to
from rtsod.system import v4l2

SETUP: Final = "sudo modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=1 card_label=rtsod"
"""The command that makes a virtual camera."""
RELOAD: Final = f"sudo modprobe -r v4l2loopback && {SETUP}"
"""The same where the module is already loaded with other options."""

_ROOT: Final = Path("/")

# linux/videodev2.h
_S_FMT: Final = 0xC0D05605
_S_PARM: Final = 0xC0CC5616
_STREAMON: Final = 0x40045612
_SUBSCRIBE_EVENT: Final = 0x4020565A
_UNSUBSCRIBE_EVENT: Final = 0x4020565B
_DQEVENT: Final = 0x80885659
_TYPE_OUTPUT: Final = 2
_FIELD_NONE: Final = 1
_COLORSPACE_SRGB: Final = 8
_SEND_INITIAL: Final = 1
_I420: Final = v4l2.fourcc("YU12")
# v4l2loopback.h: V4L2_EVENT_PRI_CLIENT_USAGE, an event of the driver's own
_CLIENT_USAGE: Final = 0x08000000 + 0x08E00000 + 1


class LoopbackCamera:
    """An open virtual camera. It shows I420, BT.601, limited range: the format that programs expect of a camera.

    While another program reads the device its size is fixed, and pictures are fitted to that size.

    Args:
        path: ``/dev/videoN``; None takes the first device that can be opened.
        width: pixels, even.
        height: pixels, even.
        fps: the frame rate that readers are told.
        root: of the file system.

    Raises:
        OutputError: no device can be opened; the message says why and what to do.
    """

    def __init__(self, path: Path | None, width: int, height: int, fps: Fraction, *, root: Path = _ROOT) -> None:
        self._root = root
        self._handle = -1
        reasons = []
        for candidate in [path] if path is not None else _candidates(root):
            try:
                self._open(candidate, width, height, fps)
            except OSError as error:
                reasons.append(_explain_refusal(candidate, width, height, error, root))
            else:
                return
        raise OutputError(reasons[0] if len(reasons) == 1 else "no virtual camera is free: " + "; ".join(reasons))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should be told once."""
        return self._notes

    def prepare(self, image: Image) -> Image:
        """Fit a BGR picture to the device and convert it to I420, ``(height * 3 / 2, width)`` uint8."""
        return i420_from_bgr(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        """Show a prepared picture.

        Raises:
            OSError: the driver refused it, or took only a part.
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
        """Whether another program reads it now: as the driver reports, or else as the open files of processes show."""
        reported = _reader_reported(self.path)
        return bool(v4l2.holders(self.path, self._root / "proc")) if reported is None else reported

    def _open(self, path: Path, width: int, height: int, fps: Fraction) -> None:
        device = v4l2.query(path)
        if device is None or not device.readable or not device.is_virtual:
            raise OSError(errno.ENODEV, "")
        # With exclusive_caps=1 a device lists only the capability that is free; without it, both all the time.
        exclusive = not (device.captures and device.outputs)
        writer = "" if device.outputs else v4l2.held_by(path, self._root / "proc")
        if writer:
            raise OSError(errno.EBUSY, writer)
        handle = os.open(path, os.O_RDWR)
        try:
            self.width, self.height = _set_format(handle, width, height)
            rate = struct.pack("<IIIII", _TYPE_OUTPUT, 0, 0, fps.denominator, fps.numerator).ljust(204, b"\0")
            with suppress(OSError):  # the rate is only a hint
                _ioctl(handle, _S_PARM, rate)
            # Modules before 0.13 do not notice that a writer has gone if it never started a stream, and then refuse
            # every later one. Newer modules start the stream at the first write and refuse this call, harmlessly.
            with suppress(OSError):
                _ioctl(handle, _STREAMON, struct.pack("<i", _TYPE_OUTPUT))
        except BaseException:
            os.close(handle)
            raise
        self._handle, self.path, self.name, self.label = handle, path, str(path), device.name
        self._notes: tuple[str, ...] = ()
        if (self.width, self.height) != (width, height):
            self._notes += (
                f"{path} is read by another program, which keeps it at {self.width}x{self.height}: pictures are fitted",
            )
        if not exclusive:
            self._notes += (f"{path} has no exclusive_caps=1, so browsers do not list it: {RELOAD}",)


def i420_from_bgr(image: Image, width: int, height: int) -> Image:
    """Fit a BGR picture to a size and convert it to I420, BT.601, limited range.

    Args:
        image: ``(h, w, 3)`` uint8, BGR.
        width: of the result, pixels, even.
        height: of the result, pixels, even.

    Returns:
        ``(height * 3 / 2, width)`` uint8.
    """
    return np.asarray(cv2.cvtColor(bring_to(image, width, height), cv2.COLOR_BGR2YUV_I420), np.uint8)


def setup_hint(root: Path = _ROOT) -> str:
    """Say what is missing for a virtual camera, and the command that provides it."""
    if (root / "sys/module/v4l2loopback").exists():
        return f"v4l2loopback is loaded but has no device: {RELOAD}"
    if any((root / "lib/modules" / platform.release()).rglob("v4l2loopback.ko*")):
        return f"v4l2loopback is installed but not loaded: {SETUP}"
    return f"v4l2loopback is not installed: sudo apt install v4l2loopback-dkms, then {SETUP}"


def virtual_cameras(root: Path = _ROOT) -> list[v4l2.Device]:
    """All virtual cameras, by number."""
    return [device for device in v4l2.devices(root / "dev") if device.is_virtual]


def reports_readers(path: Path) -> bool:
    """Whether the driver reports that a program reads the device: v4l2loopback 0.13 and newer."""
    return _reader_reported(path) is not None


def _candidates(root: Path) -> list[Path]:
    found = [device.path for device in virtual_cameras(root)]
    if not found:
        raise OutputError(setup_hint(root))
    return found


def _set_format(handle: int, width: int, height: int) -> tuple[int, int]:
    """Ask for I420 of this size; returns the size that the device then has."""
    pixels = struct.pack("<8I", width, height, _I420, _FIELD_NONE, width, width * height * 3 // 2, _COLORSPACE_SRGB, 0)
    reply = _ioctl(handle, _S_FMT, (struct.pack("<II", _TYPE_OUTPUT, 0) + pixels).ljust(208, b"\0"))
    real_width, real_height, pixel_format = struct.unpack_from("<III", reply, 8)
    if pixel_format != _I420 or real_width % 2 or real_height % 2:
        letters = pixel_format.to_bytes(4, "little").decode("ascii", errors="replace")
        raise OSError(errno.EINVAL, f"it is kept at {real_width}x{real_height} {letters}")
    return real_width, real_height


def _explain_refusal(path: Path, width: int, height: int, error: OSError, root: Path) -> str:
    device = v4l2.query(path)
    if not os.path.exists(path):
        others = ", ".join(str(device.path) for device in virtual_cameras(root))
        return f"{path} does not exist: " + (f"there is {others}" if others else setup_hint(root))
    if error.errno in (errno.EACCES, errno.EPERM) or (device is not None and not device.readable):
        return v4l2.no_permission(path)
    if device is None or not device.is_virtual:
        what = f"is {device.name!r} (driver {device.driver})" if device is not None else "is not a video device"
        return f"{path} {what}, not a virtual camera: give no name to use the first one"
    holders = v4l2.held_by(path, root / "proc")
    if error.errno == errno.EBUSY:
        writer = error.strerror if error.strerror != os.strerror(errno.EBUSY) else holders
        return f"{path} is busy, another program writes to it: close {writer or 'it'}, or make a second device"
    if error.errno == errno.EINVAL:
        detail = "" if error.strerror == os.strerror(errno.EINVAL) else f" ({error.strerror})"
        reader = holders or "every program that reads it"
        return (
            f"{path} does not take {width}x{height} I420{detail}: close {reader}, which fixes its format, or {RELOAD}"
        )
    return f"{path} cannot be opened ({error.strerror or error}): {RELOAD}"


def _reader_reported(path: Path) -> bool | None:
    """Whether a program reads the device, as the driver reports it; None if the driver does not.

    Each call subscribes again through a new handle: a subscription that misses one event would be wrong from then on.
    """
    subscription = struct.pack("<III", _CLIENT_USAGE, 0, _SEND_INITIAL).ljust(32, b"\0")
    try:
        with v4l2.opened(path) as handle:
            _ioctl(handle, _SUBSCRIBE_EVENT, subscription)
            event = _ioctl(handle, _DQEVENT, bytes(136))
            _ioctl(handle, _UNSUBSCRIBE_EVENT, subscription)
    except OSError:
        return None
    return bool(struct.unpack_from("<I", event, 8)[0])


def _ioctl(handle: int, request: int, buffer: bytes) -> bytes:
    fcntl: Any = __import__("fcntl")  # does not exist on Windows, where nothing calls this
    reply: bytes = fcntl.ioctl(handle, request, buffer)
    return reply
