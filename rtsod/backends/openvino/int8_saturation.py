"""Finds out whether this processor's 8-bit sums saturate.

Without VNNI or AMX, a processor multiplies bytes in pairs and adds the two products as 16-bit integers. Two products of
large activations and large weights exceed those: the sum is cut off at 32767, and masks are wrong. With weights of 7
bits no pair can, because 2 x 255 x 63 = 32130.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from rtsod.backends.openvino.core import ops, ov

REDUCED_WEIGHT_MAX: Final = 63
"""The largest integer of a weight on such a processor."""
_CHANNELS: Final = 64
_SIDE_PX: Final = 8


@cache
def int8_saturates(core: ov.Core) -> bool:
    """Whether a convolution of the largest activations and weights gives too little. Takes less than .1 s."""
    shape = [1, _CHANNELS, _SIDE_PX, _SIDE_PX]
    image = ops.parameter(shape, np.float32)
    activations = ops.fake_quantize(image, *_range(0), 256)
    kernel = ops.fake_quantize(ops.constant(np.ones((_CHANNELS, _CHANNELS, 3, 3), np.float32)), *_range(-1), 255)
    total = ops.relu(ops.convolution(activations, kernel, [1, 1], [0, 0], [0, 0], [1, 1]))
    compiled = core.compile_model(ov.Model([total], [image]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return bool(compiled([np.ones(shape, np.float32)])[0].min() < 0.99 * _CHANNELS * 9)


def _range(low: float) -> tuple[np.float32, ...]:
    return np.float32(low), np.float32(1), np.float32(low), np.float32(1)
