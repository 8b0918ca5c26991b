"""The PyTorch graph as an OpenVINO model of any input size, by OpenVINO's own converter.

The program builds its models without PyTorch (:mod:`rtsod.backends.openvino.model_from_weights`). This is what they are
compared with, and takes graphs that the program does not build.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import nn

from rtsod.backends.openvino.core import ops, ov
from rtsod.errors import EngineError


def openvino_from_torch(graph: nn.Module, size: int) -> ov.Model:
    """Convert a PyTorch graph.

    Args:
        graph: (1, S, S, 3) uint8 to (1, 1, S, S) float32: the network of :mod:`rtsod.model.saliency` or
            :mod:`rtsod.model.int8`.
        size: S of the example input that PyTorch traces the graph with.

    Returns:
        A model of any size; pass it to :func:`rtsod.backends.openvino.dynamic_shapes.fix_size`.

    Raises:
        EngineError: OpenVINO cannot convert the graph.
    """
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # raised by PyTorch's code about PyTorch's code
            model = ov.convert_model(torch.export.export(graph, (example,)))
        model.reshape([1, size, size, 3])
        _make_size_dynamic(model)
        _drop_pooling_indices(model)
        model.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot convert the model: {str(error).splitlines()[0]}") from error
    return model


def _drop_pooling_indices(model: ov.Model) -> None:
    """Replace PyTorch's pooling, which also returns the index of each maximum, by pooling that does not.

    OpenVINO does not pool bytes while indices are asked for.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MaxPool":
            continue
        attributes = node.get_attributes()
        rounding = "ceil" if "ceil" in attributes["rounding_type"] else "floor"
        window = (attributes["strides"], attributes["pads_begin"], attributes["pads_end"], attributes["kernel"])
        pooled = ov.opset1.max_pool(node.input_value(0), *window, rounding)  # opset 1 has no indices output
        node.output(0).replace(pooled.output(0))


def _make_size_dynamic(model: ov.Model) -> None:
    """Turn a model of one input size into a model of any, in place.

    PyTorch's exporter hard-codes the target size of every upsampling. That size is always the size of an encoder level
    (:func:`rtsod.model.u2net.upsample_like`), so the graph is changed to read it from there.

    Args:
        model: exported at an input size that gives each level a different size.
    """
    levels: dict[tuple[int, int], ov.Output] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            levels.setdefault(_height_width(node), node.output(0))
        elif node.get_type_name() == "Interpolate":
            size = ops.gather(ops.shape_of(levels[_height_width(node)], "i64"), np.array([2, 3]), np.array(0))
            node.input(1).replace_source_output(size.output(0))


def _height_width(node: ov.Node) -> tuple[int, int]:
    height, width = (int(side.get_length()) for side in list(node.get_output_partial_shape(0))[2:])
    return height, width
