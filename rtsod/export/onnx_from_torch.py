"""Exports the network to ONNX: uint8 pixels in, float32 saliency out, and an explicit type for every tensor.

TensorRT 11 removed the builder flag for half precision: the types in the graph are what runs. So the export rounds the
network (:mod:`rtsod.model.fp16`) after folding its batch norm in float32. The graph has only the casts that the model
itself needs: uint8 to float32, float32 to the network's type, and back to float32 before the sigmoid.
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
from rtsod.export.version import INPUT, OPSET, OUTPUT
from rtsod.model.calibration import Calibration
from rtsod.model.fp16 import fp16_from_fp32
from rtsod.model.golden_input import golden_input
from rtsod.model.int8 import Int8Conv, int8_from_fp32
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import convolutions, upsamplings
from rtsod.system.extras import install_extra

ExportPrecision: TypeAlias = Literal["fp32", "fp16", "int8"]

UPSAMPLINGS: Final = 38
"""Bilinear upsamplings in either published model."""

_ONNX_TYPES: Final = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "int8": TensorProto.FLOAT}
"""Type of the stored weights. For int8 they are float: TensorRT applies their quantizers when it builds the plan."""
_CASTS: Final = {
    "fp32": [TensorProto.FLOAT],
    "fp16": [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.FLOAT],
    "int8": [TensorProto.FLOAT],
}
"""Target types of the casts that the graph may have."""


def onnx_from_torch(
    exact: SaliencyGraph, precision: ExportPrecision, input_size: int, calibration: Calibration | None = None
) -> onnx.ModelProto:
    """Export the network.

    Args:
        exact: float32, on the CPU, in evaluation mode, batch norm folded. It is not modified.
        precision: the precision of every convolution.
        input_size: S, pixels. All sizes in the graph are constants, those of the upsamplings included.
        calibration: activation ranges for these weights; required for int8, otherwise ignored.

    Returns:
        A self-contained model from :data:`INPUT` to :data:`OUTPUT`. Exporting is deterministic: the same network gives
        the same bytes.

    Raises:
        EngineUnavailable: onnxscript is not installed.
        EngineError: the export failed, or the graph is not typed as requested.
    """
    if find_spec("onnxscript") is None:
        raise EngineUnavailable(f"exporting to ONNX needs onnxscript: {install_extra('export')}")
    example = torch.from_numpy(golden_input(input_size))[None]
    graph: nn.Module = exact
    counts = Counts(convolutions=len(convolutions(exact.network)), upsamplings=upsamplings(exact.network))
    if precision == "int8":
        assert calibration is not None
        graph = int8_from_fp32(exact, calibration, "signed")
        counts = _counts(graph)
    elif precision == "fp16":
        graph = exact.around(fp16_from_fp32(exact.network, exact.normalised(example)))
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
        raise EngineError(f"cannot export the model to ONNX: {str(error).splitlines()[0]}") from error
    _strip(model)
    fault = typing_fault(model, precision, counts)
    if fault is not None:
        raise EngineError(f"the exported ONNX graph does not have the requested types: {fault}")
    return model


@dataclass(frozen=True, slots=True)
class Counts:
    """How many operators of each kind a graph must have."""

    convolutions: int = 119
    upsamplings: int = UPSAMPLINGS
    in_bytes: int = 0
    """Convolutions whose input and weights are quantized."""


UNMODIFIED: Final = Counts()
"""The operators of the network itself."""


def _counts(graph: GraphModule) -> Counts:
    modules = list(graph.modules())
    return Counts(
        sum(isinstance(module, nn.Conv2d) for module in modules),
        sum(node.target is F.interpolate for node in graph.graph.nodes),
        sum(isinstance(module, Int8Conv) for module in modules),
    )


def typing_fault(model: onnx.ModelProto, precision: ExportPrecision, counts: Counts = UNMODIFIED) -> str | None:
    """Check that the graph is ``precision`` throughout, without unnecessary casts. Returns the first fault, or None.

    Args:
        model: an exported graph.
        precision: the required type of every convolution's weights.
        counts: the required number of operators.
    """
    graph, wanted = model.graph, _ONNX_TYPES[precision]
    stored = {tensor.name: tensor.data_type for tensor in graph.initializer}
    nodes = Counter(node.op_type for node in graph.node)
    if nodes["Conv"] != counts.convolutions or nodes["Resize"] != counts.upsamplings:
        return f"{nodes['Conv']} convolutions and {nodes['Resize']} upsamplings"
    producers = {name: node for node in graph.node for name in node.output}
    quantized_count = 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight = _before_quantizer(node.input[1], producers)
            quantized_count += weight is not node.input[1] and _is_quantized(node.input[0], producers)
            if any(stored.get(name) != wanted for name in (weight, *node.input[2:])):
                return f"{node.name} has weights that are not {precision}"
        if node.op_type == "Resize" and node.input[3] not in stored:
            return f"{node.name} computes its size at run time"
    if quantized_count != counts.in_bytes:
        return f"{quantized_count} quantized convolutions instead of {counts.in_bytes}"
    casts = [attribute.i for node in graph.node if node.op_type == "Cast" for attribute in node.attribute]
    types = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
    # Each tensor has one type, so with exactly these casts, nothing between them can have another type.
    if sorted(casts) != sorted(_CASTS[precision]):
        return f"casts to {[TensorProto.DataType.Name(kind) for kind in casts]}"
    if types != [TensorProto.UINT8, TensorProto.FLOAT]:
        return f"inputs and outputs of {[TensorProto.DataType.Name(kind) for kind in types]}"
    return None


def _before_quantizer(name: str, producers: Mapping[str, onnx.NodeProto]) -> str:
    """The tensor before quantizing and dequantizing; ``name`` itself if it is not quantized."""
    for step in ("DequantizeLinear", "QuantizeLinear"):
        node = producers.get(name)
        if node is None or node.op_type != step:
            return name
        name = node.input[0]
    return name


def _is_quantized(name: str, producers: Mapping[str, onnx.NodeProto]) -> bool:
    """Whether a tensor holds 8-bit values, at most pooled or concatenated after dequantizing."""
    node = producers.get(name)
    if node is None:
        return False
    if node.op_type in ("Concat", "MaxPool"):
        return all(_is_quantized(each, producers) for each in node.input)
    return node.op_type == "DequantizeLinear"


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's metadata, which contains paths of this machine."""
    graph = model.graph
    for owner in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        owner.ClearField("metadata_props")
        owner.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings, which concern its own developers: torchvision is missing, a type is renamed."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
