"""The typed ONNX graph: bytes in, saliency out, precision written into every tensor.

TensorRT 11 has no builder flag for half precision any more: what the graph says is what runs. So the network is rounded
here (:mod:`rtsod.model.fp16`), after its batch norm was folded in float32, and the only casts in the graph are the ones
the model itself asks for: bytes to float32, float32 to the network's type, and back to float32 before the sigmoid.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Literal, TypeAlias

import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import nn
from torch.fx import GraphModule

from rtsod.errors import EngineError, EngineUnavailable
from rtsod.model.calibration import Calibration
from rtsod.model.fp16 import fp16_from_fp32
from rtsod.model.golden_input import golden_input
from rtsod.model.int8 import Int8Conv, int8_from_fp32
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import U2Net, convolutions

ExportPrecision: TypeAlias = Literal["fp32", "fp16", "int8"]

OPSET: Final = 20
"""Read by every TensorRT from 10.12 on."""
GRAPH_VERSION: Final = 2
"""Raised whenever the exported graph changes, so that engines built from an older one are not used."""
INPUT: Final = "image"
"""``uint8 (1, S, S, 3)`` BGR."""
OUTPUT: Final = "saliency"
"""``float32 (1, 1, S, S)`` in [0, 1]."""
UPSAMPLINGS: Final = 38

_ONNX_TYPES: Final = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "int8": TensorProto.FLOAT}
"""Of what is stored. In 8 bits that are the weights before their quantisers, which TensorRT computes while building."""
_CASTS: Final = {
    "fp32": [TensorProto.FLOAT],
    "fp16": [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.FLOAT],
    "int8": [TensorProto.FLOAT],
}


def onnx_from_torch(
    network: U2Net, precision: ExportPrecision, input_size: int, calibration: Calibration | None = None
) -> onnx.ModelProto:
    """Export the network.

    Args:
        network: evaluating, batch norm folded, float32, on the CPU; left as it is.
        precision: of every convolution.
        input_size: S. All sizes in the graph are constants, also those of the 38 upsamplings.
        calibration: of these weights; for 8 bits only.

    Returns:
        The self-contained model from :data:`INPUT` to :data:`OUTPUT`. The same network gives the same bytes.

    Raises:
        EngineUnavailable: the exporter's library is not installed.
        EngineError: the network cannot be exported, or the result is not typed as asked.
    """
    if find_spec("onnxscript") is None:
        raise EngineUnavailable("exporting to ONNX needs onnxscript: pip install onnxscript")
    example = torch.from_numpy(golden_input(input_size))[None]
    graph: nn.Module = SaliencyGraph(network).eval()
    counts = Counts(convolutions=len(convolutions(network)))
    if precision == "int8":
        assert calibration is not None
        graph = int8_from_fp32(network, calibration, "signed")
        counts = _counts(graph)
    elif precision == "fp16":
        graph = SaliencyGraph(fp16_from_fp32(network, SaliencyGraph(network).normalised(example))).eval()
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                graph,
                (example,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        model = program.model_proto
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        raise EngineError(f"the model cannot be exported to ONNX: {str(error).splitlines()[0]}") from error
    _strip(model)
    fault = typing_fault(model, precision, counts)
    if fault is not None:
        raise EngineError(f"the exported ONNX model is not typed as asked: {fault}")
    return model


@dataclass(frozen=True, slots=True)
class Counts:
    """What a graph must have."""

    convolutions: int = 119
    upsamplings: int = UPSAMPLINGS
    in_bytes: int = 0
    """Convolutions with quantised inputs and weights."""


WHOLE: Final = Counts()
"""Of the network as it is."""


def _counts(graph: GraphModule) -> Counts:
    modules = list(graph.modules())
    return Counts(
        sum(isinstance(module, nn.Conv2d) for module in modules),
        sum(node.target is F.interpolate for node in graph.graph.nodes),
        sum(isinstance(module, Int8Conv) for module in modules),
    )


def typing_fault(model: onnx.ModelProto, precision: ExportPrecision, counts: Counts = WHOLE) -> str | None:
    """What keeps the graph from being "``precision`` throughout, and nothing cast that need not be"; None if nothing.

    Args:
        model: an exported graph.
        precision: what every convolution's weights must be.
        counts: what there must be.
    """
    graph, wanted = model.graph, _ONNX_TYPES[precision]
    stored = {tensor.name: tensor.data_type for tensor in graph.initializer}
    nodes = Counter(node.op_type for node in graph.node)
    if nodes["Conv"] != counts.convolutions or nodes["Resize"] != counts.upsamplings:
        return f"{nodes['Conv']} convolutions and {nodes['Resize']} upsamplings"
    made_by = {name: node for node in graph.node for name in node.output}
    quantised_count = 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight = _before_quantiser(node.input[1], made_by)
            quantised_count += weight is not node.input[1] and _is_quantised(node.input[0], made_by)
            if any(stored.get(name) != wanted for name in (weight, *node.input[2:])):
                return f"{node.name} has weights that are not {precision}"
        if node.op_type == "Resize" and node.input[3] not in stored:
            return f"{node.name} computes its size while running"
    if quantised_count != counts.in_bytes:
        return f"{quantised_count} quantised convolutions, where {counts.in_bytes} are asked for"
    casts = [attribute.i for node in graph.node if node.op_type == "Cast" for attribute in node.attribute]
    types = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
    # Each tensor has one type, so with these casts and no others nothing between them can be of another.
    if sorted(casts) != sorted(_CASTS[precision]):
        return f"casts to {[TensorProto.DataType.Name(kind) for kind in casts]}"
    if types != [TensorProto.UINT8, TensorProto.FLOAT]:
        return f"inputs and outputs of {[TensorProto.DataType.Name(kind) for kind in types]}"
    return None


def _before_quantiser(name: str, made_by: Mapping[str, onnx.NodeProto]) -> str:
    """The tensor that is rounded to give this one; itself where none is."""
    for step in ("DequantizeLinear", "QuantizeLinear"):
        node = made_by.get(name)
        if node is None or node.op_type != step:
            return name
        name = node.input[0]
    return name


def _is_quantised(name: str, made_by: Mapping[str, onnx.NodeProto]) -> bool:
    """Whether a tensor is bytes with one scale, moved about at most."""
    node = made_by.get(name)
    if node is None:
        return False
    if node.op_type in ("Concat", "MaxPool"):
        return all(_is_quantised(each, made_by) for each in node.input)
    return node.op_type == "DequantizeLinear"


def _strip(model: onnx.ModelProto) -> None:
    """Take out what the exporter noted about itself: places in this machine's files, above all."""
    graph = model.graph
    for owner in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        owner.ClearField("metadata_props")
        owner.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes to its own developers (torchvision is missing, a type is renamed) from users."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
