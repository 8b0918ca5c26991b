"""Finds the converted network in the user's cache folder, or converts it and stores it there.

A conversion is a folder: the model, the golden outputs for its self-check, and a digest of both. The same folder holds
its compiled forms, which are used without the rest: see :mod:`rtsod.backends.openvino.compiled_form`.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rtsod.backends.openvino.compiled_form import FormCache
from rtsod.backends.openvino.conversion import (
    GRAPH_FILES,
    ConversionRequest,
    ConversionResult,
    convert,
    convert_and_save,
    golden_outputs_in,
    is_intact,
    move_into_place,
)
from rtsod.backends.openvino.core import openvino_core, ov
from rtsod.backends.openvino.dynamic_shapes import fix_size
from rtsod.backends.shared_sizes import shared_sizes
from rtsod.config import EngineConfig
from rtsod.model.calibration import Calibration
from rtsod.model.tensors import require_reader
from rtsod.model.weights import ReportBytes, Weights, fetch
from rtsod.progress import Notify
from rtsod.system.cache_folder import CACHE_LOG, cache_folder
from rtsod.system.file_lock import locked
from rtsod.system.files import unfinished_folder
from rtsod.system.subprocess_call import call_in_subprocess

_log = logging.getLogger(CACHE_LOG)

_GRAPH_VERSION: Final = 6
"""Increased whenever what the graph computes changes, or the golden input, so that older conversions are not used."""
_LOCK_TIMEOUT_SECONDS: Final = 120.0
"""A conversion takes some seconds. One that takes longer than this hangs, and nothing waits for it."""


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A model ready to be compiled."""

    model: ov.Model
    """Fixed to the requested input size."""
    golden_output: str
    """Float32 output for the golden input: see :mod:`rtsod.backends.self_check`."""
    stored: bool
    """Whether it is in the cache; False if nothing could be written there."""


class ModelCache:
    """Converted networks on disk. Those that cannot be stored there stay in memory, for engines of other sizes.

    Args:
        core: OpenVINO.
        root: the folder for conversions; None for the one in the user's cache, if there is a cache.
        lock_timeout: seconds to wait for another process that converts the same network.
    """

    def __init__(self, core: ov.Core, root: Path | None = None, *, lock_timeout: float = _LOCK_TIMEOUT_SECONDS) -> None:
        self.core = core
        self._root, self._fault, self._lock_timeout = root, "", lock_timeout
        if root is None:
            try:
                self._root = cache_folder() / "openvino"
            except OSError as error:
                self._fault = error.strerror or str(error)
        self._unsaved: dict[str, tuple[ov.Model, dict[str, str]]] = {}
        """Models of any size and their golden outputs, by the name of the folder they belong in."""

    @property
    def root(self) -> Path | None:
        """The folder for conversions, which need not exist; None if there is no cache."""
        return self._root

    def _folder(self, name: str) -> Path | None:
        return None if self._root is None else self._root / name

    def forms(self, config: EngineConfig, weights: Weights, calibration: Calibration | None) -> FormCache | None:
        """The compiled forms of a configuration's model, which need not be converted; None if there is no cache."""
        folder = self._folder(_folder_name(weights, shared_sizes(config.side), calibration))
        return None if folder is None else FormCache(self.core, folder)

    def has(self, config: EngineConfig, weights: Weights, calibration: Calibration | None) -> bool:
        """Whether there is a conversion for a configuration. Looks for its folder alone, which may be damaged."""
        folder = self._folder(_folder_name(weights, shared_sizes(config.side), calibration))
        return folder is not None and folder.is_dir()

    def model(
        self,
        config: EngineConfig,
        weights: Weights,
        calibration: Calibration | None,
        notify: Notify = lambda line: None,
        report: ReportBytes = lambda done, total: None,
    ) -> ConvertedModel:
        """The model for a configuration. Reads the weights, and downloads them, only if it must convert.

        One process converts at a time, in a subprocess that returns the memory. If the folder cannot be written,
        every start converts again, with a warning.

        Args:
            config: model and input size.
            weights: of the network.
            calibration: its activation ranges, for int8; None for a float graph.
            notify: told, in one line, that a conversion begins and how long it takes, or that it waits for another.
            report: told how far a download of the weights is.

        Raises:
            WeightsError: the weights cannot be downloaded or read.
            EngineUnavailable: they need PyTorch to be read, which is not installed.
            EngineError: OpenVINO refuses the graph.
        """
        size = config.side
        sizes = shared_sizes(size)
        name = _folder_name(weights, sizes, calibration)
        folder = self._folder(name)
        if folder is not None and is_intact(folder):
            return self._load_cached(folder, size)
        if name in self._unsaved:
            return self._load_unsaved(name, size)
        path = fetch(weights, report)
        require_reader(path)
        request = ConversionRequest(weights.description, sizes, path, weights.sha256, calibration)
        form = "floating point" if calibration is None else "8 bits"
        converting = f"converting the {weights.model} model ({form}) for this computer, once: a few seconds"
        if folder is None:
            notify(converting)
            return self._convert(request, name, size)
        with _exclusive(folder, self._lock_timeout, notify):
            if is_intact(folder):  # another process has converted it by now
                return self._load_cached(folder, size)
            if folder.exists():
                _log.warning("%s: the converted model is damaged or cannot be read: converting again", folder)
                shutil.rmtree(folder, ignore_errors=True)
            notify(converting)
            return self._convert(request, name, size)

    def _convert(self, request: ConversionRequest, name: str, size: int) -> ConvertedModel:
        folder = self._folder(name)
        with ExitStack() as stack:
            places: list[Path] = []
            faults: list[str] = [self._fault] if folder is None else []
            if folder is not None:  # beside its final place, to be renamed into it
                try:
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    unfinished = unfinished_folder(folder.parent, _unfinished_prefix(folder))
                    places.append(stack.enter_context(unfinished))
                except FileExistsError:  # a file is where a folder should be
                    faults.append(os.strerror(errno.ENOTDIR))
                except OSError as error:
                    faults.append(error.strerror or str(error))
            try:  # or in any other
                anywhere = TemporaryDirectory(prefix=f".{name}-", ignore_cleanup_errors=True)
                places.append(Path(stack.enter_context(anywhere)))
            except OSError as error:
                faults.append(error.strerror or str(error))
            result = _run_conversion(request, places)
            faults += result.faults
            if folder is not None and result.folder is not None and result.folder.parent == folder.parent:
                try:
                    move_into_place(result.folder, folder)
                    return self._load_cached(folder, size)
                except OSError as error:
                    faults.append(error.strerror or str(error))
            _log.warning(
                "%s: cannot store the converted model (%s): every start converts it again", folder or name, faults[0]
            )
            if result.folder is None:  # converting in this process writes no file
                model, golden_outputs = convert(request)
                self._unsaved[name] = model, {str(each): output for each, output in golden_outputs.items()}
            else:
                graph, constants = ((result.folder / file).read_bytes() for file in GRAPH_FILES)
                self._unsaved[name] = self.core.read_model(graph, constants), golden_outputs_in(result.folder)
            return self._load_unsaved(name, size)

    def _load_cached(self, folder: Path, size: int) -> ConvertedModel:
        model = fix_size(self.core.read_model(folder / GRAPH_FILES[0]), size)
        return ConvertedModel(model, golden_outputs_in(folder)[str(size)], stored=True)

    def _load_unsaved(self, name: str, size: int) -> ConvertedModel:
        model, golden_outputs = self._unsaved[name]
        return ConvertedModel(fix_size(model.clone(), size), golden_outputs[str(size)], stored=False)


@cache
def model_cache() -> ModelCache:
    """The model cache of this process, in the user's cache folder."""
    return ModelCache(openvino_core())


@contextmanager
def _exclusive(folder: Path, lock_timeout: float, notify: Notify) -> Iterator[None]:
    """Keep other processes from converting the same network, where a lock can be taken. It only saves work."""
    waiting = partial(notify, "another process is converting the model: waiting for it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = locked(folder.with_name(f".{folder.name}.lock"), lock_timeout, waiting)
    except OSError as error:
        _log.info("converting without a lock: %s", error)
        yield
        return
    with lock:
        for abandoned in folder.parent.glob(f"{_unfinished_prefix(folder)}*"):  # by a process that was killed
            shutil.rmtree(abandoned, ignore_errors=True)
        yield


def _folder_name(weights: Weights, sizes: tuple[int, ...], calibration: Calibration | None) -> str:
    kind = "float" if calibration is None else f"int8-{hashlib.sha256(calibration.text().encode()).hexdigest()[:8]}"
    parts = [weights.model, str(sizes[0]), weights.sha256[:16], kind, f"v{_GRAPH_VERSION}"]
    return "-".join([*parts, ov.__version__.split("-")[0]])


def _run_conversion(request: ConversionRequest, places: list[Path]) -> ConversionResult:
    """Convert into the first writable place, in a subprocess if one can be started."""
    if not places:
        return ConversionResult(None, ())
    try:
        return call_in_subprocess("converting the network", convert_and_save, request, places)
    except OSError as error:
        _log.info("converting without a subprocess: %s", error)
        return convert_and_save(request, places)


def _unfinished_prefix(folder: Path) -> str:
    return f".{folder.name}-"
