"""A single colour as background."""

from __future__ import annotations

import re

import numpy as np

from rtsod.errors import UsageError
from rtsod.frames import Image


class ColourBackground:
    """A single colour.

    Args:
        spec: ``#RRGGBB`` or ``#RGB``, hexadecimal, as on the web.

    Raises:
        UsageError: ``spec`` is not such a colour.
    """

    def __init__(self, spec: str) -> None:
        if not re.fullmatch(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})", spec):
            raise UsageError(f"--bg {spec}: write a colour as #RRGGBB or #RGB in hexadecimal, for example #1e90ff")
        digits = spec[1:] if len(spec) == 7 else "".join(2 * digit for digit in spec[1:])
        red, green, blue = bytes.fromhex(digits)
        self._bgr = (blue, green, red)
        self._picture = np.empty((0, 0, 3), np.uint8)

    def picture(self, width: int, height: int, at: float) -> Image:
        """The colour at the frame's size: see :class:`rtsod.interfaces.Background`."""
        if self._picture.shape[:2] != (height, width):
            self._picture = np.full((height, width, 3), self._bgr, np.uint8)
        return self._picture

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
