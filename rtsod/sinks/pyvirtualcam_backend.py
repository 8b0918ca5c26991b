"""Virtual cameras other than v4l2loopback, through pyvirtualcam (the extra ``virtualcam``, GPL-2.0)."""

from __future__ import annotations

import sys
from fractions import Fraction
from importlib.util import find_spec
from typing import Any, Final

from rtsod.errors import OutputError
from rtsod.frames import Availability, Image
from rtsod.sinks.pixels import bring_to

_INSTALL: Final = "pip install pyvirtualcam"
_SETUP: Final = {
    "win32": "install OBS Studio 30 or newer, or Unity Capture",
    "darwin": "install OBS Studio 30 or newer and start its virtual camera once",
}


class ForeignCamera:
    """An open virtual camera.

    Args:
        device: as pyvirtualcam names it (``OBS Virtual Camera``); None takes the first free one.
        width: even, pixels.
        height: likewise.
        fps: announced to readers.

    Raises:
        OutputError: pyvirtualcam or the device is missing; the message says how to set it up.
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
        self.name = str(self._camera.device)

    def prepare(self, image: Image) -> Image:
        """The picture as the device takes it."""
        return bring_to(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        """Show it.

        Raises:
            OSError: it was refused.
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
        """None: these systems do not tell."""
        return None


def foreign_camera_available() -> Availability:
    """Whether one could be opened now, by opening one for a moment."""
    try:
        with _module().Camera(1280, 720, 30) as camera:
            return Availability("virtual camera", True, str(camera.device))
    except ImportError as error:
        return Availability("virtual camera", False, _missing(error))
    except RuntimeError as error:
        return Availability("virtual camera", False, f"{_line(error)}: {_setup()}")


def pyvirtualcam_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("pyvirtualcam") is not None


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
