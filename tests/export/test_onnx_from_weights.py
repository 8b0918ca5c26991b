"""The graph that is built from weights is the one that PyTorch's exporter makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from rtsod.config import EngineConfig
from rtsod.export.onnx_from_weights import onnx_from_weights
from rtsod.export.resized import sizes_of
from rtsod.model.checkpoints import load_graph
from rtsod.model.tensors import folded_weights
from rtsod.model.weights import fetch, resolve

DEFAULTS: dict[str, Any] = {
    "group": 1, "strides": [1, 1], "auto_pad": b"NOTSET", "storage_order": 0, "antialias": 0, "exclude_outside": 0,
    "keep_aspect_ratio_policy": b"stretch", "extrapolation_value": 0.0, "cubic_coeff_a": -0.75,
    "nearest_mode": b"floor",
}  # fmt: skip
"""Attributes that change nothing, which one of the two graphs leaves out."""


def _steps(model: onnx.ModelProto) -> list[tuple[Any, ...]]:
    """What is computed, from the output back: the operator, its attributes, which results it reads, its constants."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    producers = {node.output[0]: node for node in model.graph.node}
    wanted = [model.graph.output[0].name]
    """The results in the order in which they are first read, whatever order the nodes are stored in."""
    steps = []
    for name in wanted:
        if name == model.graph.input[0].name:
            continue
        node = producers[name]
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "MaxPool":
            attributes = {name: attributes[name] for name in ("kernel_shape", "strides", "ceil_mode")}
        plain = {name: value for name, value in attributes.items() if value != DEFAULTS.get(name)}
        read = [each for each in node.input if each and each not in stored]
        wanted += dict.fromkeys(each for each in read if each not in wanted)
        constants = [stored[each] for each in node.input if each in stored]
        if node.op_type == "Slice":  # "to the first": any integer that is small enough
            constants = [np.maximum(each, -(1 << 31)) for each in constants]
        steps.append((node.op_type, sorted(plain.items()), [wanted.index(each) for each in read], constants))
    assert len(steps) == len(model.graph.node)
    return steps


@pytest.mark.parametrize(("model", "size"), [("lite", 128), ("full", 64), ("tiny", 100)])
def test_it_is_the_graph_that_pytorch_exports(model: str, size: int, published_weights: dict[str, Path]) -> None:
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    from rtsod.export.onnx_from_torch import onnx_from_torch, typing_fault

    weights = resolve(EngineConfig(model))
    path, description = fetch(weights), weights.description
    built = onnx.load_from_string(onnx_from_weights(folded_weights(path, description), description, size))
    exported = onnx_from_torch(load_graph(path, description), "fp32", size)
    onnx.checker.check_model(built, full_check=True)
    if model != "tiny":
        assert typing_fault(built, "fp32") is None
    for ours, theirs in zip(_steps(built), _steps(exported), strict=True):
        assert ours[:3] == theirs[:3]
        assert all(np.array_equal(*pair) for pair in zip(ours[3], theirs[3], strict=True)), ours[0]


def test_it_can_be_resized(published_weights: dict[str, Path]) -> None:
    weights = resolve(EngineConfig("tiny"))
    tensors = folded_weights(fetch(weights), weights.description)
    larger, smaller = (onnx_from_weights(tensors, weights.description, size) for size in (128, 64))
    assert sizes_of(larger, (128, 96, 64)) == [128, 96, 64]
    assert len(larger) == pytest.approx(len(smaller), rel=1e-3)
