"""A local window in which whoever is recorded sees themselves, as in a mirror. Nothing else shows their picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import cv2
import numpy as np

from rtsod.errors import SourceError
from rtsod.frames import Image
from rtsod.sinks.preview import WINDOW_LIMIT, display_available, with_lines

Watch: TypeAlias = Callable[[Image, str, float], None]
"""Called on the main thread with each frame, what to do now, and for how many seconds more."""

_TITLE: Final = "rtsod learn"
_ESCAPE: Final = 27


def unseen(image: Image, text: str, remaining: float) -> None:
    """Show nothing."""


@contextmanager
def mirror() -> Iterator[Watch]:
    """Open the window; without a display there is none.

    Raises:
        SourceError: from the watch, if the window was closed or q pressed.
    """
    if not display_available().available:
        yield unseen
        return
    shown = False

    def watch(image: Image, text: str, remaining: float) -> None:
        nonlocal shown
        if not shown:
            shown = True
            height, width = image.shape[:2]
            scale = min(1.0, WINDOW_LIMIT[0] / width, WINDOW_LIMIT[1] / height)
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(_TITLE, max(1, round(width * scale)), max(1, round(height * scale)))
        flipped = np.asarray(cv2.flip(image, 1), np.uint8)
        cv2.imshow(_TITLE, with_lines(flipped, [text, f"{remaining:.0f} s"]))
        key = cv2.waitKey(1) & 0xFF
        if key in (_ESCAPE, ord("q")) or cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            raise SourceError("the window was closed: the recording is deleted, and nothing was learned")

    try:
        yield watch
    finally:
        if shown:
            cv2.destroyAllWindows()
            cv2.waitKey(1)  # OpenCV removes the window while it handles events
