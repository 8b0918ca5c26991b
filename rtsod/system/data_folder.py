"""The folder for what the program cannot make again by itself: models that were learnt."""

from __future__ import annotations

from pathlib import Path

from rtsod.system.user_folder import user_folder


def data_folder() -> Path:
    """The program's folder for the user's data, which need not exist.

    Raises:
        OSError: there is none: the user has no home folder, or ``XDG_DATA_HOME`` is not an absolute path.
    """
    return user_folder("data")
