"""How data sets are named on the command line: ``PATH``, or ``PATH@OPTION,...``, or ``SCHEME:...``.

=====================  ================================================================================================
``DUTS-TR``            the folder, or the list file, of that name
``mine@2``             each picture of ``mine`` is drawn twice as often as one of a data set without a number
``mine@0.5,inverted``  half as often; and its masks are white where the background is
``mine@not-inverted``  its masks are mostly white, and right so
``demo:``              not a file: something that the program makes itself
=====================  ================================================================================================

A file or folder of that very name wins over options.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.errors import DataError
from rtsod.system.names import path_named

_INVERTED: Final = {"inverted": True, "not-inverted": False}
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):(?![\\/][^\\/])")
"""At least two letters: one is a drive of Windows."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A data set's name, taken apart."""

    place: str
    """A path, or what follows the scheme."""
    scheme: str | None = None
    weight: float = 1.0
    """See :attr:`rtsod.data.dataset.Dataset.weight`."""
    inverted: bool | None = None
    """Whether the masks are white where the background is; None if that has to be found out."""

    @property
    def path(self) -> Path:
        """The file or folder that is meant."""
        return path_named(self.place)


def parse_spec(text: str) -> Spec:
    """Take a data set's name apart.

    Raises:
        DataError: it is empty, or has an option that does not exist.
    """
    if not text or "\0" in text:
        raise DataError("a data set has no name: give a folder or a list file" if not text else f"{text!r} is no name")
    if os.path.lexists(text):
        return Spec(text)
    place, at, options = text.rpartition("@")
    if not at or "/" in options:
        return Spec(*_scheme(text))
    weight, inverted = 1.0, None
    for option in options.split(","):
        if option in _INVERTED:
            inverted = _INVERTED[option]
        else:
            weight = _weight(text, option)
    return Spec(*_scheme(place), weight, inverted)


def absolute_spec(text: str, absolute: Callable[[Path], str] = os.path.abspath) -> str:
    """The name of the same data set from whatever folder it is used.

    Args:
        text: see :func:`parse_spec`.
        absolute: makes a path absolute; :func:`os.path.realpath` also follows links, to compare.

    Raises:
        DataError: as :func:`parse_spec`.
    """
    spec = parse_spec(text)
    return text if spec.scheme is not None else absolute(spec.path) + text[len(spec.place) :]


def _scheme(text: str) -> tuple[str, str | None]:
    found = _SCHEME.match(text)
    return (text[found.end() :], found[1]) if found else (text, None)


def _weight(text: str, option: str) -> float:
    try:
        weight = float(option)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise DataError(
            f"{text}: {option!r} is no option of a data set: after @ give a weight above 0, inverted or not-inverted"
        )
    return weight
