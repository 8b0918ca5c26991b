"""The folders that the system has for a program's files: what can be made again, what cannot, and what users write."""

from __future__ import annotations

import errno
import os
import stat
import sys
import warnings
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import platformdirs

_PRIVATE: Final = 0o700

Kind: TypeAlias = Literal["cache", "config", "data"]


class _Place(NamedTuple):
    variable: str
    """Names another folder, on Linux."""
    without_home: Path
    """What platformdirs makes of an empty ``HOME``: a folder of the whole system, which is not the user's."""
    purpose: str
    """What the folder is for, in words that follow "for"."""


_PLACES: Final[dict[Kind, _Place]] = {
    "cache": _Place("XDG_CACHE_HOME", Path("/.cache"), "a cache"),
    "config": _Place("XDG_CONFIG_HOME", Path("/.config"), "a configuration file"),
    "data": _Place("XDG_DATA_HOME", Path("/.local/share"), "models"),
}


def user_folder(kind: Kind) -> Path:
    """The program's folder of a kind, which need not exist.

    Raises:
        OSError: there is none: the user has no home folder, or the variable that names it is not an absolute path.
    """
    place = _PLACES[kind]
    try:
        # Looked up now: tests put other functions in their places.
        folder = Path(getattr(platformdirs, f"user_{kind}_path")("rtsod"))
    except (RuntimeError, KeyError):  # there is neither HOME nor an entry for the user in the system's list
        folder = Path()
    # Older releases of platformdirs return a path that begins with ~ instead, or /.cache where HOME is empty.
    if not folder.is_absolute() or (os.environ.get("HOME") == "" and folder.parent == place.without_home):
        named = os.environ.get(place.variable)
        reason = f"there is no home folder for {place.purpose}"
        if named:
            reason = f"{place.variable}={named} is not an absolute path"
        raise FileNotFoundError(errno.ENOENT, f"{reason}: set {place.variable} to a folder that can be written")
    return folder


def runtime_folder() -> Path:
    """The folder for what lives as long as a run and concerns its user alone, such as tokens. It is created.

    Raises:
        OSError: it cannot be created, or somebody else could look into it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the system names no such folder, and a temporary one is taken
        folder = platformdirs.user_runtime_path("rtsod")
    folder.mkdir(_PRIVATE, parents=True, exist_ok=True)
    if sys.platform == "win32":  # the folder lies in the user's profile, whose access list others are not on
        return folder
    parent, status, own = folder.parent.stat(), folder.lstat(), os.getuid()
    replaceable = parent.st_uid not in (0, own) or (parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX)
    if replaceable or not stat.S_ISDIR(status.st_mode) or status.st_uid != own or status.st_mode & 0o077:
        raise PermissionError(
            errno.EACCES, f"{folder} is not a folder that only you can read: set XDG_RUNTIME_DIR to one"
        )
    return folder
