"""What is known of each file of a data set once it has been read, and where that is kept for the next start."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import cv2
import numpy as np

from rtsod.data.reading import read_image, read_levels
from rtsod.data.softness import has_soft_areas
from rtsod.errors import DataError
from rtsod.frames import Image
from rtsod.imaging.stills.image_file import Header
from rtsod.system.cache_folder import CACHE_LOG, reason
from rtsod.system.files import json_from_text, read_text, replace_file

_log = logging.getLogger(CACHE_LOG)

FOREGROUND: Final = 128
"""A mask's level, 0..255, above which evaluation counts a pixel as foreground: G = mask > 128."""
THUMBNAIL_SIDE: Final = 8
_DIGEST_BYTES: Final = 16
_VERSION: Final = 2
"""Raise it when the same file would be described differently."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of a picture."""

    width: int
    """In pixels, upright."""
    height: int
    orientation: int
    """As in EXIF; see :class:`rtsod.imaging.stills.image_file.Header`."""
    digest: str
    """BLAKE2b of the file's bytes: equal files are the same picture."""
    thumbnail: str
    """``THUMBNAIL_SIDE`` squared grey levels as hexadecimal digits, to compare pictures that may be mirrored."""


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """What is known of a mask's stored levels, before any is scaled or inverted."""

    width: int
    """In pixels, upright."""
    height: int
    orientation: int
    highest: int
    """The highest level, 0..255."""
    two_valued: bool
    """There is no level but 0 and ``highest``."""
    foreground: int
    """Pixels above ``FOREGROUND``; of a mask with two values, those of the highest."""
    border: float
    """The share of foreground along the picture's border, 0..1."""
    soft: bool
    """It has soft areas: see :func:`rtsod.data.softness.has_soft_areas`."""
    shape: str
    """A digest of the foreground that mirroring does not change; empty if all pixels are alike."""
    digest: str
    """As a picture's."""


Facts = TypeVar("Facts", ImageFacts, MaskFacts)


def image_facts(path: Path, header: Header) -> ImageFacts:
    """Read a picture, and describe it.

    Args:
        path: of the file.
        header: of the file.

    Raises:
        DataError: it cannot be read, or is damaged.
    """
    digest = content_digest(path)
    image = read_image(path)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    side = THUMBNAIL_SIDE
    thumbnail = np.asarray(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    return ImageFacts(header.width, header.height, header.orientation, digest, thumbnail.tobytes().hex())


def mask_facts(path: Path, header: Header) -> MaskFacts:
    """Read a mask, and describe it.

    Args:
        path: of the file.
        header: of the file.

    Raises:
        DataError: it cannot be read, is damaged, or is a colour picture.
    """
    digest = content_digest(path)
    levels = read_levels(path)
    counts = np.bincount(levels.ravel(), minlength=256)
    used = np.flatnonzero(counts)
    highest = int(used[-1])
    two_valued = set(used.tolist()) <= {0, highest}
    inside = levels > (0 if two_valued else FOREGROUND)
    edges = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    return MaskFacts(
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        highest=highest,
        two_valued=two_valued,
        foreground=int(np.count_nonzero(inside)),
        border=float(edges.mean()),
        soft=not two_valued and has_soft_areas(levels),
        shape=_shape(inside),
        digest=digest,
    )


def content_digest(path: Path) -> str:
    """BLAKE2b of a file's bytes, as hexadecimal digits.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _shape(inside: Any) -> str:
    if inside.all() or not inside.any():
        return ""
    size = f"{inside.shape}".encode()
    views = (inside, inside[:, ::-1], inside[::-1], inside[::-1, ::-1])
    return min(hashlib.blake2b(size + _packed(view), digest_size=_DIGEST_BYTES).hexdigest() for view in views)


def _packed(inside: Image) -> bytes:
    return np.packbits(inside).tobytes()


class FactStore:
    """Keeps facts in one file, so that the next start reads only what is new.

    A file is known again by its path, size and time of change, as in Git. What is stored is a cache: if it is damaged
    or cannot be written, the files are read again, and the log says so.

    Args:
        folder: where it is kept, created when needed; None keeps nothing.
        place: of the data set.
    """

    def __init__(self, folder: Path | None, place: Path) -> None:
        name = hashlib.blake2b(str(place.resolve()).encode(errors="surrogateescape"), digest_size=_DIGEST_BYTES)
        self._path = None if folder is None else folder / f"{name.hexdigest()}.json"
        self._known: dict[str, Any] = {}
        self._used: dict[str, Any] = {}
        """What is stored again; files that are gone are forgotten."""
        self._changed = False
        if self._path is not None and self._path.exists():
            try:
                stored = json_from_text(read_text(self._path))
                if stored["version"] == _VERSION:
                    self._known = dict(stored["files"])
            except (OSError, ValueError, TypeError, KeyError) as error:
                _log.warning("%s: is read anew: what is stored about it is damaged: %s", place, reason(error))

    def get(self, kind: type[Facts], path: Path) -> Facts | None:
        """The facts about a file; None if they are unknown, or the file has changed.

        Args:
            kind: of facts.
            path: of the file.
        """
        try:
            key = _key(kind, path)
            stamp, values = self._known[key]
            if stamp != _stamp(path):
                return None
            found = kind(**values)
            self._used[key] = self._known[key]
            return found
        except (KeyError, ValueError, TypeError, OSError):
            return None

    def put(self, path: Path, facts: ImageFacts | MaskFacts) -> None:
        """Remember facts until :meth:`save`."""
        try:
            self._used[_key(type(facts), path)] = [_stamp(path), asdict(facts)]
            self._changed = True
        except OSError:
            return  # it is gone since; whoever reads it next says so

    def save(self) -> None:
        """Write what is new. It replaces the file at once, so that two runs do not disturb each other."""
        if self._path is None or not self._changed:
            return
        text = json.dumps({"version": _VERSION, "files": self._used}, separators=(",", ":"), sort_keys=True)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, text.encode())
        except OSError as error:
            _log.warning("what is known of the pictures cannot be stored: %s", reason(error))
        self._changed = False


def _key(kind: type[ImageFacts] | type[MaskFacts], path: Path) -> str:
    return f"{kind.__name__} {os.path.abspath(path)}"


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
