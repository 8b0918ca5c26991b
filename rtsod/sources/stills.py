"""Photographs as a source: a folder of them, or a single one."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Final

from rtsod.errors import SourceError
from rtsod.frames import Frame, Picture, SourceInfo
from rtsod.imaging.stills.image_file import load
from rtsod.imaging.stills.still_format import has_still_suffix, still_format
from rtsod.interfaces import Clock
from rtsod.system.names import natural_order

_log = logging.getLogger(__name__)

_MAX_NAME_BYTES: Final = 251
"""The longest name of a result; file systems take 255 bytes, of which ``.png`` needs four."""
_NUMBER_BYTES: Final = 8
"""Kept free in a long name for a dot and a number."""
_MAX_NAMES: Final = 5
"""How many of the files that are passed over are named."""
_PLURALS: Final = {
    "file that is no photograph": "files that are no photographs",
    "hidden file": "hidden files",
    "folder": "folders",
    "other thing": "other things",
}


def stills_from_folder(folder: Path, *, fps: int | None = None, clock: Clock = time.perf_counter) -> StillsSource:
    """The photographs in a folder, in natural order: 2.jpg comes before 10.jpg.

    The first bytes of a file tell whether it is a photograph; of an animated one, the first picture counts. A file that
    is only named like one is taken for a damaged one. ``info.notes`` name everything that is passed over.

    Args:
        folder: its subfolders are not searched.
        fps: as for :class:`StillsSource`.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: the folder cannot be read or holds no photographs.
    """
    try:
        found = sorted(folder.iterdir(), key=lambda path: natural_order(path.name))
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    kinds = {path: _kind(path) for path in found}
    paths = [path for path, kind in kinds.items() if kind is None]
    if not paths:
        raise SourceError(f"{folder} holds no photographs: put some directly into it, for example JPEG or PNG files")
    name = folder.name or str(folder)
    return StillsSource(paths, name=name, path=folder, fps=fps, notes=_passed_over(kinds), clock=clock)


def still_from_file(
    path: Path, *, fps: int | None = None, notes: tuple[str, ...] = (), clock: Clock = time.perf_counter
) -> StillsSource:
    """A single photograph.

    Args:
        path: the file.
        fps: as for :class:`StillsSource`.
        notes: becomes ``info.notes``.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: the file cannot be read, or the picture is too large.
    """
    return StillsSource([path], name=path.name, path=path, first=load(path), fps=fps, notes=notes, clock=clock)


class StillsSource:
    """Photographs one after another, each at its own size and upright by its EXIF orientation.

    Unreadable files are logged, counted in ``skipped`` and leave gaps in the frame indexes. ``Frame.name`` is the
    file's stem, so that a result is named like its photograph. Where several files share a stem (``a.jpg`` and
    ``a.png``), all but the first keep their suffix (``a.png``), so that no result overwrites another.

    Args:
        paths: the files, in order.
        name: of the source, for messages.
        path: the file or folder they came from.
        first: the picture of the first file, if it has been read already.
        fps: how many are shown per second, which gives them time stamps; None gives them none.
        notes: becomes ``info.notes``.
        clock: stamps ``Frame.captured_at``.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        name: str,
        path: Path | None = None,
        first: Picture | None = None,
        fps: int | None = None,
        notes: tuple[str, ...] = (),
        clock: Clock = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._names = _names(paths)
        self._pending = list(enumerate(paths))[::-1]
        self._first = first
        self._delivered = self._skipped = 0
        self._closed = threading.Event()
        self._info = SourceInfo(
            name=name,
            width=None,
            height=None,
            fps=None if fps is None else Fraction(fps),
            live=False,
            stills=True,
            frames=len(paths),
            path=path,
            has_alpha=first is not None and first.alpha is not None,
            notes=notes,
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
                picture = self._first or load(path)
            except SourceError as error:
                _log.warning("skipped: %s", error)
                self._skipped += 1
                continue
            self._first = None
            fps, shown_before = self._info.fps, self._delivered
            self._delivered += 1
            return Frame(
                image=picture.image,
                index=index,
                captured_at=self._clock(),
                name=self._names[index],
                alpha=picture.alpha,
                pts=None if fps is None else shown_before / fps,
                duration=None if fps is None else 1 / fps,
            )
        if self._skipped == self._info.frames and not self._closed.is_set():
            raise SourceError(f"cannot read any of the {self._skipped} pictures in {self._info.name}")
        return None

    def close(self) -> None:
        """Stop. Idempotent; from any thread."""
        self._closed.set()


def _kind(path: Path) -> str | None:
    """What is not read, as one of ``_PLURALS``; None for a photograph, and for what seems to be a damaged one."""
    try:
        if path.is_dir():
            return "folder"
        if path.name.startswith("."):
            return "hidden file"
        if not path.is_file():
            return "other thing"
        if has_still_suffix(path) or still_format(path) is not None:
            return None
    except OSError:  # it cannot be opened
        return None if has_still_suffix(path) else "file that is no photograph"
    return "file that is no photograph"


def _passed_over(kinds: Mapping[Path, str | None]) -> tuple[str, ...]:
    parts = []
    for kind, plural in _PLURALS.items():
        names = [path.name for path, its_kind in kinds.items() if its_kind == kind]
        if names:
            shown = ", ".join([*names[:_MAX_NAMES], *(["..."] if len(names) > _MAX_NAMES else [])])
            parts.append(f"{len(names)} {kind if len(names) == 1 else plural} ({shown})")
    return (f"passed over: {'; '.join(parts)}",) if parts else ()


def _names(paths: Iterable[Path]) -> list[str]:
    """What the results are called, without a suffix."""
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        # Ignore case: on some file systems A.png and a.png are the same file.
        name = next(name for name in _candidates(path) if name.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names


def _candidates(path: Path) -> Iterator[str]:
    for name in (path.stem, path.name):
        if len(os.fsencode(name)) <= _MAX_NAME_BYTES:
            yield name
    # Cut between characters: part of one would be no text.
    beginning = os.fsencode(path.name)[: _MAX_NAME_BYTES - _NUMBER_BYTES].decode(errors="ignore")
    yield from (f"{beginning}.{n}" for n in count(2))
