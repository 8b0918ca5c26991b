"""Exports weights to the ONNX graph that ONNX Runtime opens, with PyTorch.

:mod:`rtsod.backends.onnxruntime.cache` decides when and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rtsod.errors import EngineUnavailable
from rtsod.model.weights import Weights
from rtsod.system.extras import install_extra

GraphPrecision: TypeAlias = Literal["fp32", "fp16"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export."""

    weights: Weights
    """Of the network; they are on this machine."""
    precision: GraphPrecision
    sizes: tuple[int, ...]
    """The input sizes it may run at, in pixels. The graph is exported, and compared with PyTorch, at the first."""


@dataclass(frozen=True, slots=True)
class Export:
    """An exported graph."""

    content: bytes
    """The ONNX file."""
    golden_outputs: dict[int, str]
    """Float32 PyTorch's output for the golden input (:mod:`rtsod.backends.self_check`), for each of the sizes that the
    graph can run at."""


def graph_from_weights(request: ExportRequest) -> Export:
    """Export a network, and compare the graph with float32 PyTorch. Runs in a subprocess, which returns its memory.

    Raises:
        WeightsError: the weights cannot be read.
        EngineUnavailable: PyTorch or onnxscript is not installed.
        EngineError: the export failed, or the graph's output differs too much from PyTorch's.
    """
    try:
        import torch  # noqa: F401  # takes a second to import and is needed only here
    except ImportError as error:
        raise EngineUnavailable(f"PyTorch exports the model on the first start: {install_extra('torch')}") from error

    from rtsod.backends.self_check import golden_output
    from rtsod.export.checked import export_checked
    from rtsod.export.resized import sizes_of

    checked = export_checked(request.weights, request.precision, request.sizes[0])
    sizes = sizes_of(checked.content, request.sizes)
    return Export(checked.content, {size: golden_output(checked.reference, size) for size in sizes})
