"""A photograph as background."""

from __future__ import annotations

from pathlib import Path

from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.imaging.image_file import load


class ImageBackground:
    """A photograph, scaled to cover the frame.

    Args:
        path: a file that :func:`rtsod.imaging.image_file.load` can read.

    Raises:
        SourceError: the file cannot be read, holds no picture, or the picture is too large.
    """

    def __init__(self, path: Path) -> None:
        self._original = load(path).image
        self._picture = self._original

    def picture(self, width: int, height: int, at: float) -> Image:
        """The photograph at the frame's size: see :class:`rtsod.interfaces.Background`."""
        if self._picture.shape[:2] != (height, width):
            self._picture = cover(self._original, width, height)
        return self._picture

    def close(self) -> None:
        """Do nothing: the file was closed after it was read."""
