"""OpenVINO's form of the network, converted once and kept in the user's cache folder with its digest and an answer."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import openvino as ov
import platformdirs

from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable
from rtsod.model.calibration import Calibration
from rtsod.model.weights import Weights

_log = logging.getLogger(__name__)

_GRAPH_VERSION: Final = 3
"""Raised whenever what the graph computes changes, so that older conversions are not used."""
_GRAPH: Final = ("graph.xml", "graph.bin")
_ANSWER: Final = "answer.txt"
_DIGEST: Final = "graph.sha256"


@dataclass(frozen=True, slots=True)
class Converted:
    """A model ready to be compiled."""

    model: ov.Model
    answer: str
    """Float32 PyTorch's answer to the known picture: see :mod:`rtsod.build.self_check`."""
    folder: Path | None
    """Where it is kept, and compiled forms may be; None where nothing can be written."""


def converted(
    core: ov.Core,
    config: EngineConfig,
    weights: Weights,
    calibration: Calibration | None,
    say: Callable[[str], None] = lambda line: None,
) -> Converted:
    """The model for this configuration, converted if need be.

    A folder that cannot be written costs the conversion at every start, which is said, and nothing else.

    Args:
        core: OpenVINO.
        config: model and input size.
        weights: of the network.
        calibration: its ranges, for 8 bits; None for a float graph.
        say: told, in one line, that a conversion begins and what it takes.

    Raises:
        WeightsError: the weights cannot be had.
        EngineUnavailable: PyTorch, which converts, is not installed.
        EngineError: OpenVINO cannot convert the model.
    """
    kind = "float" if calibration is None else f"int8-{hashlib.sha256(calibration.text().encode()).hexdigest()[:8]}"
    parts = [config.model, str(config.input_size), weights.sha256[:16], kind, f"v{_GRAPH_VERSION}"]
    folder = platformdirs.user_cache_path("rtsod") / "openvino" / "-".join([*parts, ov.__version__.split("-")[0]])
    if folder.is_dir():
        if _intact(folder):
            return Converted(core.read_model(folder / _GRAPH[0]), (folder / _ANSWER).read_text(), folder)
        _log.warning("%s: the converted model there is damaged and is made anew", folder)
        shutil.rmtree(folder, ignore_errors=True)
    say(
        f"converting the {config.model} network at {config.input_size}x{config.input_size}, once: "
        "about a quarter of a minute"
    )
    made = _convert(config, weights, calibration)
    try:
        _keep(made, folder)
    except (OSError, RuntimeError) as error:  # OpenVINO reports a full disk as the latter
        reason = error.strerror if isinstance(error, OSError) else "the disk is full, perhaps"
        _log.warning("%s: the converted model cannot be kept there (%s): every start converts it", folder, reason)
        return made
    return Converted(made.model, made.answer, folder)


def _keep(made: Converted, folder: Path) -> None:
    """Write the model whole or not at all, also when two processes do so at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        ov.save_model(made.model, unfinished / _GRAPH[0], compress_to_fp16=False)
        (unfinished / _ANSWER).write_text(made.answer)
        (unfinished / _DIGEST).write_text(_digest(unfinished))
        try:
            os.replace(unfinished, folder)
        except OSError:
            if not _intact(folder):  # else another process was faster, and its work is as good
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _convert(config: EngineConfig, weights: Weights, calibration: Calibration | None) -> Converted:
    try:
        import torch  # a second to import, and needed once only
    except ImportError as error:
        raise EngineUnavailable("PyTorch converts the model at the first start: pip install torch") from error

    from rtsod.backends.openvino_graph import openvino_from_torch
    from rtsod.build.self_check import answer_of
    from rtsod.model.checkpoints import load_network
    from rtsod.model.quantised import quantised
    from rtsod.model.saliency import SaliencyGraph
    from rtsod.types import Alpha, Image

    network = load_network(weights.file(), config.model)
    exact = SaliencyGraph(network).eval()

    def reference(picture: Image) -> Alpha:
        with torch.inference_mode():
            answer: Alpha = exact(torch.from_numpy(picture)[None])[0, 0].numpy()
        return answer

    graph = exact if calibration is None else quantised(network, calibration, "unsigned")
    answer = answer_of(reference, config.input_size)
    return Converted(openvino_from_torch(graph, config.input_size), answer, None)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (*_GRAPH, _ANSWER):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _intact(folder: Path) -> bool:
    try:
        return (folder / _DIGEST).read_bytes() == _digest(folder).encode()
    except OSError:
        return False
