"""From weights to OpenVINO's form of the network, by PyTorch: the work, wherever it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import openvino as ov

from rtsod.config import ModelName
from rtsod.errors import EngineUnavailable
from rtsod.model.calibration import Calibration

GRAPH: Final = ("graph.xml", "graph.bin")
ANSWERS: Final = "answers.json"
SIZES: Final = (320, 256, 224, 192, 160, 128)
"""Input sizes that the program chooses among by itself: one conversion serves all of them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be converted."""

    model: ModelName
    sizes: tuple[int, ...]
    """At which it is to run, the one to export it at first."""
    weights: Path
    calibration: Calibration | None
    """For 8 bits; None for a float graph."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where the result lies."""

    folder: Path | None
    """The one that took it; None: none did."""
    faults: tuple[str, ...]
    """What was wrong with those before it."""


def convert(order: Order) -> tuple[ov.Model, dict[int, str]]:
    """The model, of any size, and float32 PyTorch's answers to the known picture, by the size.

    See :func:`rtsod.backends.openvino.dynamic_shapes.fix_size` and :mod:`rtsod.backends.self_check`.

    Raises:
        WeightsError: the file is not this model's weights.
        EngineUnavailable: PyTorch is not installed.
        EngineError: OpenVINO cannot convert the model.
    """
    try:
        import torch  # a second to import, and needed once only
    except ImportError as error:
        raise EngineUnavailable("PyTorch converts the model at the first start: pip install torch") from error

    from rtsod.backends.openvino.model_from_torch import openvino_from_torch
    from rtsod.backends.self_check import golden_output
    from rtsod.frames import Alpha, Image
    from rtsod.model.checkpoints import load_network
    from rtsod.model.int8 import int8_from_fp32
    from rtsod.model.saliency import SaliencyGraph

    network = load_network(order.weights, order.model)
    exact = SaliencyGraph(network).eval()

    def reference(picture: Image) -> Alpha:
        with torch.inference_mode():
            answer: Alpha = exact(torch.from_numpy(picture)[None])[0, 0].numpy()
        return answer

    graph = exact if order.calibration is None else int8_from_fp32(network, order.calibration, "unsigned")
    answers = {size: golden_output(reference, size) for size in order.sizes}
    return openvino_from_torch(graph, order.sizes[0]), answers


def write(model: ov.Model, answers: Mapping[int, str], folders: Sequence[Path]) -> Written:
    """Into the first of the folders that takes it."""
    faults = []
    for folder in folders:
        try:
            ov.save_model(model, folder / GRAPH[0], compress_to_fp16=False)
            (folder / ANSWERS).write_text(json.dumps(answers))
        except (OSError, RuntimeError) as error:  # OpenVINO reports a full disk as the latter
            reason = error.strerror if isinstance(error, OSError) else None
            faults.append(reason or "the disk is full, perhaps")
        else:
            return Written(folder, tuple(faults))
    return Written(None, tuple(faults))


def convert_into(order: Order, folders: Sequence[Path]) -> Written:
    """Both, for a process of its own."""
    return write(*convert(order), folders)
