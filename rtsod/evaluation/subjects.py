"""What can be evaluated: a network's weights, or a folder with its maps."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from rtsod.config import MODELS, WEIGHTS_SUFFIXES, EngineConfig
from rtsod.errors import UsageError
from rtsod.model.stored import stored_names
from rtsod.system.names import path_to_read


@dataclass(frozen=True, slots=True)
class Subject:
    """A network or its maps, with a name for tables."""

    name: str
    maps: Path | None = None
    """A folder of maps; None for a network."""
    weights: Path | None = None
    """A network's own file of weights; None, with ``maps`` None as well, for a network that has a name."""
    model: str | None = None
    """Name of the network, where there is no file of weights."""

    def config(self, base: EngineConfig) -> EngineConfig:
        """How to open the network.

        Args:
            base: engine, precision, device and size; and the model, for weights that do not say what they are of.
        """
        if self.weights is not None:
            return replace(base, weights=self.weights)
        return replace(base, model=self.model)


def subject_of(text: str, name: str | None = None) -> Subject:
    """What a text on the command line means: a network's name, a file of weights, or a folder of maps.

    Args:
        text: the text. ``./lite`` is a folder of that name.
        name: for tables; None for the text's own.

    Raises:
        UsageError: nothing of that name is there, or it is neither.
    """
    if text in MODELS:
        return Subject(name or f"U²-Net {text}", model=text)
    if text in stored_names():
        return Subject(name or text, model=text)
    try:
        path = path_to_read(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error)) from error
    if path.is_dir():
        return Subject(name or path.resolve().name, maps=path)
    if path.suffix.lower() in WEIGHTS_SUFFIXES:
        return Subject(name or _weights_name(path), weights=path)
    what = "is neither weights nor a folder of maps" if path.exists() else "is not there"
    files = ", ".join(WEIGHTS_SUFFIXES)
    raise UsageError(
        f"{text}: {what}: give full, lite, another model that rtsod models lists, a {files} file, or a folder of maps"
    )


def compared_subject_of(text: str) -> Subject:
    """What ``--against`` means: as :func:`subject_of`, with a name before ``=`` if it has one.

    Raises:
        UsageError: the name is empty, or nothing is there.
    """
    name, equals, place = text.partition("=")
    if not equals:
        return subject_of(text)
    if not name.strip():
        raise UsageError(f"--against {text}: has no name: give NAME=MAPS")
    return subject_of(place, name.strip())


def _weights_name(path: Path) -> str:
    """``best.safetensors`` in ``runs/mine`` is ``mine/best``; files of runs have all the same names."""
    return f"{path.resolve().parent.name}/{path.stem}" if path.stem in ("best", "last") else path.stem
