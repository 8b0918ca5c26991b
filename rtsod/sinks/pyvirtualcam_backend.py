"""Virtual cameras of Windows and macOS, through pyvirtualcam (the extra ``virtualcam``, GPL-2.0)."""

from __future__ import annotations

import sys
from fractions import Fraction
from importlib.util import find_spec
from typing import Any, Final

from rtsod.errors import OutputError
from rtsod.frames import Availability, Image
from rtsod.sinks.pixels import bring_to
from rtsod.system.extras import install_extra

_SETUP: Final = {
    "win32": "install OBS Studio 30 or newer, or Unity Capture",
    "darwin": "install OBS Studio 30 or newer and start its virtual camera once",
}


class PyVirtualCamera:
    """An open virtual camera other than v4l2loopback.

    Args:
        device: pyvirtualcam's name for it, such as ``OBS Virtual Camera``; None takes the first free one.
        width: pixels, even.
        height: pixels, even.
        fps: the frame rate that readers are told.

    Raises:
        OutputError: pyvirtualcam or the device is missing; the message says how to install it.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, device: str | None, width: int, height: int, fps: Fraction) -> None:
        self.width, self.height = width, height
        try:
            pyvirtualcam = _module()
            pixels = pyvirtualcam.PixelFormat.BGR
            self._camera: Any = pyvirtualcam.Camera(width, height, float(fps), fmt=pixels, device=device)
        except ImportError as error:
            raise OutputError(_missing(error)) from error
        except (RuntimeError, ValueError, OSError) as error:
            raise OutputError(f"{device or 'any free device'} cannot be opened ({_line(error)}): {_setup()}") from error
        self.name = self.label = str(self._camera.device)

    def prepare(self, image: Image) -> Image:
        """Fit a BGR picture to the device."""
        return bring_to(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        """Show a prepared picture.

        Raises:
            OSError: the device refused it.
        """
        try:
            self._camera.send(prepared)
        except RuntimeError as error:
            raise OSError(_line(error)) from error

    def close(self) -> None:
        """Give the device back. Idempotent."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def is_read(self) -> bool | None:
        """Return None: these systems do not report readers."""
        return None


def pyvirtualcam_available() -> Availability:
    """Find out whether a virtual camera can be opened, by opening one for a moment."""
    try:
        with _module().Camera(1280, 720, 30) as camera:
            return Availability("virtual camera", True, str(camera.device))
    except ImportError as error:
        return Availability("virtual camera", False, _missing(error))
    except RuntimeError as error:
        return Availability("virtual camera", False, f"{_line(error)}: {_setup()}")


def pyvirtualcam_installed() -> bool:
    """Whether pyvirtualcam is installed."""
    return find_spec("pyvirtualcam") is not None


def _module() -> Any:
    import pyvirtualcam

    return pyvirtualcam


def _missing(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"pyvirtualcam is not installed: {install_extra('virtualcam')}"
    return f"pyvirtualcam does not load ({_line(error)}): {install_extra('virtualcam')}"


def _setup() -> str:
    return _SETUP.get(sys.platform, "pyvirtualcam supports no virtual camera on this system")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
