"""A lock between processes, so that only one does work whose result all can use."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout


def locked(path: Path, timeout: float, on_wait: Callable[[], None]) -> AbstractContextManager[object]:
    """Take a lock and release it at the end of the ``with`` block. If the process dies, the system releases it.

    Args:
        path: of the lock file, in an existing folder. The file is not deleted.
        timeout: seconds to wait for another process.
        on_wait: called once if another process holds the lock.

    Raises:
        TimeoutError: the other process still holds the lock.
        OSError: the folder cannot be written, or its file system does not support locks.
    """
    lock = FileLock(path)
    try:
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            return lock.acquire(timeout=timeout)
    except NotImplementedError as error:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
