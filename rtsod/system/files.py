"""Reading and writing files: writes are atomic, and a path that is not a regular file is refused or handled as such."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from rtsod.errors import NOT_ENOUGH_MEMORY, OutputError, UsageError, is_shortage
from rtsod.system.names import path_named
from rtsod.system.pipes import open_descriptor

_SEPARATORS: Final = ("/", os.sep)
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_PERMITTED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class UnfinishedFile:
    """A file that is written under a hidden name and takes its final name once it is complete.

    Until :meth:`finish` an older file of that name stays as it is. The hidden name lies in the same folder, because a
    file can be renamed atomically only within one file system, and is different in every run and every instance.

    Args:
        path: the final name. A symbolic link stays one: what it leads to is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.final: Final = Path(os.path.realpath(path)) if path.is_symlink() else path
        """The final name, no link."""
        self._older = _state(self.final)
        self.path = self.final.with_name(f".rtsod-{os.getpid()}-{uuid.uuid4().hex[:12]}.part")
        """The hidden name. Nothing is created here until you do."""

    def finish(self) -> None:
        """Rename the file to its final name, over an older one.

        Raises:
            OSError: it cannot be renamed, or there is a device, a pipe or a link that leads back to itself.
        """
        if os.path.lexists(self.final) and not self.final.is_file() and not self.final.is_dir():
            raise OSError(errno.EINVAL, "is not a file", str(self.final))
        os.replace(self.path, self.final)

    def finish_beside_newer(self) -> Path:
        """As :meth:`finish`, but a file that another program gave the final name meanwhile stays as it is.

        Returns:
            The final name, or that name with the first free number from 2 on.

        Raises:
            OSError: it cannot be renamed.
        """
        final, number = self.final, 1
        while (state := _state(final)) is not None and (number > 1 or state != self._older):
            number += 1
            final = self.final.with_stem(f"{self.final.stem}-{number}")
        os.replace(self.path, final)
        return final

    def discard(self) -> None:
        """Delete the file if it exists.

        Raises:
            OSError: it cannot be deleted.
        """
        self.path.unlink(missing_ok=True)


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is replaced or written; None if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def unfinished_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Create a folder with a hidden, unused name, and delete what is left of it at the end.

    Unlike :mod:`tempfile`, which makes folders for their owner alone, it leaves the permissions to the umask.

    Args:
        parent: an existing folder.
        prefix: of the name.

    Raises:
        OSError: it cannot be created.
    """
    folder = parent / f"{prefix}{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_file(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Write a file atomically: readers see the older file or the new one, never a part.

    Args:
        path: of a regular file, which need not exist. Its folder must. A symbolic link stays one.
        content: of the file.
        durable: wait until the content is on the disk, so that it also survives a power cut.
        mode: permissions of the file, less the umask.

    Raises:
        OSError: it cannot be written; an older file is unchanged.
    """
    unfinished = UnfinishedFile(path)
    try:
        with open(unfinished.path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.finish()
    except BaseException:
        with suppress(OSError):
            unfinished.discard()
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically, or write into a device, or into what is open already, such as ``/dev/stdout``.

    Raises:
        OutputError: it cannot be written; an older file is unchanged.
    """
    try:
        if (descriptor := open_descriptor(path)) is not None:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
        elif path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            replace_file(path, content)
    except OSError as error:
        raise output_error(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, record: object) -> None:
    """Write a record as JSON; see :func:`write_bytes`."""
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read_bytes(path: Path) -> bytes:
    """Read a regular file. Anything else is refused, since reading a pipe would wait for its writer.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is not a file", str(path))
    return path.read_bytes()


def read_text(path: Path) -> str:
    """Read a regular file as UTF-8.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        ValueError: it is not UTF-8.
    """
    return read_bytes(path).decode()


def json_from_text(text: str) -> Any:
    """Parse JSON from a file that may be damaged.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def file_to_write(text: str) -> Path:
    """Parse an output file on the command line; the ``type`` of an argparse argument.

    It looks at the text itself, because ``Path`` drops a trailing slash and turns an empty string into ``.``.

    Raises:
        argparse.ArgumentTypeError: it cannot be the name of a file.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("is empty: give a file" if not text else f"{text!r}: is not a name")
    if text == "-":
        raise argparse.ArgumentTypeError("-: is not a file: for standard output give /dev/stdout, for a file ./-")
    if text.endswith(_SEPARATORS):
        raise argparse.ArgumentTypeError(f"{text}: is a folder, not a file")
    return path_named(text)


def check_writable(option: str, path: Path) -> None:
    """Find out whether a file can be written, before minutes are spent on its content.

    Args:
        option: the command-line option that names the file, for messages.
        path: of the file. An existing one is not touched.

    Raises:
        UsageError: ``path`` is a folder, a pipe or a socket.
        OutputError: its folder is missing or cannot be written, or it stands for a descriptor that is not open.
    """
    if (descriptor := open_descriptor(path)) is not None:
        try:
            os.fstat(descriptor)
        except OSError as error:
            raise OutputError(f"{option} {path}: is not open") from error
        return
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: is a folder, not a file")
        if path.exists() and not (path.is_file() or path.is_char_device()):
            raise UsageError(f"{option} {path}: is not a file")
        if path.is_char_device():
            return
        trial = UnfinishedFile(path)
        trial.path.touch()  # os.access is not enough: root passes it even on a read-only file system
        trial.discard()
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"{option} {path}: the folder {path.parent} is missing or cannot be written: {reason}"
        ) from error


def check_room(what: str, need: float, folder: Path, variable: str, *, named: Path | None = None) -> None:
    """Refuse what a disk has no room for, before minutes are spent on it.

    Args:
        what: is to be written, with its article.
        need: bytes.
        folder: an existing one, where it is to be written.
        variable: of the environment, which names another folder.
        named: what the message calls the folder, where it is one of many within another.

    Raises:
        OutputError: there is less room.
        OSError: the folder cannot be reached.
    """
    free = shutil.disk_usage(folder).free
    if free < need:
        raise OutputError(
            f"{named or folder}: {what} needs {need / 1e6:.0f} MB there, and {free / 1e6:.0f} are free: "
            f"free some space, or set {variable} to another folder"
        )


def output_error(path: Path, error: Exception) -> OutputError:
    """Describe a failed write in one line that says how to fix it.

    Args:
        path: of the file, as the user named it.
        error: an ``OSError``, or any other exception; FFmpeg's carry an ``errno`` as well.
    """
    code = getattr(error, "errno", None)
    if code in _DISK_FULL:
        return OutputError(f"{path}: disk full: free some space or write to another folder")
    if code in _NOT_PERMITTED:
        return OutputError(f"{path}: not writable: choose another folder or change its permissions")
    if code == errno.ENOENT:
        return OutputError(f"{path}: its folder does not exist: create {path.parent} and run again")
    if is_shortage(error):
        return OutputError(f"{path}: cannot be written: {NOT_ENOUGH_MEMORY}")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OutputError(f"{path}: cannot be written: {' '.join(str(reason).split())}")
