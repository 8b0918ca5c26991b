"""Folders that hold what is private, and that are deleted however the program ends.

Each has a lock beside it, which the system releases when its process dies. So the next start can tell a folder that
was left behind by ``kill -9`` from one that is in use, and delete it.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rtsod.system.file_lock import locked

MODE: Final = 0o700
"""Nobody but its owner may look into it."""
_LOCK: Final = ".lock"


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Create a folder, and delete it with everything in it at the end of the block.

    Args:
        parent: created if it is missing.

    Raises:
        OSError: it cannot be created.
    """
    parent.mkdir(MODE, parents=True, exist_ok=True)
    folder = parent / uuid.uuid4().hex
    lock = parent / (folder.name + _LOCK)
    with locked(lock, 0, lambda: None):
        try:
            folder.mkdir(MODE)
            os.chmod(folder, MODE)  # the umask may take from it, but nothing may add to it
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                lock.unlink(missing_ok=True)


def delete_left_behind(parent: Path) -> int:
    """Delete the folders of processes that were killed.

    Args:
        parent: as of :func:`private_folder`; need not exist.

    Returns:
        How many were deleted.
    """
    deleted = 0
    with suppress(OSError):
        for lock in sorted(parent.glob(f"*{_LOCK}")):
            with suppress(OSError), locked(lock, 0, lambda: None):  # a TimeoutError is one: somebody uses it
                folder = lock.with_suffix("")
                deleted += folder.exists()
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)
    return deleted
