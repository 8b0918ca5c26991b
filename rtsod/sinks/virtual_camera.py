"""A camera that other programs see, kept alive by a thread of its own."""

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
from rtsod.sinks.pixels import even, require_composited
from rtsod.sinks.pyvirtualcam_backend import ForeignCamera, foreign_camera_available, pyvirtualcam_installed

_log = logging.getLogger(__name__)

DEFAULT_FPS: Final = 30
"""Announced where the source knows no rate of its own."""
RETRY_SECONDS: Final = 1.0
GIVE_UP_SECONDS: Final = 10.0
"""How long a device that takes no picture is tried again before the run ends."""
CLOSE_SECONDS: Final = 3.0
HANG_SECONDS: Final = 1.0
"""So long after its last picture became too old, whoever writes is taken to hang. A writer that is only waiting for its
source sends a slate by then."""


class CameraDevice(Protocol):
    """A virtual camera of some system, open."""

    name: str
    width: int
    height: int

    @property
    def notes(self) -> tuple[str, ...]: ...
    def prepare(self, image: Image) -> Image: ...
    def send(self, prepared: Image) -> None: ...
    def close(self) -> None: ...
    def is_read(self) -> bool | None: ...


def open_device(device: str | None, width: int, height: int, fps: Fraction) -> CameraDevice:
    """The virtual camera of the system that this runs on.

    v4l2loopback is written to directly, since pyvirtualcam does not tell of writes that fail there; all other
    devices, on whatever system, are pyvirtualcam's.

    Raises:
        OutputError: it cannot be had; the message tells why, and what to do.
    """
    if sys.platform != "linux":
        return ForeignCamera(device, width, height, fps)
    named = device is not None and Path(device).is_absolute()
    if not named and not virtual_cameras() and pyvirtualcam_installed():
        with suppress(OutputError):  # what is wrong on Linux is v4l2loopback, and is said below
            return ForeignCamera(device, width, height, fps)
    return LoopbackCamera(Path(device).resolve() if device is not None else None, width, height, fps)


class VirtualCameraSink:
    """Shows the newest picture at a fixed size and a fixed rate, over and over, so that no reader ever waits.

    Opened at once, so that a missing device is known before anything else starts. A device that takes no picture any
    more is opened again; if that does not help, the next :meth:`write` raises. Pictures of another size are fitted, an
    odd side repeats its last row or column. Where nobody writes any more, the last slate that was written replaces a
    picture that has become too old; see :meth:`limit_age`.

    Args:
        device: ``/dev/video10``, on other systems as pyvirtualcam names it; None takes the first that can be had.
        width: of the source, pixels.
        height: of the source, pixels.
        fps: of the source; None where it knows none.
        on_event: told when the device fails and when it is back.
        clock: seconds that only grow.
        wait: waits on a condition for so many seconds of that clock.
        opener: :func:`open_device`, except in tests.

    Raises:
        OutputError: the device cannot be had; the message says how to set it up.
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
        self.notes = self._device.notes
        self._period = float(1 / fps)
        self._on_event, self._clock, self._wait = on_event, clock, wait
        self._changed = threading.Condition()
        self._newest: Composited | None = None
        self._slate: Composited | None = None
        self._written_at = 0.0
        self._max_age: float | None = None
        self._hangs = False
        self._prepared: tuple[Composited, Image] | None = None
        self._failed_at: float | None = None
        self._retry_at = 0.0
        self._error: OutputError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._pump, name="rtsod-virtual-camera", daemon=True)
        self._thread.start()

    def write(self, picture: Composited) -> None:
        """Show this picture from now on; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        with self._changed:
            if self._error is not None:
                raise self._error
            if self._closing:
                raise OutputError(f"{self.name}: closed already")
            self._newest, self._written_at = picture, self._clock()
            if picture.is_slate:
                self._slate = picture
            self._changed.notify_all()

    def limit_age(self, seconds: float) -> None:
        """Show no picture, but slates, for longer than this after it was written, whatever became of its writer."""
        self._max_age = seconds

    def close(self) -> None:
        """Show the last picture, then give the device back. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_SECONDS)

    @property
    def is_read(self) -> bool:
        """Whether another program reads it now; True where that cannot be told."""
        device = self._device
        read = device.is_read() if device is not None else None
        return True if read is None else read

    # ------------------------------------------------------------- its thread

    def _pump(self) -> None:
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closing)
            due = self._clock()
            while not (closing := self._await(due)):
                self._show()
                due = max(due + self._period, self._clock())  # what is late is not caught up with
            if closing and self._newest is not None:
                self._show()
        except BaseException as error:  # a bug, or memory ran out: the next write raises it
            self._error = self._error or OutputError(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            if self._device is not None:
                self._device.close()

    def _await(self, due: float) -> bool:
        with self._changed:
            self._wait(self._changed, lambda: self._closing, max(0.0, due - self._clock()))
            return self._closing

    def _fresh(self) -> Composited | None:
        """What may be shown now: the newest picture, unless nobody has replaced it for too long."""
        with self._changed:
            newest, slate, limit = self._newest, self._slate, self._max_age
            too_old = self._clock() - self._written_at - limit if limit is not None else 0.0
        if newest is None or newest.is_slate or too_old <= 0.0:
            if self._hangs:
                _log.warning("%s gets pictures again", self.name)
            self._hangs = False
            return newest
        if too_old > HANG_SECONDS and not self._hangs:
            self._hangs = True
            self._on_event(Event.OUTPUT_STARVED)
            _log.warning("%s gets no pictures: a slate is shown", self.name)
        return slate

    def _show(self) -> None:
        picture = self._fresh()
        if picture is None or self._error is not None:
            return
        try:
            device = self._device or self._open_again()
            if device is None:
                return
            if self._prepared is None or self._prepared[0] is not picture:
                self._prepared = (picture, device.prepare(picture.image))
            device.send(self._prepared[1])
        except (OSError, OutputError) as error:
            self._fail(error)
            return
        if self._failed_at is not None:
            self._failed_at = None
            self._on_event(Event.OUTPUT_RECOVERED)
            _log.warning("%s is back", self.name)

    def _open_again(self) -> CameraDevice | None:
        """The device, now and then; None in between."""
        if self._clock() < self._retry_at:
            return None
        self._retry_at = self._clock() + RETRY_SECONDS
        self._device, self._prepared = self._opener(self._known, *self._size, self._fps), None
        return self._device

    def _fail(self, error: Exception) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()
        now = self._clock()
        reason = f"{self.name} takes no pictures: {getattr(error, 'strerror', None) or error}"
        if self._failed_at is None:
            self._failed_at, self._retry_at = now, now + RETRY_SECONDS
            self._on_event(Event.OUTPUT_FAILED)
            _log.warning("%s", reason)
        elif now - self._failed_at > GIVE_UP_SECONDS:
            self._error = OutputError(f"{reason} (given up after {GIVE_UP_SECONDS:.0f} s)")


def virtual_camera_available() -> Availability:
    """Whether a virtual camera could be opened now; on Windows and macOS by opening one for a moment."""
    if sys.platform != "linux":
        return foreign_camera_available()
    found = virtual_cameras()
    if not found:
        return Availability("virtual camera", False, setup_hint())
    return Availability("virtual camera", True, ", ".join(f"{device.path} ({device.name})" for device in found))
