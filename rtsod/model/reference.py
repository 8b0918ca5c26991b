"""What the network computes, in float32 NumPy: slow, and independent of every engine, which are compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.model.description import Description
from rtsod.model.operations import Operation, operations
from rtsod.model.tensors import Convolution

Map: TypeAlias = NDArray[np.float32]
"""(C, H, W)."""

_CACHED_VALUES: Final = 1 << 19
"""Of a matrix that fits into a processor's cache: 2 MB."""


def reference_saliency(weights: Mapping[str, Convolution], description: Description, image: Image) -> Alpha:
    """The saliency map of one picture.

    Args:
        weights: of the network, batch norm folded, by the names of its convolutions.
        description: of them.
        image: (S, S, 3) uint8 BGR.

    Returns:
        (S, S) float32 in [0, 1].
    """
    steps = operations(description.table)
    last_use = {place: reader for reader, each in enumerate(steps) for place in each.inputs}
    results: dict[int, Map] = {}
    for place, each in enumerate(steps):
        inputs = [results[source] for source in each.inputs]
        results[place] = _normalised(image, description) if not inputs else _result(each, inputs, weights)
        for source in each.inputs:  # full maps at 320 x 320 are 26 MB each
            if last_use[source] == place:
                results.pop(source, None)
    logits = results[len(steps) - 1][0]
    # exp(-x) overflows for logits below -88, where the map is 0 in any case.
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)


def _normalised(image: Image, description: Description) -> Map:
    """(S, S, 3) uint8 BGR to (3, S, S)."""
    pixels = image[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)
    mean, deviation = (np.array(each, np.float32)[:, None, None] for each in (description.mean, description.deviation))
    return np.ascontiguousarray((pixels / np.float32(255) - mean) / deviation)


def _result(each: Operation, inputs: list[Map], weights: Mapping[str, Convolution]) -> Map:
    match each.kind:
        case "convolution":
            return _convolved(inputs[0], weights[each.name], each.dilation)
        case "relu":
            return np.maximum(inputs[0], 0)
        case "pool":
            return _pooled(inputs[0])
        case "upsample":
            return _upsampled(inputs[0], inputs[1])
        case "join":
            return np.concatenate(inputs)
        case _:
            return inputs[0] + inputs[1]


def _convolved(x: Map, convolution: Convolution, dilation: int) -> Map:
    """(C, H, W) to (C', H, W): one matrix product for a few rows at a time, which stay in the processor's cache."""
    channels, height, width = x.shape
    kernel, bias = convolution
    side = kernel.shape[2]
    border = dilation * (side // 2)
    padded = np.pad(x, ((0, 0), (border, border), (border, border)))
    plane, row, pixel = padded.strides
    # What each place of the kernel sees of each pixel: a view, of which nothing is copied yet.
    shape = channels, side, side, height, width
    seen = np.lib.stride_tricks.as_strided(padded, shape, (plane, dilation * row, dilation * pixel, row, pixel))
    matrix = kernel.reshape(len(bias), -1)
    rows = max(1, _CACHED_VALUES // (matrix.shape[1] * width))
    out = np.empty((len(bias), height, width), np.float32)
    for top in range(0, height, rows):
        some = seen[:, :, :, top : top + rows]
        product = matrix @ some.reshape(matrix.shape[1], -1)
        out[:, top : top + rows] = product.reshape(len(bias), -1, width) + bias[:, None, None]
    return out


def _pooled(x: Map) -> Map:
    """The maximum of 2x2 pixels; of those that there are, at an odd edge."""
    _, height, width = x.shape
    even = np.pad(x, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    return np.maximum(
        np.maximum(even[:, ::2, ::2], even[:, ::2, 1::2]), np.maximum(even[:, 1::2, ::2], even[:, 1::2, 1::2])
    )


def _upsampled(x: Map, like: Map) -> Map:
    """Bilinear, to the height and width of another map."""
    rows, columns = (_upsampling_matrix(*sides) for sides in zip(x.shape[1:], like.shape[1:], strict=True))
    enlarged: Map = np.matmul(np.matmul(rows, x), columns.T)
    return enlarged


def _upsampling_matrix(source: int, target: int) -> Map:
    """The (target, source) matrix that enlarges a column, with pixel centres at half-integers."""
    places = np.maximum((np.arange(target) + 0.5) * source / target - 0.5, 0)
    lower = places.astype(np.intp)
    share = (places - lower).astype(np.float32)
    matrix = np.zeros((target, source), np.float32)
    matrix[np.arange(target), lower] += 1 - share
    matrix[np.arange(target), np.minimum(lower + 1, source - 1)] += share
    return matrix
