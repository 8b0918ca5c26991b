"""Which weights a run uses, and where to get the authors' own: downloaded once, verified by SHA-256, usable offline.

:func:`resolve` says which weights a configuration means and downloads nothing. :func:`fetch` gives the file.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from urllib.request import getproxies

from rtsod.config import DEFAULT_MODEL, WEIGHTS_SUFFIXES, EngineConfig, ModelName
from rtsod.errors import UsageError, WeightsError
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description, describe
from rtsod.model.origins import ReportBytes as ReportBytes
from rtsod.model.published import PUBLISHED as PUBLISHED
from rtsod.model.published import PublishedFile
from rtsod.model.stored import StoredModel, stored_card, stored_description, stored_model
from rtsod.model.table import TABLES
from rtsod.system.cache_folder import CACHE_LOG, cache_folder
from rtsod.system.files import UnfinishedFile

_log = logging.getLogger(CACHE_LOG)


def _ignore(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights that a run uses."""

    description: Description
    """What they say of themselves; for files that say nothing, that of the published model that was asked for."""
    sha256: str
    """SHA-256 of the file, its description included. What is derived from it (conversions, calibrations, engines) is
    stored under this name."""
    label: str
    """For people."""
    path: Path | None
    """A file on this machine; None for the authors', which :func:`fetch` downloads."""
    calibration: Path | None = None
    """The file of their calibration, which need not exist, for a model with a name of its own; None for others, whose
    calibrations :mod:`rtsod.model.calibration` looks for."""

    @property
    def model(self) -> str:
        """The network's name: ``full``, ``lite``, a stored model's, or what your own weights give themselves."""
        return self.description.name


def published(model: ModelName) -> Weights:
    """The authors' weights of a model."""
    file = PUBLISHED[model]
    return Weights(PUBLISHED_DESCRIPTIONS[model], file.sha256, f"the authors' {file.file_name}", None)


def resolve(config: EngineConfig) -> Weights:
    """The weights that a configuration means. Hashes a file on this machine; neither downloads nor reads the authors'.

    Raises:
        UsageError: no model has the name; the message lists what there is.
        WeightsError: the file cannot be read or is damaged, or says that it is of another model than was asked for.
    """
    if (model := _stored(config.weights, config.model)) is not None:
        description, digest = stored_description(model), _digest(model.weights)
        stored_card(model, digest)
        return Weights(description, digest, model.label, model.weights, model.calibration)
    if config.weights is None:
        return published(cast("ModelName", config.model or DEFAULT_MODEL))
    if config.weights.suffix.lower() not in WEIGHTS_SUFFIXES:
        given = config.weights.suffix or "a file without suffix"
        raise WeightsError(f"{config.weights}: weights must be a {', '.join(WEIGHTS_SUFFIXES)} file, not {given}")
    digest = _digest(config.weights)
    return Weights(described(config), digest, config.weights.name, config.weights)


def described(config: EngineConfig) -> Description:
    """The description of the weights that a configuration means. Reads at most the header of a file on this machine.

    Raises:
        UsageError: no model has the name; the message lists what there is.
        WeightsError: the file cannot be read, or says that it is of another model than was asked for.
    """
    if (stored := _stored(config.weights, config.model)) is not None:
        return stored_description(stored)
    model = cast("ModelName", config.model or DEFAULT_MODEL)
    found = None if config.weights is None else describe(config.weights)
    if found is None:
        return PUBLISHED_DESCRIPTIONS[model]
    if config.model is not None and found.table != TABLES[model]:
        raise WeightsError(
            f"{config.weights}: says that it holds {found.name}, not the {model} model: drop "
            f"--model {model}, for the file itself names its model"
        )
    return found


def with_size(config: EngineConfig) -> EngineConfig:
    """The configuration with its input size decided: as given, or else the one that the weights were trained at.

    Raises:
        UsageError: no model has the name; the message lists what there is. Or the size does not fit the other options.
        WeightsError: the file cannot be read, or says that it is of another model than was asked for.
    """
    if config.input_size is not None:
        return config
    return replace(config, input_size=described(config).size)


def weights_folder() -> Path:
    """Where the authors' weights are kept: in the user's cache folder.

    Raises:
        OSError: the user has no cache folder.
    """
    return cache_folder() / "weights"


def fetch(weights: Weights, report: ReportBytes = _ignore) -> Path:
    """The file of these weights on this machine.

    The authors' are downloaded if they are missing or do not match their SHA-256. Checking that reads the whole file
    (176 MB for the full model), so call this only when you need the weights themselves.

    Args:
        weights: which file.
        report: told how far a download is, in bytes of the file, though it may be compressed on the way.

    Raises:
        WeightsError: no origin answered, or the cache cannot be read or written; the message lists what was tried.
    """
    if weights.path is not None:
        return weights.path
    file = _published_file(weights)
    try:
        folder = weights_folder()
    except OSError as error:
        raise WeightsError(f"cannot store the weights: {error.strerror}, or use --weights FILE") from error
    path = folder / file.file_name
    found = _hash_if_there(path)
    if found == file.sha256:
        return path
    damage = "" if found is None else f"{path} is there, and is not the authors' file: its sha256 is {found}"
    if damage:
        _log.warning("%s: downloading it again", damage)
    failures: list[str] = []
    for origin in file.origins:
        unfinished = UnfinishedFile(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            origin.download(unfinished.path, partial(_report_of_file, report, file.size))
            if sha256_of(unfinished.path) != file.sha256:
                raise WeightsError("its hash differs from the authors' file's")
            unfinished.finish()
            return path
        except OSError as error:
            if error.errno is not None:
                # The disk failed, not the network (the HTTP library's errors carry no errno): do not try other origins.
                raise WeightsError(
                    f"{folder}: cannot store the weights there: {error.strerror or error}: set "
                    "XDG_CACHE_HOME to a folder that can be written, or use --weights FILE"
                ) from error
            failures.append(f"{origin}: {_brief(error)}")
        except (WeightsError, ValueError, zipfile.BadZipFile, KeyError) as error:
            failures.append(f"{origin}: {_brief(error)}")
        finally:
            with suppress(OSError):
                unfinished.discard()
    said = f"{damage}. " if damage else ""
    raise WeightsError(
        f"cannot download the weights of the {weights.model} model. {said}Tried {'; '.join(failures)}{_proxy()}. To "
        f"install them by hand, put {file.file_name} (sha256 {file.sha256}) into {folder}, or use --weights FILE"
    )


def is_first_use(weights: Weights) -> bool:
    """Whether the cache holds neither these weights, which are the authors', nor anything that was made from them.

    Then nothing can run without a download. Looks at names alone; False where they cannot be read.
    """
    if weights.path is not None:
        return False
    try:
        made = (path.name for path in cache_folder().glob("*/*"))
        known = (_published_file(weights).file_name, weights.sha256[:12])
        return not any(name in found for found in made for name in known)
    except OSError:
        return False


def unreadable(path: Path, error: OSError) -> str:
    """Why a file in the cache cannot be read, in one line with the fix: for shared caches, often its permissions."""
    try:
        path.stat()
        found = f"{path}: the weights are there and cannot be read: {error.strerror or error}: change its permissions"
    except OSError:
        found = f"{path}: cannot be looked for: {error.strerror or error}: change the permissions of its folders"
    return f"{found}, set XDG_CACHE_HOME to another folder, or use --weights FILE"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored(path: Path | None, model: str | None) -> StoredModel | None:
    """The stored model that ``--weights`` and ``--model`` mean; None for a file, and for the authors' networks."""
    if model is None or not is_stored(path, model):
        return None
    try:
        return stored_model(model)
    except UsageError as error:
        raise UsageError(f"--model {error}") from error


def is_stored(path: Path | None, model: str | None) -> bool:
    """Whether ``--weights`` and ``--model`` mean a model that ships or is your own; there need be none of the name."""
    return path is None and model is not None and model not in PUBLISHED


def _digest(path: Path) -> str:
    """The SHA-256 of weights on this machine.

    Raises:
        WeightsError: they cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would never end
            raise WeightsError(f"{path}: is not a file")
        return sha256_of(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error


def _published_file(weights: Weights) -> PublishedFile:
    """The authors' file of weights without a path."""
    return PUBLISHED[cast("ModelName", weights.model)]


def _hash_if_there(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise WeightsError(unreadable(path, error)) from error


def _report_of_file(report: ReportBytes, size: int, done: int, total: int) -> None:
    """Report how much of a file is there, of which ``done`` of ``total`` bytes came, perhaps compressed."""
    report(min(done * size // (total or size), size), size)


def _proxy() -> str:
    """What to say of a proxy that is set, without its user's name and password; nothing where there is none."""
    if (proxy := getproxies().get("https")) is None:
        return ""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"//{proxy}")
        place = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        place = None
    return f" (a proxy is set{f', {place}' if place else ''}: does it answer?)"


def _brief(error: Exception) -> str:
    """The reason for a failure, without the chain of objects that HTTP libraries wrap around it."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    for known in ("Name or service not known", "Temporary failure in name resolution", "Connection refused",
                  "Network is unreachable", "timed out"):  # fmt: skip
        if known in text:
            return known.lower()
    return text if len(text) <= 120 else text[:117] + "..."
