"""A photograph as background."""

from __future__ import annotations

import logging
from pathlib import Path

from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.imaging.transparency import over_black

_log = logging.getLogger(__name__)


class ImageBackground:
    """A photograph, scaled to cover the frame. Where it is transparent, it is black: nothing is behind a background.

    Args:
        path: a file that :func:`rtsod.imaging.stills.image_file.load` can read.

    Raises:
        SourceError: the file cannot be read, holds no picture, or the picture is too large.
    """

    def __init__(self, path: Path) -> None:
        from rtsod.imaging.stills.image_file import load  # with Pillow, only where it is needed

        picture = load(path)
        self._original = picture.image
        if picture.alpha is not None:
            _log.warning("--bg %s: is shown on black where it is transparent", path)
            self._original = over_black(picture.image, picture.alpha)
        self._picture = self._original

    def picture(self, width: int, height: int, at: float) -> Image:
        """The photograph at the frame's size: see :class:`rtsod.interfaces.Background`."""
        if self._picture.shape[:2] != (height, width):
            self._picture = cover(self._original, width, height)
        return self._picture

    def close(self) -> None:
        """Do nothing: the file was closed after it was read."""
