"""Photographs as a source: a folder of them, or a single one."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rtsod.errors import SourceError
from rtsod.frames import Frame, SourceInfo
from rtsod.imaging.image_file import STILL_SUFFIXES, has_still_suffix, load
from rtsod.interfaces import Clock

_log = logging.getLogger(__name__)


def stills_from_folder(folder: Path, *, clock: Clock = time.perf_counter) -> StillsSource:
    """The photographs in a folder, in natural order: 2.jpg comes before 10.jpg. Hidden files are ignored.

    Args:
        folder: its subfolders are not searched.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: the folder cannot be read or holds no photographs.
    """
    try:
        paths = [p for p in folder.iterdir() if has_still_suffix(p) and not p.name.startswith(".") and p.is_file()]
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    if not paths:
        raise SourceError(f"{folder} holds no pictures: put {', '.join(sorted(STILL_SUFFIXES))} files directly into it")
    return StillsSource(sorted(paths, key=_natural), name=folder.name or str(folder), path=folder, clock=clock)


def still_from_file(path: Path, *, clock: Clock = time.perf_counter) -> StillsSource:
    """A single photograph.

    Args:
        path: the file.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: the file cannot be read, or the picture is absurdly large.
    """
    load(path)
    return StillsSource([path], name=path.name, path=path, clock=clock)


class StillsSource:
    """Photographs one after another, each at its own size and upright by its EXIF orientation.

    Unreadable files are logged, counted in ``skipped`` and leave gaps in the frame indexes. ``Frame.name`` is the
    file's stem, so that a result is named like its photograph. Where several files share a stem (``a.jpg`` and
    ``a.png``), all but the first keep their suffix (``a.png``), so that no result overwrites another.

    Args:
        paths: the files, in order.
        name: of the source, for messages.
        path: the file or folder they came from.
        clock: stamps ``Frame.captured_at``.
    """

    def __init__(
        self, paths: Sequence[Path], *, name: str, path: Path | None = None, clock: Clock = time.perf_counter
    ) -> None:
        self._clock = clock
        self._names = _names(paths)
        self._pending = list(enumerate(paths))[::-1]
        self._skipped = 0
        self._closed = threading.Event()
        self._info = SourceInfo(
            name=name, width=None, height=None, fps=None, live=False, stills=True, frames=len(paths), path=path
        )

    @property
    def info(self) -> SourceInfo:
        """How many photographs there are. Width and height are None: each has its own size."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many files could not be read so far."""
        return self._skipped

    def read(self) -> Frame | None:
        """The next photograph; None at the end or after ``close``.

        Raises:
            SourceError: the end is reached and no file could be read.
        """
        while self._pending and not self._closed.is_set():
            index, path = self._pending.pop()
            try:
                picture = load(path)
            except SourceError as error:
                _log.warning("skipped: %s", error)
                self._skipped += 1
                continue
            return Frame(
                image=picture.image,
                index=index,
                captured_at=self._clock(),
                name=self._names[index],
                alpha=picture.alpha,
            )
        if self._skipped == self._info.frames and not self._closed.is_set():
            raise SourceError(f"cannot read any of the {self._skipped} pictures in {self._info.name}")
        return None

    def close(self) -> None:
        """Stop. Idempotent; from any thread."""
        self._closed.set()


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    pieces = re.findall(r"([0-9]+)|([^0-9]+)", path.name.casefold())
    # Digits sort before letters, as usual; the name itself decides between 1.jpg, 01.jpg and 1.JPG.
    return [(int(digits), "") if digits else (1 << 62, text) for digits, text in pieces], path.name


def _names(paths: Iterable[Path]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        # Ignore case: on some file systems A.png and a.png are the same file.
        name = next(
            candidate
            for candidate in (path.stem, path.name, *(f"{path.name}.{n}" for n in range(2, 2 + len(names))))
            if candidate.casefold() not in taken
        )
        taken.add(name.casefold())
        names.append(name)
    return names
