"""The path of a photograph, from what a program gives for one."""

from __future__ import annotations

import os
from pathlib import Path

from rtsod.errors import SourceError
from rtsod.system.names import address_parts, without_secrets


def path_of(name: str | os.PathLike[str]) -> Path:
    """Refuse what is no path before it becomes one: the system's own words about it mislead.

    Raises:
        SourceError: it is empty, an address, or has a zero byte.
    """
    text = os.fsdecode(name)
    if not text:  # which Path takes for the current folder
        raise SourceError("cannot read a picture whose path is empty")
    if "\0" in text:
        raise SourceError(f"cannot read {text!r}: no path has a zero byte in it")
    if address_parts(text):
        raise SourceError(
            f"cannot read {without_secrets(text)}: it is an address: download the picture, and give its path"
        )
    return Path(text)
