"""Measures, once per processor, whether it convolves faster in int8 than in float32.

VNNI, AMX and similar instructions multiply four bytes in the time of one float; older processors emulate them. The
names of OpenVINO's kernels do not tell the two apart, and Python cannot read a processor's features on every system.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from rtsod.backends.openvino.core import ops, ov, processor
from rtsod.system.cache_folder import CACHE_LOG, read_checked, reason, write_checked

_log = logging.getLogger(CACHE_LOG)

_CHANNELS: Final = 64
_SIDE_PX: Final = 80
_LAYERS: Final = 3
_RUNS: Final = 12


def remembered_speedup(core: ov.Core, folder: Path | None) -> float:
    """What :func:`int8_speedup` measured at an earlier start; measured now if there is none, and stored.

    Args:
        core: OpenVINO.
        folder: for the file; None to measure at every start.
    """
    if folder is None:
        return int8_speedup(core)
    machine = processor(core, "CPU"), ov.__version__
    path = folder / f"int8-speedup-{hashlib.sha256(repr(machine).encode()).hexdigest()[:16]}"
    try:
        return float(bytes(read_checked(path)))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        _log.info("measuring int8 again: %s: %s", path, reason(error))
    speedup = int8_speedup(core)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_checked(path, repr(speedup).encode())
    except OSError as error:
        _log.info("every start measures int8 again: %s", reason(error))
    return speedup


def int8_speedup(core: ov.Core) -> float:
    """The time of a few convolutions like this network's in float32, divided by their time in int8."""
    in_float, in_int8 = _shortest_seconds(core, [_convolutions(int8=int8) for int8 in (False, True)])
    return in_float / in_int8


def _convolutions(*, int8: bool) -> ov.Model:
    """(1, C, S, S) float32 through a few 3x3 convolutions with ReLU."""
    weights = np.random.default_rng(0).uniform(-1, 1, (_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
    image = x = ops.parameter([1, _CHANNELS, _SIDE_PX, _SIDE_PX], np.float32)
    for _ in range(_LAYERS):
        kernel = ops.constant(weights)
        if int8:
            x = _fake_quantize(x, 0, 1, 256)
            kernel = _fake_quantize(kernel, -1, 1, 255)  # OpenVINO stays in float unless weights are symmetric
        x = ops.relu(ops.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    return ov.Model([x], [image])


def _fake_quantize(x: ov.Node, low: float, high: float, levels: int) -> ov.Node:
    return ops.fake_quantize(x, *(np.float32(bound) for bound in (low, high, low, high)), levels)


def _shortest_seconds(core: ov.Core, models: Sequence[ov.Model]) -> list[float]:
    """The shortest of each model's runs. They take turns: other work on the machine can only lengthen a run."""
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": "NO"}
    requests = [core.compile_model(model, "CPU", options).create_infer_request() for model in models]
    image = np.random.default_rng(1).uniform(0, 1, (1, _CHANNELS, _SIDE_PX, _SIDE_PX)).astype(np.float32)
    shortest = [math.inf] * len(models)
    for _ in range(_RUNS):
        for index, request in enumerate(requests):
            started = time.perf_counter()
            request.infer([image])
            shortest[index] = min(shortest[index], time.perf_counter() - started)
    return shortest
