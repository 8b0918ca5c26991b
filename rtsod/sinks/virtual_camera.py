"""A virtual camera that other programs read, fed by its own thread."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

from rtsod.errors import OutputError
from rtsod.frames import Availability, Composited, Image
from rtsod.interfaces import Clock, Wait
from rtsod.metrics import Event
from rtsod.sinks.loopback import LoopbackCamera, setup_hint, virtual_cameras
from rtsod.sinks.newest_picture import NewestPicture
from rtsod.sinks.pipewire import NAME as PIPEWIRE
from rtsod.sinks.pipewire import PipeWireCamera, pipewire_available
from rtsod.sinks.pixels import even, opaque
from rtsod.sinks.pyvirtualcam_backend import PyVirtualCamera, pyvirtualcam_available, pyvirtualcam_installed

_log = logging.getLogger(__name__)

DEFAULT_FPS: Final = 30
"""Frames per second that readers are told if the source has no known rate."""
RETRY_SECONDS: Final = 1.0
"""Between two attempts to open the device. One that had worked for longer is opened again at once."""
GIVE_UP_SECONDS: Final = 10.0
"""How long a failed device is retried before the run ends."""
SETTLE_SECONDS: Final = 5.0
"""After a device was opened again: what is wrong with it may pass, such as a session that is not up yet."""
CLOSE_TIMEOUT_SECONDS: Final = 3.0
"""How long ``close`` waits for the device to take the last picture."""


class CameraDevice(Protocol):
    """An open virtual camera, on any system."""

    name: str
    label: str
    """How other programs list it."""
    width: int
    height: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know; it may change."""

    def prepare(self, image: Image) -> Image: ...
    def send(self, prepared: Image) -> None: ...
    def close(self) -> None: ...
    def is_read(self) -> bool | None: ...


def open_device(device: str | None, width: int, height: int, fps: Fraction) -> CameraDevice:
    """Open the virtual camera of this system.

    v4l2loopback devices are written directly, because pyvirtualcam does not report failed writes to them. All other
    devices go through pyvirtualcam, but for PipeWire's, which is taken only by its name.

    Args:
        device: its path or name, or ``pipewire``; None takes the first that can be opened.
        width: pixels, even.
        height: pixels, even.
        fps: the frame rate that readers are told.

    Raises:
        OutputError: it cannot be opened; the message says why and what to do.
    """
    if device == PIPEWIRE:
        return PipeWireCamera(width, height, fps)
    if sys.platform != "linux":
        return PyVirtualCamera(device, width, height, fps)
    named = device is not None and Path(device).is_absolute()
    if not named and not virtual_cameras() and pyvirtualcam_installed():
        with suppress(OutputError):  # on Linux the error about v4l2loopback, below, is the useful one
            return PyVirtualCamera(device, width, height, fps)
    if device is None and not virtual_cameras():
        raise OutputError(setup_hint() + _without_module())
    return LoopbackCamera(Path(device).resolve() if device is not None else None, width, height, fps)


class VirtualCameraSink:
    """Repeats the newest picture at a fixed size and rate, so that readers never wait.

    The device is opened by the constructor, so a missing one is reported before anything else starts. A device that
    fails is opened again; if that does not help for ``GIVE_UP_SECONDS``, the next :meth:`write` raises. Pictures of
    another size are fitted; an odd side is made even by repeating the last row or column. If the writing thread stops
    writing, the last slate replaces a picture that has become too old: see :meth:`limit_age`.

    Args:
        device: ``/dev/video10``, ``pipewire``, or pyvirtualcam's name on other systems; None takes the first free one.
        width: of the source, pixels.
        height: of the source, pixels.
        fps: of the source; None if unknown.
        on_event: receives an event when the device fails, when it recovers, and when the writing thread hangs.
        clock: monotonic, in seconds.
        wait: waits on a condition, with a timeout in seconds of ``clock``.
        opener: opens the device; tests replace it.

    Raises:
        OutputError: the device cannot be opened; the message says how to set it up.
    """

    live = True

    def __init__(
        self,
        device: str | None,
        *,
        width: int,
        height: int,
        fps: Fraction | None,
        on_event: Callable[[Event], None] = lambda event: None,
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
        opener: Callable[[str | None, int, int, Fraction], CameraDevice] = open_device,
    ) -> None:
        fps = fps or Fraction(DEFAULT_FPS)
        size = (even(width), even(height))
        try:
            self._device: CameraDevice | None = opener(device, *size, fps)
        except OutputError as error:
            raise OutputError(f"virtual camera: {error}") from error
        self._opener, self._size, self._fps, self._known = opener, size, fps, self._device.name
        self.name = f"virtual camera {self._known}"
        self.label, self.notes = self._device.label, self._device.notes
        self._noted, self._note_at = self.notes, 0.0
        self._period = float(1 / fps)
        self._on_event, self._clock = on_event, clock
        self._newest = NewestPicture(self.name, clock, wait, on_event)
        self._prepared: tuple[Composited, Image] | None = None
        self._failed_at: float | None = None
        self._retry_at = clock() + RETRY_SECONDS
        self._thread = threading.Thread(target=self._pump, name="rtsod-virtual-camera", daemon=True)
        self._thread.start()

    def write(self, picture: Composited) -> None:
        """Show this picture until the next one; see :meth:`rtsod.interfaces.Sink.write`."""
        self._newest.write(picture)

    def limit_age(self, seconds: float) -> None:
        """Replace any picture but a slate this many seconds after it was written, even if the writing thread hangs."""
        self._newest.max_age = seconds

    def close(self) -> None:
        """Show the last picture, then close the device. Idempotent."""
        self._newest.close()
        self._thread.join(CLOSE_TIMEOUT_SECONDS)

    @property
    def is_read(self) -> bool:
        """Whether another program reads the device now; True if the system does not report it."""
        device = self._device
        read = device.is_read() if device is not None else None
        return True if read is None else read

    # ------------------------------------------------------------- its thread

    def _pump(self) -> None:
        try:
            self._newest.wait_for_first()
            due = self._clock()
            while not self._newest.sleep(due - self._clock()):
                self._show()
                due = max(due + self._period, self._clock())  # a late picture is not made up for
            self._show()  # the last one
        except OutputError as error:
            self._newest.fail(error)
        except BaseException as error:  # a bug, or out of memory: the next write raises it
            self._newest.fail(OutputError(f"{self.name}: {type(error).__name__}: {error}"))
        finally:
            if self._device is not None:
                self._device.close()

    def _show(self) -> None:
        picture = self._newest.to_show()
        if picture is None:
            return
        try:
            device = self._device or self._reopen()
            if device is None:
                return
            if self._prepared is None or self._prepared[0] is not picture:
                self._prepared = (picture, device.prepare(opaque(picture)))
            device.send(self._prepared[1])
            self._note(device)
        except (OSError, OutputError) as error:
            self._fail(error)
            return
        if self._failed_at is not None:
            self._failed_at = None
            self._on_event(Event.OUTPUT_RECOVERED)
            _log.warning("%s works again", self.name)

    def _reopen(self) -> CameraDevice | None:
        """Try to open the device every ``RETRY_SECONDS``; None in between."""
        if self._clock() < self._retry_at:
            return None
        self._retry_at = self._clock() + RETRY_SECONDS
        self._device, self._prepared = self._opener(self._known, *self._size, self._fps), None
        self._note_at = self._clock() + SETTLE_SECONDS
        return self._device

    def _note(self, device: CameraDevice) -> None:
        """Say what is new of what the user should know."""
        notes = device.notes
        if notes == self._noted or self._clock() < self._note_at:
            return
        for note in notes:
            if note not in self._noted:
                _log.warning("%s", note)
        self._noted = notes

    def _fail(self, error: Exception) -> None:
        """Close the device, which is opened again later; raise an OutputError once that has not helped for long."""
        device, self._device = self._device, None
        if device is not None:
            device.close()
        now = self._clock()
        reason = f"{self.name} accepts no pictures: {getattr(error, 'strerror', None) or error}"
        if self._failed_at is None:
            self._failed_at = now
            self._on_event(Event.OUTPUT_FAILED)
            _log.warning("%s", reason)
        elif now - self._failed_at > GIVE_UP_SECONDS:
            raise OutputError(f"{reason} (gave up after {GIVE_UP_SECONDS:.0f} s)")


def virtual_camera_available() -> Availability:
    """Find out whether a virtual camera can be opened; on Windows and macOS by opening one for a moment."""
    if sys.platform != "linux":
        return pyvirtualcam_available()
    found = virtual_cameras()
    if not found:
        return Availability("virtual camera", False, setup_hint() + _without_module())
    return Availability("virtual camera", True, ", ".join(f"{device.path} ({device.name})" for device in found))


def _without_module() -> str:
    """The other way where there is no loopback device, if it is open.

    ``auto`` does not take it by itself: programs that read ``/dev/video*`` would not find the camera, and the message
    would not have said so.
    """
    return "; or --virtual-camera pipewire, without a kernel module" if pipewire_available().available else ""
