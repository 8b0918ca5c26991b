"""What ``--output`` may name: a path, standard output, or a server."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from rtsod.config import PIPE_FORMATS, PUBLISH_SCHEMES, PipeFormat
from rtsod.system.names import address_fault, address_parts, path_to_write, server_name

_PIPE: Final = re.compile(r"(?:([A-Za-z0-9]+):)?-")
_NEARLY_ADDRESS: Final = re.compile(rf"\s*({'|'.join(PUBLISH_SCHEMES)}):", re.IGNORECASE)
DEFAULT_FORMAT: Final[PipeFormat] = "nut"
"""It loses nothing: time stamps and alpha are in it."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """Standard output."""

    format: PipeFormat

    def __str__(self) -> str:
        return f"{self.format}:-"


@dataclass(frozen=True, slots=True)
class Address:
    """A server that gets a live stream. Its text says no more than the server's name."""

    url: str
    """With its scheme in lower case, which is all that FFmpeg knows."""

    def __str__(self) -> str:
        return server_name(self.url)


def is_path(text: str) -> bool:
    """Whether a text names a file or a folder."""
    return _PIPE.fullmatch(text) is None and address_parts(text.strip()) is None


def output_to_write(text: str) -> Path | Pipe | Address:
    """Parse ``--output``; the ``type`` of an argparse argument.

    Raises:
        argparse.ArgumentTypeError: it is none of the three.
    """
    if pipe := _PIPE.fullmatch(text):
        for format in get_args(PipeFormat):
            if format == (DEFAULT_FORMAT if pipe[1] is None else pipe[1]):
                return Pipe(format)
        raise argparse.ArgumentTypeError(
            f"{text}: is no format: choose from {', '.join(f'{f}:-' for f in PIPE_FORMATS)}"
        )
    if address := address_parts(text.strip()):
        scheme, rest = address
        if scheme not in PUBLISH_SCHEMES:
            known = ", ".join(f"{each}://" for each in PUBLISH_SCHEMES)
            raise argparse.ArgumentTypeError(f"{scheme}://: is not supported: use {known}, or a path")
        if fault := address_fault(scheme, rest):
            raise argparse.ArgumentTypeError(f"{scheme}://: {fault}")
        return Address(f"{scheme}://{rest}")
    if meant := _NEARLY_ADDRESS.match(text):
        raise argparse.ArgumentTypeError(f"{meant[1]}: two slashes are missing: give {meant[1]}://SERVER/NAME")
    return path_to_write(text)


def masks_to_write(text: str) -> Path:
    """Parse ``--mask-output``; the ``type`` of an argparse argument.

    Raises:
        argparse.ArgumentTypeError: it is no name, standard output or an address.
    """
    if address := address_parts(text.strip()):
        raise argparse.ArgumentTypeError(f"{address[0]}://: masks go to files only: give a video or a folder")
    return path_to_write(text)
