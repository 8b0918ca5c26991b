"""Makes the ONNX graph that ONNX Runtime opens of weights.

:mod:`rtsod.backends.onnxruntime.cache` decides when and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rtsod.errors import EngineUnavailable
from rtsod.model.weights import Weights, fetch
from rtsod.system.extras import install_extra

GraphPrecision: TypeAlias = Literal["fp32", "fp16"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export."""

    weights: Weights
    """Of the network; they are on this machine."""
    precision: GraphPrecision
    sizes: tuple[int, ...]
    """The input sizes it may run at, in pixels. The graph is made for the first."""


@dataclass(frozen=True, slots=True)
class Export:
    """An exported graph."""

    content: bytes
    """The ONNX file."""
    golden_outputs: dict[int, str]
    """Float32 output for the golden input (:mod:`rtsod.backends.self_check`), for each of the sizes that the graph can
    run at."""


def graph_from_weights(request: ExportRequest) -> Export:
    """Build a network's graph: in float32 from the weights alone, in fp16 with PyTorch, which measures as it rounds.

    Runs in a subprocess, which returns its memory. Whether the graph is right, the self-check of each session tells.

    Raises:
        WeightsError: the weights cannot be read, or need PyTorch to be read, which is not installed.
        EngineUnavailable: fp16 needs PyTorch and onnxscript, which are not installed.
        EngineError: the export failed, or the fp16 graph's output differs too much from PyTorch's.
    """
    if request.precision == "fp16":
        return _with_torch(request)
    from rtsod.backends.golden_outputs import golden_outputs
    from rtsod.export.onnx_from_weights import onnx_from_weights
    from rtsod.export.resized import sizes_of
    from rtsod.model.tensors import folded_weights

    description = request.weights.description
    weights = folded_weights(fetch(request.weights), description)
    content = onnx_from_weights(weights, description, request.sizes[0])
    sizes = sizes_of(content, request.sizes)
    return Export(content, golden_outputs(weights, description, request.weights.sha256, sizes))


def _with_torch(request: ExportRequest) -> Export:
    try:
        import torch  # noqa: F401  # takes a second to import, is an extra, and is needed only here
    except ImportError as error:
        raise EngineUnavailable(
            f"--precision {request.precision}: PyTorch makes this graph, once: {install_extra('export')}, or "
            "run with --precision fp32"
        ) from error

    from rtsod.backends.self_check import golden_output
    from rtsod.export.checked import export_checked
    from rtsod.export.resized import sizes_of

    checked = export_checked(request.weights, request.precision, request.sizes[0])
    sizes = sizes_of(checked.content, request.sizes)
    return Export(checked.content, {size: golden_output(checked.reference, size) for size in sizes})
