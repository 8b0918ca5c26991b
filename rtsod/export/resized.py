"""Makes an exported graph one for another input size, without PyTorch: a few constants differ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import onnx
from onnx import numpy_helper

_SIZES_INPUT: Final = 3
"""Which input of ``Resize`` holds the size of its output, N, C, H, W."""


def sizes_of(content: bytes, sizes: Iterable[int]) -> list[int]:
    """Those input sizes for which :func:`resize_file` gives the graph that an export at that size would give.

    The network halves its input up to five times, and then as often as the blocks of its table do. Where nothing is
    rounded, an upsampling's size is the same fraction of the input's at every input size.

    Args:
        content: an ONNX file; see :mod:`rtsod.export.onnx_from_torch`.
        sizes: to choose from, in pixels.
    """
    graph = onnx.load_from_string(content).graph
    side = _side(graph)
    upsampled = [int(pixels) for tensor in _upsampled(graph) for pixels in numpy_helper.to_array(tensor)[2:]]
    return [size for size in sizes if all(pixels * size % side == 0 for pixels in upsampled)]


def resize_file(source: Path | bytes, size: int, path: Path) -> None:
    """Write an exported graph for another input size. Its weights and its types are those of the original.

    Args:
        source: an ONNX file or its content, for which :func:`sizes_of` allows this size.
        size: S, pixels. The graph maps uint8 ``(1, S, S, 3)`` to float32 ``(1, 1, S, S)``.
        path: where to write it.

    Raises:
        OSError: it cannot be read or written.
    """
    model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
    graph = model.graph
    side = _side(graph)
    for tensor in _upsampled(graph):
        sizes = numpy_helper.to_array(tensor).copy()
        sizes[2:] = sizes[2:] * size // side
        tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))
    for value in (*graph.input, *graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_value == side:
                dimension.dim_value = size
    graph.ClearField("value_info")  # the shapes in between: whoever opens the graph works them out again
    onnx.save(model, path)


def _side(graph: onnx.GraphProto) -> int:
    return int(graph.input[0].type.tensor_type.shape.dim[1].dim_value)


def _upsampled(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """The constants that hold upsamplings' sizes. Several upsamplings may share one."""
    names = {node.input[_SIZES_INPUT] for node in graph.node if node.op_type == "Resize"}
    return [tensor for tensor in graph.initializer if tensor.name in names]
