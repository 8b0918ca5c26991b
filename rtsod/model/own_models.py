"""Models of your own, each a folder with a name: weights, calibration and card.

They lie in the user's data folder, because nothing but another recording could make them again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.config import MODEL_NAME_RULE, MODELS, RESERVED_NAMES, is_model_name, names_model
from rtsod.errors import OutputError, UsageError, WeightsError
from rtsod.model.description import describe
from rtsod.model.shipped import shipped_models
from rtsod.system import folder_swap
from rtsod.system.data_folder import data_folder
from rtsod.system.file_lock import locked
from rtsod.system.files import output_error

WEIGHTS_FILE: Final = "weights.safetensors"
CALIBRATION_FILE: Final = "calibration.json"
CARD_FILE: Final = "card.json"
_LOCK_FILE: Final = ".lock"
_LOCK_TIMEOUT_SECONDS: Final = 60.0
"""Saving takes less than a second, and a slow disk a few. A process that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model of your own. Its files may be damaged or missing: whoever reads them finds out."""

    name: str
    folder: Path

    @property
    def weights(self) -> Path:
        """With a description, whose name is the model's."""
        return self.folder / WEIGHTS_FILE

    @property
    def calibration(self) -> Path:
        """Of the weights, for int8; need not exist."""
        return self.folder / CALIBRATION_FILE

    @property
    def card(self) -> Path:
        """See :mod:`rtsod.model.card`; need not exist."""
        return self.folder / CARD_FILE

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} (a model of your own)"

    @property
    def remedy(self) -> str:
        """What to do if a file is damaged, in words that follow a colon."""
        return f"make it again, or rtsod models remove {self.name}"


def models_folder() -> Path:
    """Where models of your own are kept; need not exist.

    Raises:
        WeightsError: the user has no data folder.
    """
    try:
        return data_folder() / "models"
    except OSError as error:
        raise WeightsError(f"models of your own have no place: {error.strerror or error}") from error


def own_models() -> list[OwnModel]:
    """All models of your own by name, the damaged ones too.

    Raises:
        WeightsError: their folder cannot be read.
    """
    folder = models_folder()
    try:
        entries = {path.name for path in folder.iterdir()}
        for name in sorted(filter(None, map(folder_swap.name_of_aside, entries))):
            if _is_own_name(name) and name not in entries:
                _bring_back(folder / name)
                entries.add(name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be read: {error.strerror or error}") from error
    return [OwnModel(name, folder / name) for name in sorted(entries) if _is_own_name(name)]


def own_model(name: str) -> OwnModel:
    """The model of a name.

    Raises:
        UsageError: there is none; the message lists what there is.
        WeightsError: it is no folder, or the folder of all models cannot be read.
    """
    found = next((model for model in own_models() if model.name == name), None)
    if found is None:
        own = ", ".join(model.name for model in own_models())
        others = f", or of your own {own}" if own else "; there is none of your own"
        known = ", ".join((*MODELS, *(model.name for model in shipped_models())))
        raise UsageError(f"{name}: there is no such model: choose from {known}{others}")
    try:
        if not found.folder.is_dir():
            raise WeightsError(f"{found.folder}: is not a folder, and so no model: rtsod models remove {name}")
    except OSError as error:
        raise WeightsError(f"{found.folder}: cannot be read: {error.strerror or error}") from error
    return found


def check_own_name(name: str) -> None:
    """Refuse what cannot be the name of a model of your own.

    Raises:
        UsageError: it is no name, or means something else.
    """
    if not is_model_name(name):
        raise UsageError(f"{name!r}: cannot be a model's name: give {MODEL_NAME_RULE}")
    if not _is_own_name(name):
        raise UsageError(f"{name}: cannot be the name of a model of your own: it means something else: choose another")


def _is_own_name(name: str) -> bool:
    return names_model(name) and name.lower() not in RESERVED_NAMES


def save(name: str, write: Callable[[Path], None]) -> OwnModel:
    """Save a model. Until it is complete and on the disk, an older one of the name stays as it is, whatever happens.

    Args:
        name: of the model.
        write: writes the three files into the folder it is given. Nobody else can save or remove meanwhile.

    Raises:
        UsageError: it cannot be the name of a model of your own.
        OutputError: the model cannot be written, or another process saves one and does not end.
        ValueError: ``write`` left no weights whose description has this name.
    """
    check_own_name(name)
    folder = models_folder() / name
    with _writing(folder):
        folder_swap.settle(folder)
        unfinished = folder_swap.unfinished(folder)
        try:
            unfinished.mkdir()
            write(unfinished)
            description = describe(unfinished / WEIGHTS_FILE)
            if description is None or description.name != name:
                raise ValueError(f"{WEIGHTS_FILE}: must have a description whose name is {name}")
            folder_swap.replace_folder(folder)
        finally:
            folder_swap.delete(unfinished)
    return OwnModel(name, folder)


def save_files(name: str, built: Path) -> OwnModel:
    """Save a model whose files lie ready in another folder: see :func:`save`."""

    def write(folder: Path) -> None:
        for file in built.iterdir():
            shutil.copyfile(file, folder / file.name)

    return save(name, write)


@contextmanager
def only_learner(name: str) -> Iterator[None]:
    """Hold the right to learn a name, or to go on learning it.

    Raises:
        UsageError: another process has it.
        OutputError: the folder of all models cannot be written.
    """
    folder = models_folder()
    others = "another rtsod learn, or a run with --keep-learning, is learning it"
    busy = f"{name}: {others}: wait for it, or choose another name"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(folder / f".learning-{name}.lock", 0, lambda: None)
    except TimeoutError as error:
        raise UsageError(busy) from error
    except OSError as error:
        raise output_error(folder, error) from error
    with lock:
        yield


def remove(name: str) -> None:
    """Delete a model of your own, or whatever damaged thing has its name.

    Raises:
        UsageError: there is none; the message lists what there is.
        WeightsError: the folder of all models cannot be read.
        OutputError: it cannot be deleted.
    """
    if name not in {model.name for model in own_models()}:
        own_model(name)
    folder = models_folder() / name
    with _writing(folder):
        folder_swap.remove_folder(folder)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """The right to change a model's folder, for one process at a time. Names the folder in what goes wrong."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(_LOCK_FILE), _LOCK_TIMEOUT_SECONDS, lambda: None):
            yield
    except TimeoutError as error:
        raise OutputError(f"{folder}: another process is saving a model: try again") from error
    except OSError as error:
        raise output_error(folder, error) from error


def _bring_back(folder: Path) -> None:
    """Give a model its name again that a process which died had put aside; or wait for one that lives."""
    with locked(folder.with_name(_LOCK_FILE), _LOCK_TIMEOUT_SECONDS, lambda: None):
        if not os.path.lexists(folder):
            folder_swap.settle(folder)
