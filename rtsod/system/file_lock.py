"""One process at a time for work whose result all of them can use. The system frees what a process that dies held."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout


def locked(path: Path, patience: float, waiting: Callable[[], None]) -> AbstractContextManager[object]:
    """Hold the lock, and free it at the end of the ``with``.

    Args:
        path: of the lock's file, in a folder that is there; it stays.
        patience: seconds to wait for another process.
        waiting: called when there is one to wait for.

    Raises:
        TimeoutError: the other process did not come to an end.
        OSError: the folder cannot be written, or its file system knows no locks.
    """
    lock = FileLock(path)
    try:
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            waiting()
            return lock.acquire(timeout=patience)
    except NotImplementedError as error:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
