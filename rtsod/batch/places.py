"""Where inputs lie and results go: in folders here, or behind addresses that fsspec knows, such as ``s3://``."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeAlias

from rtsod.batch.remote import Remote, shown_address
from rtsod.errors import OutputError, SourceError
from rtsod.system.cache_folder import cache_folder
from rtsod.system.file_lock import locked
from rtsod.system.files import output_error
from rtsod.system.names import address_parts

Place: TypeAlias = Path | str
"""A local path, or the address of something elsewhere."""
RECORDS: Final = ".rtsod"
"""The folder in the output folder that holds settings, rows and unfinished files."""
_ROWS_SUFFIX: Final = ".jsonl"
_LOCK_SUFFIX: Final = ".lock"
ROWS: Final = f"shard-*{_ROWS_SUFFIX}"
"""The files of rows among the records, one for each shard."""
LOCKS: Final = f"shard-*{_LOCK_SUFFIX}"
"""The locks beside them. A batch holds its shard's while it works here."""
SETTINGS: Final = "settings.json"
"""The file among the records that says how the results were made."""
SHARE_SECONDS: Final = 60.0
"""How often the rows of a batch whose results go elsewhere are sent there."""

_READABLE_LETTERS: Final = 100
_DIGEST_LETTERS: Final = 12
_LOCAL: Final = re.compile(r"(?:file|local)://(?=/)")


def place_named(text: str, path_named: Callable[[str], Path]) -> Place:
    """What a text on the command line names: an address, or a path.

    Args:
        text: as given; ``file://`` is a path, too.
        path_named: reads a path.
    """
    if local := _LOCAL.match(text):
        return path_named(text[local.end() :])
    return text.rstrip("/") if address_parts(text) else path_named(text)


def in_words(place: Place) -> str:
    """A place for messages, without the secrets that an address may hold."""
    return str(place) if isinstance(place, Path) else shown_address(place)


class Results(Protocol):
    """Where results go, and where it is written down what became of each item."""

    place: Place
    records: Path
    """A folder here for settings, rows, parts and unfinished files."""

    def size_of(self) -> Callable[[str], int | None]:
        """What tells the size of a result by its name, in bytes, as of now; None if there is none.

        Raises:
            RtsodError: it cannot be found out.
        """
        ...

    def put(self, made: Path, name: str) -> int:
        """Give a whole file its place and its name; returns its size in bytes.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def can_be_reached(self) -> bool:
        """Whether anything can be put there at all."""
        ...

    def receive(self, own: str) -> None:
        """Bring settings and rows up to date with what other machines have written.

        What a batch on this machine works with stays as it is.

        Args:
            own: name of the file of rows that is written here.

        Raises:
            RtsodError: they cannot be read.
        """
        ...

    def share(self, *names: str, at_once: bool = False) -> None:
        """Let other machines see files of the records: at once, or if that was not done lately.

        Raises:
            OutputError: they cannot be written.
        """
        ...


class LocalResults:
    """In a folder here; see :class:`Results`. A result is moved to its place whole, if it is made on that disk."""

    def __init__(self, folder: Path) -> None:
        self.place: Place = folder
        self._folder = folder
        self.records = folder / RECORDS

    def size_of(self) -> Callable[[str], int | None]:
        """See :meth:`Results.size_of`."""

        def size(name: str) -> int | None:
            with suppress(OSError):
                return os.stat(self._folder / name).st_size
            return None

        return size

    def put(self, made: Path, name: str) -> int:
        """See :meth:`Results.put`."""
        result = self._folder / name
        try:
            result.parent.mkdir(parents=True, exist_ok=True)
            size = made.stat().st_size
            os.replace(made, result)
        except OSError as error:
            raise output_error(result, error) from error
        return size

    def can_be_reached(self) -> bool:
        """See :meth:`Results.can_be_reached`. What a disk refuses, it says itself."""
        return True

    def receive(self, own: str) -> None:
        """Nothing is anywhere else."""

    def share(self, *names: str, at_once: bool = False) -> None:
        """Whoever sees the folder sees everything."""


class RemoteResults:
    """Behind an address; see :class:`Results`. Records and unfinished files lie in a cache here.

    Args:
        address: of the folder.
    """

    def __init__(self, address: str) -> None:
        self.place: Place = address
        self._remote: Remote | None = None
        self._address = address
        self._shared_at = time.monotonic()
        try:
            readable = re.sub(r"[^A-Za-z0-9]+", "-", in_words(address)).strip("-")
            digest = hashlib.sha256(address.encode(errors="surrogateescape")).hexdigest()
            self.records = cache_folder() / "batch" / f"{readable[:_READABLE_LETTERS]}-{digest[:_DIGEST_LETTERS]}"
        except OSError as error:
            raise OutputError(str(error.strerror or error)) from error

    @property
    def _files(self) -> Remote:
        if self._remote is None:
            self._remote = Remote(self._address)
        return self._remote

    def size_of(self) -> Callable[[str], int | None]:
        """See :meth:`Results.size_of`."""
        return self._files.sizes().get

    def put(self, made: Path, name: str) -> int:
        """See :meth:`Results.put`."""
        size = made.stat().st_size
        self._files.put(made, name)
        with suppress(OSError):
            made.unlink()
        return size

    def can_be_reached(self) -> bool:
        """See :meth:`Results.can_be_reached`."""
        return self._files.answers()

    def receive(self, own: str) -> None:
        """See :meth:`Results.receive`."""
        there = Remote(f"{self._address}/{RECORDS}")
        sizes = {name: size for name, size in there.sizes().items() if name == SETTINGS or _is_rows(name)}
        try:
            self.records.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix="arriving-", dir=self.records) as arriving:
                for name, size in sizes.items():
                    if name == SETTINGS or not self._is_as_long(name, size):
                        there.fetch(name, Path(arriving) / name)
                self._take_over(Path(arriving), sizes, own)
        except OSError as error:
            raise output_error(self.records, error) from error

    def _is_as_long(self, name: str, size: int) -> bool:
        """Whether a file of rows here holds all that the one there does: rows are only appended."""
        path = self.records / name
        return path.exists() and path.stat().st_size >= size

    def _take_over(self, arrived: Path, sizes: dict[str, int], own: str) -> None:
        """Bring the records up to date, but for those that a batch on this machine works with.

        Raises:
            OSError: they cannot be replaced.
        """
        with ExitStack() as locks:
            names, at_work = {path.name for path in self.records.glob(ROWS)} | sizes.keys() - {SETTINGS}, set()
            # A batch that has just begun has a lock, and no rows yet.
            for name in names | {path.with_suffix(_ROWS_SUFFIX).name for path in self.records.glob(LOCKS)}:
                try:
                    locks.enter_context(locked((self.records / name).with_suffix(_LOCK_SUFFIX), 0, lambda: None))
                except TimeoutError:
                    at_work.add(name)
            # What is not there has been removed there: results are the truth. Settings are sent before any result.
            emptied = SETTINGS not in sizes
            for name in names - at_work:
                if emptied or not (name in sizes or name == own):
                    (self.records / name).unlink(missing_ok=True)
                elif name in sizes and not self._is_as_long(name, sizes[name]):
                    os.replace(arrived / name, self.records / name)
            if at_work:
                return  # it may not have sent its settings yet
            if emptied:
                (self.records / SETTINGS).unlink(missing_ok=True)
            else:
                os.replace(arrived / SETTINGS, self.records / SETTINGS)

    def share(self, *names: str, at_once: bool = False) -> None:
        """See :meth:`Results.share`."""
        if not at_once and time.monotonic() - self._shared_at < SHARE_SECONDS:
            return
        for name in names:
            if (self.records / name).exists():
                self._files.put(self.records / name, f"{RECORDS}/{name}")
        self._shared_at = time.monotonic()


def _is_rows(name: str) -> bool:
    return "/" not in name and fnmatchcase(name, ROWS)


def results_at(place: Place) -> Results:
    """The results of a batch. Nothing is created or asked for yet.

    Raises:
        OutputError: there is no folder for what belongs to them here.
    """
    return RemoteResults(place) if isinstance(place, str) else LocalResults(place)


def brought(source: Place, scratch: Path) -> Path:
    """The path of an item's file here: its own, or that of a copy in a scratch folder.

    Raises:
        SourceError: it cannot be read.
    """
    if isinstance(source, Path):
        if not source.exists():
            raise SourceError(f"{source}: is not there any more")
        return source
    path = scratch / "input" / Path(in_words(source)).name
    Remote(source).fetch("", path)
    return path
