"""The network as an OpenVINO model of any input size, built operation by operation from its weights.

It has the operations that OpenVINO's converter makes of the PyTorch graph, and the same numbers to the bit: a test
compares the two. Max-pooling is the kind without indices, because OpenVINO does not pool bytes while indices are asked
for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.backends.openvino.core import mapped_errors, ops, ov
from rtsod.model.calibration import WEIGHT_MAX, Calibration
from rtsod.model.description import Description, pixel_range
from rtsod.model.operations import Operation, operations
from rtsod.model.quantisers import Quantisers, place_quantisers
from rtsod.model.scales import LIMITS, MIN_SCALE, Scale
from rtsod.model.tensors import Convolution

_INT8_RANGE: Final = "unsigned"
_FLOAT: Final = Quantisers({}, frozenset(), {})


def model_from_weights(
    weights: Mapping[str, Convolution], description: Description, calibration: Calibration | None
) -> ov.Model:
    """Build the network: pixels in, saliency out.

    Args:
        weights: batch norm folded, by the names of the convolutions.
        description: of them.
        calibration: activation ranges, for int8; None for a float graph.

    Returns:
        (1, S, S, 3) uint8 BGR to (1, 1, S, S) float32 in [0, 1], for any S; pass it to
        :func:`rtsod.backends.openvino.dynamic_shapes.fix_size`.

    Raises:
        EngineError: OpenVINO refuses the graph.
    """
    steps = operations(description.table)
    quantisers, weight_max = _FLOAT, WEIGHT_MAX
    if calibration is not None:
        pixels = pixel_range(description.mean, description.deviation)
        quantisers, weight_max = place_quantisers(steps, calibration, pixels, _INT8_RANGE), calibration.weight_max
    with mapped_errors("OpenVINO cannot build the model"):
        image = ops.parameter(ov.PartialShape([1, -1, -1, 3]), np.uint8, "image")
        logits = _Builder(steps, weights, quantisers, weight_max).build(_normalised(image, description))
        return ov.Model([ops.sigmoid(logits)], [image])


def _normalised(image: ov.Node, description: Description) -> ov.Node:
    """(1, S, S, 3) uint8 BGR to (1, 3, S, S) float32 RGB: see :mod:`rtsod.model.saliency`."""
    mean, deviation = (np.array(each, np.float32) for each in (description.mean, description.deviation))
    gain, offset = 1 / (255 * deviation), -mean / deviation
    planes = ops.transpose(ops.convert(image, np.float32), np.array([0, 3, 1, 2]))
    backwards, end, channel_axis = np.array([-1]), np.array([np.iinfo(np.int32).min]), np.array([1])
    rgb = ops.slice(planes, backwards, end, backwards, channel_axis)
    return ops.add(ops.multiply(rgb, gain.reshape(1, 3, 1, 1)), offset.reshape(1, 3, 1, 1))


class _Builder:
    """Builds the operations one after the other.

    Args:
        steps: the network.
        weights: by the names of the convolutions.
        quantisers: what is quantised.
        weight_max: the largest integer of a quantised weight.
    """

    def __init__(
        self, steps: Sequence[Operation], weights: Mapping[str, Convolution], quantisers: Quantisers, weight_max: int
    ) -> None:
        self._steps, self._weights, self._quantisers, self._weight_max = steps, weights, quantisers, weight_max
        self._exact: list[ov.Node] = []
        """Results before they are quantised."""
        self._results: list[ov.Node] = []
        """As others read them."""

    def build(self, pixels: ov.Node) -> ov.Node:
        """The logits, (1, 1, S, S) float32, of normalised pixels."""
        for place, each in enumerate(self._steps):
            exact = pixels if each.kind == "pixels" else self._exact_result(place, each)
            scale = self._quantisers.scales.get(place)
            self._exact.append(exact)
            self._results.append(exact if scale is None else _quantised(exact, scale))
        return self._results[-1]

    def _exact_result(self, place: int, each: Operation) -> ov.Node:
        inputs = [self._results[source] for source in each.inputs]
        match each.kind:
            case "convolution":
                return self._convolution(place, each)
            case "relu":
                # A quantiser cuts off below 0 as well. What takes outlier channels from it needs it exact.
                cut_off = place in self._quantisers.scales and place not in self._quantisers.outliers
                return inputs[0] if cut_off else ops.relu(inputs[0])
            case "pool":
                return _pool(inputs[0])
            case "upsample":
                return self._upsample(inputs[0], each)
            case "join":
                return ops.concat(inputs, 1)
            case _:
                return ops.add(*inputs)

    def _convolution(self, place: int, each: Operation) -> ov.Node:
        source, (kernel, bias) = each.inputs[0], self._weights[each.name]
        outliers: dict[int, ov.Node] = {}
        if place in self._quantisers.convolutions:
            outliers = dict(self._outliers(source, 0))
            weights = _quantised_kernel(kernel, list(outliers), self._weight_max)
        else:
            weights = ops.constant(kernel)
        out = ops.add(_convolve(self._results[source], weights, each), bias.reshape(1, -1, 1, 1))
        if not outliers:
            return out
        channels = list(outliers.values())
        joined = channels[0] if len(channels) == 1 else ops.concat(channels, 1)
        return ops.add(out, _convolve(joined, ops.constant(kernel[:, list(outliers)]), each))

    def _outliers(self, place: int, first: int) -> Iterator[tuple[int, ov.Node]]:
        """The outlier channels of an input that starts at channel ``first``: the index and a node of each alone."""
        each = self._steps[place]
        if each.kind == "join":
            for part in each.inputs:
                yield from self._outliers(part, first)
                first += self._steps[part].channels
        elif each.kind == "pool":
            for index, channel in self._outliers(each.inputs[0], first):
                yield index, _pool(channel)
        else:
            for index in self._quantisers.outliers.get(place, ()):
                yield first + index, self._channel(place, index)

    def _channel(self, place: int, index: int) -> ov.Node:
        each = self._steps[place]
        if each.kind == "upsample":  # upsample one channel instead of all of them again
            return self._upsample(self._channel(each.inputs[0], index), each)
        start, stop, step, axis = (np.array([value]) for value in (index, index + 1, 1, 1))
        return ops.slice(self._exact[place], start, stop, step, axis)

    def _upsample(self, x: ov.Node, each: Operation) -> ov.Node:
        size = ops.gather(ops.shape_of(self._exact[each.inputs[1]], "i64"), np.array([2, 3]), np.array(0))
        return ops.interpolate(
            x, size, "linear_onnx", "sizes", coordinate_transformation_mode="pytorch_half_pixel",
            nearest_mode="floor", axes=np.array([2, 3], np.int32),
        )  # fmt: skip


def _convolve(x: ov.Node, kernel: ov.Node, each: Operation) -> ov.Node:
    pads = [each.dilation * (each.side // 2)] * 2
    return ops.convolution(x, kernel, [1, 1], pads, pads, [each.dilation] * 2)


def _pool(x: ov.Node) -> ov.Node:
    return ov.opset1.max_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], "ceil")  # opset 1 has no indices output


def _quantised(x: ov.Node, scale: Scale) -> ov.Node:
    step, zero = scale
    low, high = (np.full((1, 1, 1, 1), limit - zero, np.float32) * np.float32(step) for limit in LIMITS[_INT8_RANGE])
    return ops.fake_quantize(x, low, high, low, high, 256)


def _quantised_kernel(kernel: NDArray[np.float32], ignored: Sequence[int], largest: int) -> ov.Node:
    """Integers and one scale per output channel, as :class:`rtsod.model.int8.Int8Conv` quantises.

    Args:
        kernel: (C', C, k, k).
        ignored: input channels whose weights become 0.
        largest: integer of a weight.
    """
    kernel = kernel.copy()
    kernel[:, list(ignored)] = 0
    scale = np.maximum(np.abs(kernel).max((1, 2, 3), keepdims=True) / np.float32(largest), np.float32(MIN_SCALE))
    # The converter makes a range of the scale and a scale of the range again. So does this: it makes the same bits.
    low, high = -128 * scale, 127 * scale
    step = (high - low) / 255
    integers = (np.rint((kernel - low) / (high - low) * 255) - 128).astype(np.int8)
    return ops.multiply(ops.convert(ops.constant(integers), np.float32), step)
