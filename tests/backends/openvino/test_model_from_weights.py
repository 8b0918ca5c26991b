"""The model that is built from weights is the one that OpenVINO's converter makes of the PyTorch graph."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.support.model_from_torch import openvino_from_torch
from rtsod.backends.openvino.core import openvino_core, ov
from rtsod.backends.openvino.dynamic_shapes import fix_size
from rtsod.backends.openvino.int8_saturation import REDUCED_WEIGHT_MAX
from rtsod.backends.openvino.model_from_weights import model_from_weights
from rtsod.config import EngineConfig
from rtsod.frames import Alpha
from rtsod.model.calibration import Calibration, calibration_for
from rtsod.model.checkpoints import load_graph
from rtsod.model.golden_input import golden_input
from rtsod.model.int8 import int8_from_fp32
from rtsod.model.reference import reference_saliency
from rtsod.model.tensors import folded_weights
from rtsod.model.weights import Weights, fetch, resolve

MODELS = ("lite", "full", "tiny")


def _calibration(weights: Weights, precision: str) -> Calibration | None:
    if precision == "fp32":
        return None
    calibration = calibration_for(weights)
    return replace(calibration, weight_max=REDUCED_WEIGHT_MAX) if precision == "int8 of 7 bits" else calibration


def _built(weights: Weights, calibration: Calibration | None) -> ov.Model:
    return model_from_weights(folded_weights(fetch(weights), weights.description), weights.description, calibration)


def _converted(weights: Weights, calibration: Calibration | None, size: int) -> ov.Model:
    graph = load_graph(fetch(weights), weights.description)
    return openvino_from_torch(graph if calibration is None else int8_from_fp32(graph, calibration, "unsigned"), size)


def _map(model: ov.Model, size: int) -> Alpha:
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(fix_size(model.clone(), size), "CPU", options)
    return np.array(compiled([golden_input(size)[None]])[0][0, 0])


def _numbers(model: ov.Model) -> list[tuple[str, bytes]]:
    """What each convolution, bias and quantiser computes with, in order."""
    found = []
    for node in model.get_ordered_ops():
        inputs = [value.get_node() for value in node.input_values()]
        if node.get_type_name() in ("Convolution", "FakeQuantize"):
            pending = inputs[1:]
        elif node.get_type_name() in ("Add", "Multiply"):  # biases, and the normalisation
            pending = [each for each in inputs if each.get_type_name() == "Constant"]
        else:
            continue
        while pending:
            each = pending.pop()
            if each.get_type_name() == "Constant":
                found.append((node.get_type_name(), each.get_data().tobytes()))
            pending += [value.get_node() for value in each.input_values()]
    return found


@pytest.mark.parametrize("precision", ["fp32", "int8", "int8 of 7 bits"])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_graph_that_the_converter_makes(
    published_weights: dict[str, Path], name: str, precision: str
) -> None:
    weights = resolve(EngineConfig(name))
    calibration = _calibration(weights, precision)
    built, converted = _built(weights, calibration), _converted(weights, calibration, 320)
    kinds = [Counter(node.get_type_name() for node in model.get_ordered_ops()) for model in (built, converted)]
    for kind in ("Convolution", "FakeQuantize", "Relu", "MaxPool", "Interpolate", "Concat", "Add"):
        assert kinds[0][kind] == kinds[1][kind], kind
    assert _numbers(built) == _numbers(converted)
    for size in (128, 320):
        assert np.abs(_map(built, size) - _map(converted, size)).max() <= 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_the_reference_computes_what_pytorch_computes(published_weights: dict[str, Path], name: str) -> None:
    weights = resolve(EngineConfig(name))
    path, image = fetch(weights), golden_input(96)
    with torch.inference_mode():
        expected = load_graph(path, weights.description)(torch.from_numpy(image)[None])[0, 0].numpy()
    got = reference_saliency(folded_weights(path, weights.description), weights.description, image)
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() < 1e-3
    assert np.abs(got - expected).mean() < 1e-5
