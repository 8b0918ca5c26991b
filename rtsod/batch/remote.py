"""Files behind addresses that fsspec knows: ``s3://``, ``gs://``, ``sftp://`` and many more."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from rtsod.errors import OutputError, RtsodError, SourceError, UsageError
from rtsod.system.extras import install_extra
from rtsod.system.files import output_error
from rtsod.system.names import without_login

T = TypeVar("T")

SILENT_SECONDS: Final = 60.0
"""How long a server may keep a request waiting."""
LIST_SECONDS: Final = 600.0
"""How long it may take to list a folder: a million files take a thousand requests, and nothing is heard of them."""
_LINE_LETTERS: Final = 200


def shown_address(address: str) -> str:
    """An address for messages: without a login, and without a web address's query, any part of which may sign it."""
    shown = without_login(address)
    return shown.partition("?")[0] if shown.startswith("http") else shown


class Remote:
    """A folder or file behind an address.

    Args:
        address: for example ``s3://bucket/photos``.

    Raises:
        UsageError: fsspec, or what it needs for this kind of address, is not installed, or does not know it.
    """

    def __init__(self, address: str) -> None:
        self.address: Final = address
        self._made: set[str] = set()
        try:
            import fsspec
        except ImportError:
            raise UsageError(f"{shown_address(address)}: needs fsspec: {install_extra('remote')}") from None
        try:
            self._files, self._root = fsspec.core.url_to_fs(address)
        except ImportError as error:  # names the package
            raise UsageError(f"{shown_address(address)}: {error}") from None
        except Exception as error:
            raise UsageError(f"{shown_address(address)}: is no address that fsspec knows: {_one_line(error)}") from None

    def is_file(self) -> bool:
        """Whether the address is that of one file.

        Raises:
            SourceError: it cannot be reached.
        """
        with self._reading(""):
            return bool(_watched(lambda _: self._files.isfile(self._root)))

    def sizes(self) -> dict[str, int]:
        """Every file below the folder, by its name relative to it, with its size in bytes; nothing if there is none.

        Raises:
            SourceError: it cannot be reached.
        """
        self._files.invalidate_cache()
        with self._reading(""):
            try:
                found = _watched(lambda _: self._files.find(self._root, detail=True), LIST_SECONDS)
            except FileNotFoundError:
                return {}
        root = self._root.rstrip("/") + "/"
        return {path.removeprefix(root): int(about.get("size") or 0) for path, about in found.items()}

    def size(self) -> int:
        """Of the one file, in bytes.

        Raises:
            SourceError: it cannot be reached.
        """
        with self._reading(""):
            return int(_watched(lambda _: self._files.size(self._root)) or 0)

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file to here.

        Raises:
            SourceError: it cannot be read.
            OutputError: it cannot be written here.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path.parent, error) from error
        with self._reading(name):
            _watched(lambda progress: self._files.get_file(self._below(name), str(path), callback=progress))

    def answers(self) -> bool:
        """Whether the place can be asked anything."""
        try:
            _watched(lambda _: self._files.exists(self._root))
        except Exception:
            return False
        return True

    def put(self, path: Path, name: str) -> None:
        """Copy a whole file there, in one go.

        Raises:
            OutputError: it cannot be written.
        """
        target = self._below(name)
        try:
            self._make_folder(target.rpartition("/")[0])
            _watched(lambda progress: self._files.put_file(str(path), target, callback=progress))
        except RtsodError:
            raise
        except Exception as error:
            raise OutputError(f"{shown_address(self.address)}: cannot write {name}: {_one_line(error)}") from error

    def _make_folder(self, folder: str) -> None:
        if folder in self._made:
            return
        store = folder.partition("/")[0]
        if store and not _watched(lambda _: self._files.exists(store)):  # or a mistyped bucket would be created
            raise OutputError(f"{shown_address(self.address)}: there is no {store}: create it, or choose another")
        _watched(lambda _: self._files.makedirs(folder, exist_ok=True))
        self._made.add(folder)

    def _below(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else str(self._root)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise SourceError(
                f"{shown_address(self.address)}: there is no such file or folder: {name}".rstrip(": ")
            ) from None
        except RtsodError:
            raise
        except Exception as error:  # each kind of address has errors of its own
            what = f"cannot read {name}" if name else "cannot be read"
            raise SourceError(f"{shown_address(self.address)}: {what}: {_one_line(error)}") from error


def _watched(work: Callable[[Any], T], seconds: float | None = None) -> T:
    """Do something that a server may never answer to: libraries try again for minutes, and say nothing.

    Args:
        work: takes fsspec's callback, which it tells how far it is. It is left behind if that does not move.
        seconds: for how long it may not move; None is :data:`SILENT_SECONDS`.

    Returns:
        What ``work`` does.

    Raises:
        TimeoutError: it did not move for so long.
    """
    limit = SILENT_SECONDS if seconds is None else seconds
    from fsspec.callbacks import Callback

    moved = [time.monotonic()]

    class Progress(Callback):  # type: ignore[misc]
        def call(self, *args: Any, **kwargs: Any) -> None:
            moved[0] = time.monotonic()

    answers: list[T] = []
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def do() -> None:
        try:
            answers.append(work(Progress()))
            ended.put(None)
        except BaseException as error:
            ended.put(error)

    threading.Thread(target=do, name="rtsod-remote", daemon=True).start()
    while True:
        try:
            error = ended.get(timeout=max(0.01, moved[0] + limit - time.monotonic()))
        except queue.Empty:
            if time.monotonic() - moved[0] >= limit:
                raise TimeoutError(f"no answer within {limit:.0f} s") from None
            continue
        if error is not None:
            raise error
        return answers[0]


def _one_line(error: Exception) -> str:
    line = re.sub(r"[^\s/@:\"']+:[^\s/@\"']+@", "", " ".join(str(error).split()))
    return line[:_LINE_LETTERS] or type(error).__name__
