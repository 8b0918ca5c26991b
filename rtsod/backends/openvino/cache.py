"""OpenVINO's form of the network, converted once and kept in the user's cache folder with its digest and an answer."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import openvino as ov
import platformdirs

from rtsod.backends.openvino.conversion import ANSWERS, GRAPH, SIZES, Order, Written, convert, convert_into
from rtsod.backends.openvino.dynamic_shapes import fix_size
from rtsod.config import EngineConfig
from rtsod.model.calibration import Calibration
from rtsod.model.weights import Weights
from rtsod.progress import Notify
from rtsod.system.file_lock import locked
from rtsod.system.subprocess_call import call_in_subprocess

_log = logging.getLogger(__name__)

_GRAPH_VERSION: Final = 4
"""Raised whenever what the graph computes changes, so that older conversions are not used."""
_DIGEST: Final = "graph.sha256"
_unkept: Final[dict[Path, tuple[ov.Model, dict[str, str]]]] = {}
"""By where they belong: models of any size and their answers that could not be kept there, for the other sizes."""
_PATIENCE: Final = 120.0
"""Seconds to wait for another process that converts the same; one that takes longer hangs, and is not needed."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A model ready to be compiled."""

    model: ov.Model
    """Of this very size."""
    answer: str
    """Float32 PyTorch's answer to the known picture: see :mod:`rtsod.backends.self_check`."""
    folder: Path | None
    """Where it is kept, and compiled forms may be; None where nothing can be written."""


def converted(
    core: ov.Core,
    config: EngineConfig,
    weights: Weights,
    calibration: Calibration | None,
    notify: Notify = lambda line: None,
) -> Converted:
    """The model for this configuration, converted if need be: by one process at a time, and apart from this one.

    A folder that cannot be written costs the conversion at every start, which is said, and nothing else.

    Args:
        core: OpenVINO.
        config: model and input size.
        weights: of the network.
        calibration: its ranges, for 8 bits; None for a float graph.
        notify: told, in one line, that a conversion begins and what it takes, or that another process is at it.

    Raises:
        WeightsError: the weights cannot be had.
        EngineUnavailable: PyTorch, which converts, is not installed.
        EngineError: OpenVINO cannot convert the model.
    """
    size = config.input_size
    sizes = SIZES if size in SIZES else (size,)
    kind = "float" if calibration is None else f"int8-{hashlib.sha256(calibration.text().encode()).hexdigest()[:8]}"
    parts = [config.model, str(sizes[0]), weights.sha256[:16], kind, f"v{_GRAPH_VERSION}"]
    folder = platformdirs.user_cache_path("rtsod") / "openvino" / "-".join([*parts, ov.__version__.split("-")[0]])
    if _intact(folder):
        return _kept(core, folder, size)
    if folder in _unkept:
        return _held(folder, size)
    order = Order(config.model, sizes, weights.file(), calibration)
    with _alone(folder, notify):
        if _intact(folder):  # another process has converted it meanwhile
            return _kept(core, folder, size)
        if folder.exists():
            _log.warning("%s: the converted model there is damaged and is made anew", folder)
            shutil.rmtree(folder, ignore_errors=True)
        notify(f"converting the {config.model} network for OpenVINO, once: about a quarter of a minute")
        return _made(core, order, folder, size)


@contextmanager
def _alone(folder: Path, notify: Notify) -> Iterator[None]:
    """No two processes convert the same at once, as far as that can be had: it only saves work."""
    waiting = partial(notify, "another process is converting the network: waiting for it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = locked(folder.with_name(f".{folder.name}.lock"), _PATIENCE, waiting)
    except OSError as error:
        _log.info("no lock on the conversion: %s", error)
        yield
        return
    with lock:
        for left in folder.parent.glob(f"{_unfinished(folder)}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield


def _made(core: ov.Core, order: Order, folder: Path, size: int) -> Converted:
    with ExitStack() as stack:
        places: list[Path] = []
        faults: list[str] = []
        for parent in (folder.parent, None):  # beside its place, to be moved there whole; or anywhere
            try:
                if parent is not None:
                    parent.mkdir(parents=True, exist_ok=True)
                unfinished = TemporaryDirectory(prefix=_unfinished(folder), dir=parent, ignore_cleanup_errors=True)
            except FileExistsError:  # a file stands where a folder should
                faults.append(os.strerror(errno.ENOTDIR))
            except OSError as error:
                faults.append(error.strerror or str(error))
            else:
                places.append(Path(stack.enter_context(unfinished)))
        written = _written(order, places)
        faults += written.faults
        if written.folder is not None and written.folder.parent == folder.parent:
            try:
                _move_in(written.folder, folder)
                return _kept(core, folder, size)
            except OSError as error:
                faults.append(error.strerror or str(error))
        _log.warning("%s: the converted model cannot be kept there (%s): every start converts it", folder, faults[0])
        if written.folder is None:  # PyTorch has to work here then, where nothing need be written
            model, answers = convert(order)
            _unkept[folder] = model, {str(each): answer for each, answer in answers.items()}
        else:
            graph, constants = ((written.folder / name).read_bytes() for name in GRAPH)
            _unkept[folder] = core.read_model(graph, constants), _answers(written.folder)
        return _held(folder, size)


def _written(order: Order, places: list[Path]) -> Written:
    if not places:
        return Written(None, ())
    try:
        return call_in_subprocess("converting the network", convert_into, order, places)
    except OSError as error:
        _log.info("converting without a process for it: %s", error)
        return convert_into(order, places)


def _move_in(unfinished: Path, folder: Path) -> None:
    """Put a whole conversion in its place."""
    (unfinished / _DIGEST).write_text(_digest(unfinished))
    try:
        os.replace(unfinished, folder)
    except OSError:
        if not _intact(folder):  # else another process was faster, and its work is as good
            raise


def _kept(core: ov.Core, folder: Path, size: int) -> Converted:
    return Converted(fix_size(core.read_model(folder / GRAPH[0]), size), _answers(folder)[str(size)], folder)


def _held(folder: Path, size: int) -> Converted:
    model, answers = _unkept[folder]
    return Converted(fix_size(model.clone(), size), answers[str(size)], None)


def _answers(folder: Path) -> dict[str, str]:
    answers: dict[str, str] = json.loads((folder / ANSWERS).read_text())
    return answers


def _unfinished(folder: Path) -> str:
    return f".{folder.name}-"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (*GRAPH, ANSWERS):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _intact(folder: Path) -> bool:
    try:
        return (folder / _DIGEST).read_bytes() == _digest(folder).encode()
    except OSError:
        return False
