"""Replaces a whole folder, so that there is always an intact one: the older, or the new.

Not every system can replace a folder that is not empty in one step. So there are two: the older one steps aside, and
the new one takes its name. A process that dies between them leaves the older one aside, and :func:`settle` brings it
back. The names of what is aside are hidden and hold a ``+``, which callers must not use in names, and they take a lock.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def unfinished(folder: Path) -> Path:
    """Where the new folder is made."""
    return folder.with_name(f".{folder.name}+new")


def aside(folder: Path) -> Path:
    """Where the older one waits meanwhile."""
    return folder.with_name(f".{folder.name}+old")


def name_of_aside(name: str) -> str | None:
    """The reverse of :func:`aside`, for names; None if it is the name of something else."""
    return name[1:-4] if name.startswith(".") and name.endswith("+old") else None


def settle(folder: Path) -> None:
    """Undo or complete what a process that died has left.

    Raises:
        OSError: a name cannot be changed or deleted.
    """
    delete(unfinished(folder))
    older = aside(folder)
    if not os.path.lexists(older):
        return
    if os.path.lexists(folder):
        delete(older)
    else:
        os.replace(older, folder)


def replace_folder(folder: Path) -> None:
    """Give the complete folder at :func:`unfinished` its name, with its content on the disk.

    Raises:
        OSError: it cannot; the older folder, if there was one, has its name again.
    """
    new, older = unfinished(folder), aside(folder)
    for path in (*new.rglob("*"), new):
        _to_disk(path)
    try:
        if os.path.lexists(folder):
            os.replace(folder, older)
        os.replace(new, folder)
    except BaseException:
        if os.path.lexists(older) and not os.path.lexists(folder):
            os.replace(older, folder)
        raise
    _to_disk(folder.parent)
    with suppress(OSError):  # the next one deletes it
        delete(older)


def remove_folder(folder: Path) -> None:
    """Delete a folder, which is gone at once: whoever looks sees it whole or not at all.

    Raises:
        OSError: it cannot be deleted, or is not there.
    """
    gone = unfinished(folder)
    delete(aside(folder))
    delete(gone)
    os.replace(folder, gone)
    delete(gone)


def delete(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it, if it is there.

    Raises:
        OSError: it cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Bring a file's content, or a folder's entries, to the disk, where the system can."""
    with suppress(OSError):  # folders cannot be opened on Windows
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
