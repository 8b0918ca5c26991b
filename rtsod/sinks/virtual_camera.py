"""A camera that other programs see, through pyvirtualcam (extra ``virtualcam``, GPL-2.0, imported only here)."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from rtsod.errors import OutputError
from rtsod.sinks._pixels import bring_to, even, require_composited
from rtsod.types import Availability, Composited

DEFAULT_FPS: Final = 30
"""Announced where the source knows no rate of its own."""

_INSTALL: Final = 'pip install "rtsod[virtualcam]"'
_SETUP: Final = {
    "linux": "sudo modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=1 card_label=rtsod",
    "win32": "install OBS Studio 30 or newer, or Unity Capture",
    "darwin": "install OBS Studio 30 or newer and start its virtual camera once",
}
_LINUX_DEVICES: Final = Path("/sys/devices/virtual/video4linux")


class VirtualCameraSink:
    """Sends pictures to a virtual camera of fixed size; others are fitted, an odd side repeats its last row or column.

    Opened at once, so that a missing device is known before anything else starts. pyvirtualcam reports no failed
    write on Linux: a device that breaks later stays unnoticed here.

    Args:
        device: as pyvirtualcam names it (``/dev/video10``, ``OBS Virtual Camera``); None takes the first free one.
        width: of the source, pixels.
        height: of the source, pixels.
        fps: announced to the programs that look; None where the source knows none.

    Raises:
        OutputError: pyvirtualcam or the device is missing; the message says how to set it up.
    """

    live = True

    def __init__(self, device: str | None, *, width: int, height: int, fps: Fraction | None) -> None:
        try:
            pyvirtualcam = _module()
            self._camera: Any = pyvirtualcam.Camera(
                even(width),
                even(height),
                float(fps or DEFAULT_FPS),
                fmt=pyvirtualcam.PixelFormat.BGR,
                device=device,
            )
        except ImportError as error:
            raise OutputError(f"virtual camera: {_missing(error)}") from error
        except (RuntimeError, ValueError, OSError) as error:
            wanted = device or "any free device"
            raise OutputError(f"virtual camera: {wanted} cannot be opened ({_line(error)}): {_setup()}") from error
        self.name = f"virtual camera {self._camera.device}"

    def write(self, picture: Composited) -> None:
        """Show one picture; see :meth:`rtsod.types.Sink.write`."""
        require_composited(picture)
        if self._camera is None:
            raise OutputError(f"{self.name}: closed already")
        try:
            self._camera.send(bring_to(picture.image, self._camera.width, self._camera.height))
        except (RuntimeError, OSError) as error:
            raise OutputError(f"{self.name}: cannot be written ({_line(error)}): run again") from error

    def close(self) -> None:
        """Give the device back. Idempotent."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def virtual_camera_available() -> Availability:
    """Whether a virtual camera could be opened now; on Windows and macOS by opening one for a moment."""
    try:
        pyvirtualcam = _module()
    except ImportError as error:
        return Availability("virtual camera", False, _missing(error))
    if sys.platform == "linux":
        devices = sorted(path.name for path in _LINUX_DEVICES.glob("video*"))
        if not devices:
            return Availability("virtual camera", False, f"no device: {_setup()}")
        return Availability("virtual camera", True, ", ".join(f"/dev/{name}" for name in devices))
    try:
        with pyvirtualcam.Camera(1280, 720, DEFAULT_FPS) as camera:
            return Availability("virtual camera", True, str(camera.device))
    except RuntimeError as error:
        return Availability("virtual camera", False, f"{_line(error)}: {_setup()}")


def _module() -> Any:
    import pyvirtualcam

    return pyvirtualcam


def _missing(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"pyvirtualcam is not installed: {_INSTALL}"
    return f"pyvirtualcam does not load ({_line(error)}): {_INSTALL}"


def _setup() -> str:
    return _SETUP.get(sys.platform, "this system has no virtual camera that pyvirtualcam knows")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
