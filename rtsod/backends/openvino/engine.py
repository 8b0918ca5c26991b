"""U²-Net in OpenVINO: the fastest on a CPU, and on Intel's GPUs.

The model is converted once (:mod:`rtsod.backends.openvino.cache`), OpenVINO keeps its compiled form beside it, and from
then no PyTorch is needed.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections import Counter
from typing import Final

import numpy as np
import openvino as ov

from rtsod.backends.openvino.cache import Converted, converted
from rtsod.backends.openvino.core import openvino_core
from rtsod.backends.openvino.int8_probe import int8_speedup
from rtsod.backends.self_check import TOLERANCE, check_golden_output
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.model.calibration import calibration_for
from rtsod.model.weights import Weights
from rtsod.progress import Notify

_log = logging.getLogger(__name__)

_HINTS: Final = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""What is computed in where the graph has no quantisers; in 8 bits that is lite's one brick that needs it."""
_CAPABILITIES: Final = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}
_STRICTER: Final = 0.004
"""What ``auto`` allows the answer to the known picture to be off by: it may only take what nobody sees."""
_WORTH_IT: Final = 1.5
"""How many times as fast bytes must be for ``auto`` to take them. VNNI gives about 3, AMX 10."""


class OpenVinoEngine:
    """See :class:`rtsod.interfaces.Engine`.

    Args:
        config: which model, in which precision, on what.
        weights: of the network.
        notify: told what ``auto`` chose as precision, and why.

    Raises:
        EngineUnavailable: OpenVINO does not know the device or the precision on this machine, or the weights have not
            been calibrated for 8 bits.
        EngineError: the model does not compile, or its answer to a known picture is wrong.
        WeightsError: the weights cannot be had.
    """

    def __init__(self, config: EngineConfig, weights: Weights, notify: Notify = lambda line: None) -> None:
        self._core = openvino_core()
        self._notify = notify
        self._device = _device(self._core, config.device)
        try:
            self._device_name = " ".join(str(self._core.get_property(self._device, "FULL_DEVICE_NAME")).split())
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot use {self._device}: {_first_line(error)}") from error
        if config.precision == "auto" and self._device == "CPU":
            self._open_fastest(config, weights)
        else:
            precision = "fp32" if config.precision == "auto" else config.precision
            self._open(config, weights, precision, TOLERANCE)

    def _open_fastest(self, config: EngineConfig, weights: Weights) -> None:
        # Not bf16: it is off by more than 8 bits are, see docs/decisions/network.md.
        try:
            speedup = int8_speedup(self._core)
            if speedup < _WORTH_IT:
                raise EngineUnavailable(f"this CPU multiplies bytes only {speedup:.1f} times as fast as floats")
            off = self._open(config, weights, "int8", _STRICTER)
        except EngineError as error:
            self._open(config, weights, "fp32", TOLERANCE)
            self._notify(f"precision auto: fp32, because int8 cannot be had: {error}")
        else:
            self._notify(
                f"precision auto: int8, because this CPU multiplies bytes {speedup:.1f} times as fast as floats, "
                f"and a known picture's mask is off by {off:.4f} only"
            )

    def _open(self, config: EngineConfig, weights: Weights, precision: str, tolerance: float) -> float:
        """Be an engine in this precision, or raise. How far the answer to the known picture is off."""
        capabilities = self._core.get_property(self._device, "OPTIMIZATION_CAPABILITIES")
        if _CAPABILITIES[precision] not in capabilities:
            able = [name for name, capability in _CAPABILITIES.items() if capability in capabilities]
            raise EngineUnavailable(
                f"--precision {precision}: {self._device} here computes in {', '.join(able)} only: use one of these"
            )
        calibration = calibration_for(weights) if precision == "int8" else None
        found = converted(self._core, config, weights, calibration, self._notify)
        self._request = self._compiled(found, precision).create_infer_request()
        self._info = EngineInfo(
            name="openvino",
            model=config.model,
            precision=precision,
            device=f"{self._device} ({self._device_name})",
            input_size=config.input_size,
            weights=weights.label,
        )
        off = check_golden_output(
            self.infer,
            config.input_size,
            found.answer,
            f"OpenVINO in {precision}",
            tolerance=tolerance,
            remedy="run with --precision fp32, or with --engine torch",
        )
        del found
        _give_memory_back()
        _log.info("OpenVINO in %s, self-check off by %.5f", precision, off)
        return off

    def _compiled(self, found: Converted, precision: str) -> ov.CompiledModel:
        options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if found.folder is not None and os.access(found.folder, os.W_OK):
            options["CACHE_DIR"] = str(found.folder)
        try:
            compiled = self._core.compile_model(found.model, self._device, options)
            used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
            kernels = _kernels(compiled) if precision == "int8" else Counter()
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot compile the model for {self._device}: {_first_line(error)}") from error
        if used != _HINTS[precision]:
            ran = {hint: name for name, hint in _HINTS.items() if name != "int8"}.get(used, used)
            raise EngineUnavailable(
                f"OpenVINO runs {ran} on {self._device} ({self._device_name}) where {precision} was asked for"
            )
        in_bytes = sum(count for name, count in kernels.items() if name.lower().endswith("i8"))
        if precision == "int8" and in_bytes <= kernels.total() / 2:
            raise EngineUnavailable(
                f"--precision int8: OpenVINO runs {in_bytes} of {kernels.total()} convolutions in it on "
                f"{self._device_name}: run with --precision fp32"
            )
        return compiled

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        try:
            result = self._request.infer([image[None]], share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed: {_first_line(error)}") from error
        # The next call writes into the same memory, and the caller may keep what it gets.
        return np.array(result[0][0, 0], np.float32)

    def close(self) -> None:
        """Nothing outlives the object: OpenVINO frees the model with its last reference."""


def _device(core: ov.Core, asked: str) -> str:
    if asked in ("auto", "cpu"):
        return "CPU"
    available = [str(device) for device in core.available_devices]
    if asked.upper() not in available:
        hint = "CUDA is --engine torch" if asked.startswith("cuda") else "leave --device out, or name one of these"
        raise EngineUnavailable(
            f"--device {asked}: OpenVINO has {', '.join(d.lower() for d in available) or 'none'} here: {hint}"
        )
    return asked.upper()


def _give_memory_back() -> None:
    """What compiling took and freed, 20 to 30 MB, glibc keeps unless it is told."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def _kernels(compiled: ov.CompiledModel) -> Counter[str]:
    """By name, what the convolutions of the compiled model really run on, such as ``brgconv_avx512_amx_I8``."""
    return Counter(
        str(node.get_rt_info()["primitiveType"].value)
        for node in compiled.get_runtime_model().get_ops()
        if str(node.get_rt_info()["layerType"].value) == "Convolution"
    )


def _first_line(error: Exception) -> str:
    """OpenVINO's messages are stacks of places in its own sources; the last line that says something is the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(error).__name__])[-1]
