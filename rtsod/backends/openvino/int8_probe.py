"""Is this processor faster with bytes than with floats? Asked of itself, in a third of a second.

VNNI, AMX and their like multiply four bytes where there was one float; older processors only pretend to. The names of
OpenVINO's kernels do not tell the two apart, and Python cannot ask a processor for its features on every system.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import openvino as ov
from openvino import opset13 as ops

_CHANNELS: Final = 64
_SIDE: Final = 80
_LAYERS: Final = 3
_TIMES: Final = 5


def int8_speedup(core: ov.Core) -> float:
    """How many times as fast as in float32 a few convolutions, like this network's, run in 8 bits."""
    in_float, in_bytes = (_seconds(core, _convolutions(int8=int8)) for int8 in (False, True))
    return in_float / in_bytes


def _convolutions(*, int8: bool) -> ov.Model:
    """(1, C, S, S) through some 3x3 convolutions with ReLU."""
    weights = np.random.default_rng(0).uniform(-1, 1, (_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
    picture = x = ops.parameter([1, _CHANNELS, _SIDE, _SIDE], np.float32)
    for _ in range(_LAYERS):
        kernel = ops.constant(weights)
        if int8:
            x = _rounded(x, 0, 1, 256)
            kernel = _rounded(kernel, -1, 1, 255)  # symmetric, or OpenVINO stays in float
        x = ops.relu(ops.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    return ov.Model([x], [picture])


def _rounded(x: ov.Node, low: float, high: float, levels: int) -> ov.Node:
    return ops.fake_quantize(x, *(np.float32(bound) for bound in (low, high, low, high)), levels)


def _seconds(core: ov.Core, model: ov.Model) -> float:
    """The shortest of several runs: what else the machine does can only lengthen one."""
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", options).create_infer_request()
    picture = np.random.default_rng(1).uniform(0, 1, (1, _CHANNELS, _SIDE, _SIDE)).astype(np.float32)
    times = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        request.infer([picture])
        times.append(time.perf_counter() - started)
    return min(times)
