"""The preview: a sink that holds the newest picture, and an OpenCV window that shows it on the main thread."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from rtsod.errors import OutputError
from rtsod.frames import Availability, Composited, Image
from rtsod.sinks.pixels import require_composited

WINDOW_LIMIT: Final = (1280, 720)
"""Largest size at which the window opens, pixels. The user can resize it freely."""
PROBE_SECONDS: Final = 20.0
"""How long the display may take to show a first window: a remote one is slow, a dead one never answers."""

_PROBE: Final = (
    "import cv2, numpy; cv2.namedWindow('rtsod'); cv2.imshow('rtsod', numpy.zeros((8, 8), numpy.uint8));"
    "cv2.waitKey(1); cv2.destroyAllWindows(); cv2.waitKey(1)"
)
_CHECKER_SIDE_PX: Final = 16
_CHECKER_GREYS: Final = (102, 153)
_ESCAPE: Final = 27


class Key(StrEnum):
    """What the user asks for by pressing a key in the window."""

    QUIT = "q"
    """q, Escape, or the close button of the window."""
    BACKGROUND = "b"
    MIRROR = "m"
    PAUSE = "p"
    STATISTICS = "s"


class PreviewSink:
    """Holds the newest picture until the window takes it. Older pictures are dropped, so the window delays nothing."""

    name = "preview"
    live = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Composited | None = None
        self._closed = False

    def write(self, picture: Composited) -> None:
        """Replace the picture that is waiting; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        with self._lock:
            if not self._closed:
                self._newest = picture

    def take(self) -> Composited | None:
        """Take the newest picture; None if there is none since the last call. From any thread."""
        with self._lock:
            picture, self._newest = self._newest, None
        return picture

    def close(self) -> None:
        """Drop the picture and refuse further ones. Idempotent; from any thread."""
        with self._lock:
            self._closed = True
            self._newest = None


class PreviewWindow:
    """A window that shows the picture of a :class:`PreviewSink`. Use it on the main thread only.

    Call :func:`display_available` first: without a display, OpenCV may abort the process.

    Args:
        sink: where the pictures come from.
        title: of the window.

    Raises:
        OutputError: the window cannot be opened.
    """

    def __init__(self, sink: PreviewSink, title: str = "rtsod") -> None:
        self._sink = sink
        self._title = title
        self._shown: Composited | None = None
        self._open = False
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise OutputError(f"preview: the window cannot be opened ({error.err}): use --no-preview") from error
        self._open = True

    def pump(self, timeout: float, overlay: Sequence[str] = ()) -> Key | None:
        """Show the newest picture and wait for a key.

        Args:
            timeout: seconds to wait. Give at most the duration of a frame: a picture that arrives meanwhile is shown by
                the next call.
            overlay: lines of ASCII text to draw over the picture.

        Returns:
            What the user asks for, or None. Once the window is closed, always :attr:`Key.QUIT`.
        """
        if not self._open:
            return Key.QUIT
        picture = self._sink.take()
        if picture is not None:
            if self._shown is None:
                _resize(self._title, picture.image)
            self._shown = picture
        if self._shown is not None and (picture is not None or overlay):
            cv2.imshow(self._title, with_lines(view(self._shown), overlay))
        code = cv2.waitKey(max(1, round(timeout * 1000)))
        if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self._open = False
            return Key.QUIT
        if code < 0:
            return None
        if code & 0xFF == _ESCAPE:
            return Key.QUIT
        letter = chr(code & 0xFF).lower()
        return Key(letter) if letter in set(Key) else None

    def close(self) -> None:
        """Close the window. Idempotent."""
        if self._open:
            self._open = False
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)  # OpenCV removes the window while it handles events


def view(picture: Composited) -> Image:
    """Render a picture for the window, ``(H, W, 3)`` uint8 BGR: a transparent one over a checkerboard."""
    if picture.opacity is None:
        return picture.image
    height, width = picture.image.shape[:2]
    alpha = picture.opacity.astype(np.float32) / np.float32(255)
    return np.asarray(cv2.blendLinear(picture.image, _checkerboard(width, height), alpha, 1 - alpha), np.uint8)


def with_lines(image: Image, lines: Sequence[str]) -> Image:
    """Copy an image and draw lines of text in its upper left corner; without lines, return ``image`` itself."""
    if not lines:
        return image
    image = image.copy()
    scale = max(0.5, image.shape[0] / 1200)
    step = round(32 * scale)
    widest = max(cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] for line in lines)
    image[: step * len(lines) + step // 2, : widest + step] //= 3  # keeps the text readable on any picture
    for row, line in enumerate(lines, start=1):
        place = (step // 2, row * step)
        cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return image


@functools.cache
def display_available() -> Availability:
    """Find out whether a window can be shown. Tries in another process, since OpenCV aborts one without a display."""
    framework = cv2.currentUIFramework()
    if not framework:
        reason = "this OpenCV has no windows: install opencv-python instead of opencv-python-headless"
        return Availability("display", False, reason)
    if sys.platform != "linux":
        return Availability("display", True, framework)
    if not os.environ.get("DISPLAY"):
        if os.environ.get("WAYLAND_DISPLAY"):
            return Availability("display", False, "only Wayland is running: OpenCV's windows need X, start Xwayland")
        return Availability(
            "display", False, "no display: DISPLAY is not set; run in a desktop session, or use --output FILE"
        )
    display = os.environ["DISPLAY"]
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Availability("display", False, f"display {display} does not answer")
    if probe.returncode == 0:
        return Availability("display", True, f"{framework} on display {display}")
    errors = [line for line in probe.stderr.splitlines() if line.strip()] or ["a window cannot be opened"]
    return Availability("display", False, f"display {display}: {errors[0].strip()}")


def _resize(title: str, image: Image) -> None:
    height, width = image.shape[:2]
    scale = min(1.0, WINDOW_LIMIT[0] / width, WINDOW_LIMIT[1] / height)
    cv2.resizeWindow(title, max(1, round(width * scale)), max(1, round(height * scale)))


@functools.lru_cache(maxsize=1)
def _checkerboard(width: int, height: int) -> Image:
    rows, columns = np.arange(height) // _CHECKER_SIDE_PX, np.arange(width) // _CHECKER_SIDE_PX
    dark = (rows[:, None] + columns) % 2 == 0
    grey = np.where(dark, *_CHECKER_GREYS).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
