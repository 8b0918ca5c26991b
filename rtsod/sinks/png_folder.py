"""A folder with one PNG per picture, or a single PNG, written by OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import cv2

from rtsod.errors import OutputError
from rtsod.frames import Composited, Image
from rtsod.sinks.pixels import require_composited, with_alpha
from rtsod.system.files import output_error, replace_file

COMPRESSION: Final = 1
"""zlib's level, the fastest. Higher levels take several times as long and save a few per cent of size."""


class PngFolderSink:
    """Writes each picture in its own size, named after its still, or by its six-digit frame index.

    The folder is created with the first picture, so a source that fails before that leaves nothing behind. Files are
    written atomically. If a name occurs again in a run (``a.jpg`` and ``a.png``), ``-2``, ``-3``, ... is appended.

    Args:
        path: of the folder; its parent must exist.
        what: ``picture``, BGRA where it is transparent; or ``alpha`` for the alpha alone, 8-bit grey.
    """

    live = False

    def __init__(self, path: Path, *, what: Literal["picture", "alpha"]) -> None:
        self._folder = path
        self._what = what
        self._times_used: dict[str, int] = {}
        self._closed = False
        self.name = f"{'masks' if what == 'alpha' else 'pictures'} in {path}"

    def write(self, picture: Composited) -> None:
        """Write one file; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        if self._closed:
            raise OutputError(f"{self._folder}: is already closed")
        if picture.index < 0:
            return  # a slate that fills a gap in time; a folder has no time
        image = self._pixels(picture)
        path = self._path(picture)
        try:
            encoded, data = cv2.imencode(".png", image, (cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION))
        except cv2.error as error:
            raise output_error(path, error) from error
        if not encoded:
            raise OutputError(f"{path}: a picture of {image.shape[1]}x{image.shape[0]} cannot be encoded as PNG")
        self._put(path, data.tobytes())

    def close(self) -> None:
        """Refuse further pictures. Idempotent."""
        self._closed = True

    def _pixels(self, picture: Composited) -> Image:
        if self._what == "alpha":
            return picture.alpha8
        return picture.image if picture.opacity is None else with_alpha(picture)

    def _path(self, picture: Composited) -> Path:
        return self._folder / f"{self._free_name(picture)}.png"

    def _free_name(self, picture: Composited) -> str:
        name = picture.name if picture.name is not None else f"{picture.index:06d}"
        times = self._times_used[name] = self._times_used.get(name, 0) + 1
        return name if times == 1 else f"{name}-{times}"

    def _put(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            replace_file(path, data)
        except OSError as error:
            raise output_error(path, error) from error


class PngFileSink(PngFolderSink):
    """Writes the picture of one photograph under a name of your own; see :class:`PngFolderSink`.

    Args:
        path: of the file; its folder must exist.
        what: as for a folder.
    """

    def __init__(self, path: Path, *, what: Literal["picture", "alpha"]) -> None:
        super().__init__(path.parent, what=what)
        self._file = path
        self.name = f"{'mask' if what == 'alpha' else 'picture'} {path}"

    def _path(self, picture: Composited) -> Path:
        return self._file
