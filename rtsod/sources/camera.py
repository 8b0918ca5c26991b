"""Cameras, through ``cv2.VideoCapture``. What it reports is checked, because it is often wrong."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.errors import SourceBusy, SourceError, SourceGone
from rtsod.frames import Frame, SourceInfo
from rtsod.interfaces import Clock
from rtsod.metrics import Event
from rtsod.sources.rate_check import RateCheck
from rtsod.system import v4l2
from rtsod.system.worker_thread import WorkerStopped, WorkerThread

SELECT_TIMEOUT_SECONDS: Final = 1
"""How long one V4L2 read waits for the driver. OpenCV's default of 10 s would delay every stop."""
RELEASE_SECONDS: Final = 3.0
"""How long ``close`` waits for a camera that is still inside a read."""
MAX_FAILED_READS: Final = 5
"""Consecutive reads without a picture after which the camera counts as gone."""
_MAX_FPS: Final = 1000
"""A driver that reports a higher frame rate than this is wrong."""
_FPS_TOLERANCE: Final = 0.5
"""Difference from the requested frame rate, in frames per second, that is not worth a note."""


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used here."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: N803
    def get(self, propId: int, /) -> float: ...  # noqa: N803
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


def open_capture(index: int) -> Capture:
    """Open ``cv2.VideoCapture``, silenced, with reads that time out."""
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(SELECT_TIMEOUT_SECONDS))
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(index, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)


class CameraSource:
    """A live camera.

    Some drivers change the size of frames in mid-stream; ``info`` gives the size at the start.

    Args:
        index: of the camera: N of ``/dev/videoN`` on Linux.
        width: requested, pixels.
        height: requested, pixels.
        fps: requested, frames per second.
        clock: stamps ``Frame.captured_at``.
        on_event: receives :attr:`rtsod.metrics.Event.SOURCE_SLOW`.
        capture: opens the device.

    Raises:
        SourceError: the camera cannot be opened or delivers no picture. Nothing is left open.
    """

    def __init__(
        self,
        index: int,
        *,
        width: int,
        height: int,
        fps: int,
        clock: Clock = time.perf_counter,
        on_event: Callable[[Event], None] = lambda event: None,
        capture: Callable[[int], Capture] = open_capture,
    ) -> None:
        self._clock = clock
        self._index = 0
        self._index_of_device = index
        self._skipped = 0
        name = v4l2.device_name(index) if sys.platform == "linux" else None
        self._name = f"camera {index}" + (f" ({name})" if name else "")
        try:
            self._capture = capture(index)
        except (cv2.error, OSError) as error:
            raise _cannot_open(index) from error
        try:
            self._info = self._configure(index, width, height, fps)
        except BaseException:
            self._capture.release()
            raise
        self._rate = RateCheck(self._info, self._index_of_device, on_event)
        self._worker = WorkerThread(f"rtsod-camera-{index}")

    @property
    def info(self) -> SourceInfo:
        """What the camera really delivers, read back from it."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many frames were broken so far."""
        return self._skipped

    def read(self) -> Frame | None:
        """The next frame; None after ``close``.

        Raises:
            SourceError: the camera stopped delivering.
        """
        try:
            return self._worker.call(self._fetch)
        except WorkerStopped:
            return None

    def close(self) -> None:
        """Release the camera. Idempotent; from any thread."""
        self._worker.stop(self._capture.release)
        self._worker.join(RELEASE_SECONDS)

    def _configure(self, index: int, width: int, height: int, fps: int) -> SourceInfo:
        capture = self._capture
        try:
            if not capture.isOpened():
                raise _cannot_open(index)
            # Set the format first. Uncompressed, most cameras deliver 720p at 10 fps at best, and a size set before the
            # format would select that mode.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            capture.set(cv2.CAP_PROP_FPS, fps)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            image = self._first_picture(index)
            real_fps = _plausible_fps(capture.get(cv2.CAP_PROP_FPS))
            pixel_format = _fourcc(capture.get(cv2.CAP_PROP_FOURCC))
        except cv2.error as error:
            raise _cannot_open(index) from error
        real_height, real_width = image.shape[:2]
        notes = []
        other_fps = real_fps is not None and abs(real_fps - fps) > _FPS_TOLERANCE
        if (real_width, real_height) != (width, height) or other_fps:
            delivered = f"{real_width}x{real_height}" + (f" at {float(real_fps):.4g} fps" if real_fps else "")
            notes.append(f"{self._name} delivers {delivered}, not the requested {width}x{height} at {fps} fps")
        return SourceInfo(
            name=self._name,
            width=real_width,
            height=real_height,
            fps=real_fps,
            live=True,
            pixel_format=pixel_format,
            notes=tuple(notes),
        )

    def _first_picture(self, index: int) -> NDArray[np.uint8]:
        # Only a picture proves the size, and that no other program holds the camera: opening it succeeds regardless.
        for _ in range(MAX_FAILED_READS):
            if self._capture.grab() and (image := self._retrieve()) is not None:
                return image
        raise _cannot_open(index)

    def _fetch(self) -> Frame | None:
        for _ in range(MAX_FAILED_READS):
            try:
                grabbed = self._capture.grab()
                captured_at = self._clock()
                if not grabbed:
                    continue
                image = self._retrieve()
            except cv2.error as error:
                raise SourceError(f"{self._name} failed: reconnect it and start again") from error
            index, self._index = self._index, self._index + 1
            if image is not None:
                self._rate.frame(captured_at)
                return Frame(image=image, index=index, captured_at=captured_at)
            self._skipped += 1
        raise SourceError(
            f"{self._name} stopped delivering pictures: check its cable, and whether another program uses it"
        )

    def _retrieve(self) -> NDArray[np.uint8] | None:
        retrieved, image = self._capture.retrieve()
        if not retrieved or not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            return None
        if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
            image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            return None
        return np.ascontiguousarray(image)


def _cannot_open(index: int) -> SourceError:
    prefix = f"cannot open camera {index}: "
    if sys.platform != "linux":
        return SourceError(f"{prefix}check that it is connected, that no other program uses it, and its permissions")
    path = v4l2.DEVICES / f"video{index}"
    kind = SourceGone if not path.exists() else SourceBusy if v4l2.holders(path) else SourceError
    return kind(prefix + v4l2.explain(index))


def _plausible_fps(value: float) -> Fraction | None:
    return Fraction(value).limit_denominator(1001) if math.isfinite(value) and 0 < value <= _MAX_FPS else None


def _fourcc(value: float) -> str | None:
    if not math.isfinite(value) or not 0 < value < 2**32:
        return None
    text = int(value).to_bytes(4, "little").decode("ascii", errors="replace").strip()
    return text if text and text.isprintable() else None
