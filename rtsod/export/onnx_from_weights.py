"""The network in float32 as an ONNX graph, built operation by operation from its weights, without PyTorch.

It has the operators and the numbers of the graph that :mod:`rtsod.export.onnx_from_torch` exports: a test compares
them. What rounds the network, and so has to measure it, stays with PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtsod.export.version import INPUT, OPSET, OUTPUT
from rtsod.model.description import Description
from rtsod.model.operations import Operation, operations
from rtsod.model.tensors import Convolution

_IR_VERSION: Final = 10
"""Of the file's format: the one that belongs to :data:`~rtsod.export.version.OPSET`."""


def onnx_from_weights(weights: Mapping[str, Convolution], description: Description, input_size: int) -> bytes:
    """Build the network: pixels in, saliency out.

    Args:
        weights: batch norm folded, by the names of the convolutions.
        description: of them.
        input_size: S, pixels. All sizes in the graph are constants: see :mod:`rtsod.export.resized`.

    Returns:
        A self-contained ONNX file, from (1, S, S, 3) uint8 BGR to (1, 1, S, S) float32 in [0, 1].
    """
    return _Builder(weights, input_size).build(operations(description.table), description)


class _Builder:
    def __init__(self, weights: Mapping[str, Convolution], input_size: int) -> None:
        self._weights, self._size = weights, input_size
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def build(self, steps: Sequence[Operation], description: Description) -> bytes:
        names: list[str] = []
        sides: list[int] = []
        """The height and width of each result."""
        for each in steps:
            inputs = [names[source] for source in each.inputs]
            side = sides[each.inputs[0]] if inputs else self._size
            match each.kind:
                case "pixels":
                    name = self._normalised(description)
                case "convolution":
                    name = self._convolution(inputs[0], each)
                case "relu":
                    name = self._add("Relu", inputs)
                case "pool":
                    side = (side + 1) // 2
                    name = self._add("MaxPool", inputs, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
                case "upsample":
                    side = sides[each.inputs[1]]
                    name = self._upsampled(inputs[0], (1, each.channels, side, side))
                case "join":
                    name = self._add("Concat", inputs, axis=1)
                case _:
                    name = self._add("Add", inputs)
            names.append(name)
            sides.append(side)
        self._nodes.append(helper.make_node("Sigmoid", [names[-1]], [OUTPUT], "Sigmoid"))
        size = self._size
        graph = helper.make_graph(
            self._nodes,
            "main_graph",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, size, size, 3])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, 1, size, size])],
            list(self._constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="rtsod")
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _normalised(self, description: Description) -> str:
        """(1, S, S, 3) uint8 BGR to (1, 3, S, S) float32 RGB: see :mod:`rtsod.model.saliency`."""
        mean, deviation = (np.array(each, np.float32) for each in (description.mean, description.deviation))
        planes = self._add("Transpose", [self._add("Cast", [INPUT], to=TensorProto.FLOAT)], perm=[0, 3, 1, 2])
        backwards, end, axis = ([value] for value in (-1, np.iinfo(np.int64).min, 1))
        order = [self._integers(values) for values in (backwards, end, axis, backwards)]
        rgb = self._add("Slice", [planes, *order])
        scaled = self._add("Mul", [rgb, self._constant("gain", (1 / (255 * deviation)).reshape(1, 3, 1, 1))])
        return self._add("Add", [scaled, self._constant("offset", (-mean / deviation).reshape(1, 3, 1, 1))])

    def _convolution(self, x: str, each: Operation) -> str:
        kernel, bias = self._weights[each.name]
        inputs = [x, self._constant(f"{each.name}.weight", kernel), self._constant(f"{each.name}.bias", bias)]
        border = each.dilation * (each.side // 2)
        return self._add(
            "Conv", inputs, kernel_shape=[each.side] * 2, pads=[border] * 4, dilations=[each.dilation] * 2
        )  # fmt: skip

    def _upsampled(self, x: str, shape: Sequence[int]) -> str:
        inputs = [x, "", "", self._integers(shape)]
        return self._add("Resize", inputs, mode="linear", coordinate_transformation_mode="half_pixel")

    def _add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def _integers(self, values: Sequence[int]) -> str:
        return self._constant("_".join(["integers", *map(str, values)]), np.array(values, np.int64))

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name
