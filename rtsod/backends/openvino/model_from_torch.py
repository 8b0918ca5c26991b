"""The PyTorch graph as an OpenVINO model of any size, with pooling said in the way OpenVINO is fast at."""

from __future__ import annotations

import warnings

import openvino as ov
import torch
from torch import nn

from rtsod.backends.openvino.dynamic_shapes import make_size_dynamic
from rtsod.errors import EngineError


def openvino_from_torch(graph: nn.Module, size: int) -> ov.Model:
    """Convert.

    Args:
        graph: (1, S, S, 3) uint8 to (1, 1, S, S) float32: the network of :mod:`rtsod.model.saliency` or
            :mod:`rtsod.model.int8`.
        size: S, of the example that PyTorch traces it by.

    Returns:
        A model to be brought to its size by :func:`rtsod.backends.openvino.dynamic_shapes.fix_size`.

    Raises:
        EngineError: OpenVINO cannot convert it.
    """
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about PyTorch's own code, from PyTorch's own code
            model = ov.convert_model(torch.export.export(graph, (example,)))
        model.reshape([1, size, size, 3])
        make_size_dynamic(model)
        _pool_without_indices(model)
        model.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot convert the model: {str(error).splitlines()[0]}") from error
    return model


def _pool_without_indices(model: ov.Model) -> None:
    """PyTorch's pooling also gives where each maximum stood; that keeps OpenVINO from pooling bytes."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MaxPool":
            continue
        asked = node.get_attributes()
        rounding = "ceil" if "ceil" in asked["rounding_type"] else "floor"
        edges = (asked["strides"], asked["pads_begin"], asked["pads_end"], asked["kernel"])
        pooled = ov.opset1.max_pool(node.input_value(0), *edges, rounding)  # the version that has no indices
        node.output(0).replace(pooled.output(0))
