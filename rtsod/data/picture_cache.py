"""Keeps decoded pictures on the disk, for training that reads the same files again and again."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from rtsod.data.facts import content_digest
from rtsod.frames import Image
from rtsod.system.cache_folder import CACHE_LOG, reason
from rtsod.system.files import replace_file

_log = logging.getLogger(CACHE_LOG)

DEFAULT_LIMIT: Final = 16 << 30
"""Bytes. DUTS-TR at 320x320 takes 4.3 GB with its masks; at 512x512 it takes 11."""
_KEPT_FREE: Final = 1 << 30
"""Bytes of the file system that are left to others."""
_CHECK_SHARE: Final = 64
"""The folder is measured again whenever one process has added this part of the limit."""
_AFTER_TRIM: Final = 0.8
"""The part of the limit that is kept when older entries have to go, so that they do not go one by one."""
_VERSION: Final = 1
"""Raise it when files are decoded differently."""
_HEADER: Final = struct.Struct("<8sIIII")
"""Magic number, height, width, channels (0 for two dimensions), CRC-32 of the pixels."""
_MAGIC: Final = b"rtsodu8\n"
_SUFFIX: Final = ".u8"


class PictureCache:
    """Decoded pictures by the content of their files and by what was made of them.

    It speeds things up and is never needed. If an entry is damaged, the picture is made again. If the disk is full or
    the folder cannot be written, nothing more is stored. The log says both, once. Several threads, processes and runs
    may use one folder: files appear at once and complete. It can be pickled, so worker processes get a copy each.

    Args:
        folder: is created. None: nothing is stored.
        limit: bytes that the folder may take. When it is opened, the oldest entries beyond that go. While it is used,
            each process can overshoot by 1/64.
    """

    def __init__(self, folder: Path | None, limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._stores = folder is not None
        self._room = 0
        """Bytes to write until the folder is measured again."""
        self._digests: dict[tuple[str, int, int], str] = {}
        self._damage_told = False
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _trim(folder, limit)
            except OSError as error:
                self._give_up(reason(error))

    def get(self, path: Path, variant: str, make: Callable[[Path], Image]) -> Image:
        """A picture made of a file: from the cache, or made now and stored.

        Args:
            path: of the file. Its content counts, not its name.
            variant: names what ``make`` does, with all it depends on: ``image stretch 320``.
            make: decodes the file to uint8 of two or three dimensions.

        Returns:
            What ``make`` returns.

        Raises:
            DataError: the file cannot be read, or what ``make`` raises.
        """
        if self._folder is None:
            return make(path)
        entry = self._entry(path, variant)
        found = self._read(entry)
        if found is None:
            found = make(path)
            self._store(entry, found)
        return found

    def _entry(self, path: Path, variant: str) -> Path:
        assert self._folder is not None
        key = hashlib.blake2b(f"{_VERSION}\n{self._digest(path)}\n{variant}".encode(), digest_size=20).hexdigest()
        return self._folder / key[:2] / f"{key[2:]}{_SUFFIX}"

    def _digest(self, path: Path) -> str:
        try:
            status = path.stat()
        except OSError:
            return content_digest(path)  # says what is wrong
        stamp = str(path), status.st_size, status.st_mtime_ns
        if stamp not in self._digests:
            self._digests[stamp] = content_digest(path)
        return self._digests[stamp]

    def _read(self, entry: Path) -> Image | None:
        try:
            data = np.fromfile(entry, np.uint8)  # unlike bytes, what the caller may change
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell_damage(entry, reason(error))
            return None
        try:
            return _picture(data)
        except ValueError as error:
            self._tell_damage(entry, str(error))
            with suppress(OSError):
                entry.unlink()
            return None

    def _store(self, entry: Path, picture: Image) -> None:
        if not self._stores:
            return
        data = _bytes(picture)
        try:
            if self._room < len(data):
                self._room = self._measure()
                if self._room < len(data):
                    self._give_up(f"it has {self._limit / 1e9:.1f} GB, its limit, or the disk is nearly full")
                    return
            entry.parent.mkdir(exist_ok=True)
            replace_file(entry, data)
            self._room -= len(data)
        except OSError as error:
            self._give_up(reason(error))

    def _measure(self) -> int:
        """How much may be written until the next look."""
        assert self._folder is not None
        free = shutil.disk_usage(self._folder).free - _KEPT_FREE
        taken = sum(size for _, size, _ in _entries(self._folder))
        return min(self._limit - taken, free, max(self._limit // _CHECK_SHARE, 1 << 20))

    def _give_up(self, why: str) -> None:
        self._stores = False
        _log.warning("decoded pictures are no longer stored in %s: %s: training goes on, slower", self._folder, why)

    def _tell_damage(self, entry: Path, why: str) -> None:
        if not self._damage_told:
            self._damage_told = True
            _log.warning("%s: a stored picture is made again: %s", entry, why)


def _bytes(picture: Image) -> bytes:
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise ValueError(f"{picture.dtype} of {picture.ndim} dimensions is no picture")
    pixels = np.ascontiguousarray(picture).tobytes()
    height, width = picture.shape[:2]
    channels = picture.shape[2] if picture.ndim == 3 else 0
    return _HEADER.pack(_MAGIC, height, width, channels, zlib.crc32(pixels)) + pixels


def _picture(data: Image) -> Image:
    if len(data) < _HEADER.size:
        raise ValueError("it is cut off")
    magic, height, width, channels, crc = _HEADER.unpack_from(data.data)
    pixels = data[_HEADER.size :]
    if magic != _MAGIC or len(pixels) != height * width * (channels or 1) or zlib.crc32(pixels.data) != crc:
        raise ValueError("it is damaged")
    return pixels.reshape((height, width, channels) if channels else (height, width))


def _entries(folder: Path) -> list[tuple[int, int, str]]:
    """Time of writing, size and path of each entry."""
    found = []
    for shelf in os.scandir(folder):
        if len(shelf.name) == 2 and shelf.is_dir():
            for entry in os.scandir(shelf.path):
                with suppress(FileNotFoundError):  # another run removed it
                    status = entry.stat()
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
    return found


def _trim(folder: Path, limit: int) -> None:
    """Remove the oldest entries if there is more than the limit."""
    entries = sorted(_entries(folder))
    taken = sum(size for _, size, _ in entries)
    if taken <= limit:
        return
    for _, size, path in entries:
        if taken <= limit * _AFTER_TRIM:
            break
        with suppress(FileNotFoundError):
            os.unlink(path)
        taken -= size
