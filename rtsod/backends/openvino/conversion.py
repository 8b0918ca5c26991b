"""Converts weights to an OpenVINO model, and tells whether a conversion is intact.

:mod:`rtsod.backends.openvino.cache` decides when and where.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.backends.golden_outputs import golden_outputs
from rtsod.backends.openvino.core import ov
from rtsod.backends.openvino.model_from_weights import model_from_weights
from rtsod.model.calibration import Calibration
from rtsod.model.description import Description
from rtsod.model.tensors import folded_weights

GRAPH_FILES: Final = ("graph.xml", "graph.bin")
GOLDEN_OUTPUTS_FILE: Final = "answers.json"
_DIGEST_FILE: Final = "graph.sha256"


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """What to convert."""

    description: Description
    """Of the weights."""
    sizes: tuple[int, ...]
    """The input sizes it will run at, in pixels."""
    weights: Path
    weights_sha256: str
    """Of the file."""
    calibration: Calibration | None
    """Activation ranges for int8; None for a float graph."""


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """Where a conversion was saved."""

    folder: Path | None
    """The folder it was saved to; None if none could be written."""
    faults: tuple[str, ...]
    """Why the folders tried before that one could not be written."""


def convert(request: ConversionRequest) -> tuple[ov.Model, dict[int, str]]:
    """Build a network.

    Returns:
        The model, of any input size (see :func:`rtsod.backends.openvino.dynamic_shapes.fix_size`), and the float32
        golden outputs by input size (see :mod:`rtsod.backends.self_check`): PyTorch's where they come with the
        program, else those of :mod:`rtsod.model.reference`.

    Raises:
        WeightsError: the file does not hold this model's weights, or it needs PyTorch to be read, which is not
            installed.
        EngineError: OpenVINO refuses the graph.
    """
    weights = folded_weights(request.weights, request.description)
    expected = golden_outputs(weights, request.description, request.weights_sha256, request.sizes)
    return model_from_weights(weights, request.description, request.calibration), expected


def save(model: ov.Model, golden_outputs: Mapping[int, str], folders: Sequence[Path]) -> ConversionResult:
    """Save a conversion to the first of the folders that can be written."""
    faults = []
    for folder in folders:
        try:
            ov.save_model(model, folder / GRAPH_FILES[0], compress_to_fp16=False)
            (folder / GOLDEN_OUTPUTS_FILE).write_text(json.dumps(golden_outputs))
        except (OSError, RuntimeError) as error:  # OpenVINO raises RuntimeError when the disk is full
            reason = error.strerror if isinstance(error, OSError) else None
            faults.append(reason or "the disk may be full")
        else:
            return ConversionResult(folder, tuple(faults))
    return ConversionResult(None, tuple(faults))


def convert_and_save(request: ConversionRequest, folders: Sequence[Path]) -> ConversionResult:
    """:func:`convert`, then :func:`save`: what runs in a subprocess."""
    return save(*convert(request), folders)


def move_into_place(unfinished: Path, folder: Path) -> None:
    """Add the digest to a complete conversion and rename its folder."""
    (unfinished / _DIGEST_FILE).write_text(_digest(unfinished))
    try:
        os.replace(unfinished, folder)
    except OSError:
        if not is_intact(folder):  # if it is, another process was faster, and its conversion is the same
            raise


def golden_outputs_in(folder: Path) -> dict[str, str]:
    """The float32 golden outputs in a conversion, by input size."""
    outputs: dict[str, str] = json.loads((folder / GOLDEN_OUTPUTS_FILE).read_text())
    return outputs


def is_intact(folder: Path) -> bool:
    """Whether a folder holds a conversion, byte for byte as it was made."""
    try:
        return (folder / _DIGEST_FILE).read_bytes() == _digest(folder).encode()
    except OSError:
        return False


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (*GRAPH_FILES, GOLDEN_OUTPUTS_FILE):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
