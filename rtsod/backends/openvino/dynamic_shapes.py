"""One converted network at every input size: PyTorch exports it for one, and need not be asked again.

The fusion of the six side maps is linear, and so is upsampling: instead of six full-size maps put together and weighed,
each is weighed at its own size, enlarged by two small matrix products and added. At 320 x 320 that takes 0.3 ms, not 4.
Those matrices are of one size, so that is done last.
"""

from __future__ import annotations

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops


def make_size_dynamic(model: ov.Model) -> None:
    """Make a model of one size one of any size.

    PyTorch's exporter wrote down to how many pixels each map is enlarged. It is always the size of a level on the way
    down (:func:`rtsod.model.u2net.upsample_like`), so that is written instead. The model must have been
    exported at a size that gives each level another one.
    """
    levels: dict[tuple[int, int], ov.Output] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            levels.setdefault(_pixels(node), node.output(0))
        elif node.get_type_name() == "Interpolate":
            size = ops.gather(ops.shape_of(levels[_pixels(node)], "i64"), np.array([2, 3]), np.array(0))
            node.input(1).replace_source_output(size.output(0))


def _pixels(node: ov.Node) -> tuple[int, int]:
    """Height and width."""
    height, width = (int(side.get_length()) for side in list(node.get_output_partial_shape(0))[2:])
    return height, width


def fix_size(model: ov.Model, size: int) -> ov.Model:
    """Settle the size.

    Args:
        model: as :func:`rtsod.backends.openvino.model_from_torch.openvino_from_torch` gives it; changed, and given back.
        size: S, pixels.
    """
    model.reshape([1, size, size, 3])
    _fuse_before_upsampling(model)
    model.validate_nodes_and_infer_types()
    return model


def _fuse_before_upsampling(model: ov.Model) -> None:
    (fusion,) = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution" and tuple(node.input_value(1).get_shape()) == (1, 6, 1, 1)
    ]
    sides = fusion.input_value(0).get_node().input_values()
    gains = fusion.input_value(1).get_node().get_data().ravel()
    height, width = list(fusion.get_output_shape(0))[2:]
    total = ops.multiply(sides[0], np.array([gains[0]], np.float32))
    for side, gain in zip(sides[1:], gains[1:], strict=True):
        small = side.get_node().input_value(0)
        rows, columns = (
            _upsampling(have, want) for have, want in zip(list(small.get_shape())[2:], (height, width), strict=True)
        )
        total = ops.add(total, ops.matmul(ops.matmul(gain * rows, small, False, False), columns, False, True))
    fusion.output(0).replace(total.output(0))


def _upsampling(have: int, want: int) -> NDArray[np.float32]:
    """The (want, have) matrix that enlarges a column bilinearly, pixel centres at halves."""
    units = np.eye(have, dtype=np.float32)  # each column enlarged shows what one pixel gives to each
    return np.asarray(cv2.resize(units, (have, want), interpolation=cv2.INTER_LINEAR), np.float32)
