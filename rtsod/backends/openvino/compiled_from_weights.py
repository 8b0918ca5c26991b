"""Builds what :class:`rtsod.backends.openvino.engine.OpenVinoEngine` runs, and decides its precision.

Building finds or converts the network (:mod:`rtsod.backends.openvino.cache`), compiles it and checks its output. Once
the network is converted, that needs neither PyTorch nor the weights.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, cast

from rtsod.backends.openvino.cache import ModelCache
from rtsod.backends.openvino.compiled_form import CompiledForm
from rtsod.backends.openvino.core import mapped_errors, ov
from rtsod.backends.openvino.engine import OpenVinoEngine
from rtsod.backends.openvino.int8_probe import remembered_speedup
from rtsod.backends.openvino.int8_saturation import REDUCED_WEIGHT_MAX, int8_saturates
from rtsod.backends.self_check import check_golden_output, tolerance
from rtsod.config import ONNXRUNTIME_DEVICES, EngineConfig, Precision
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.model.calibration import Calibration, calibration_for
from rtsod.model.weights import ReportBytes, Weights
from rtsod.progress import Notify
from rtsod.system.machine import thread_limit

_log = logging.getLogger(__name__)

_HINTS: Final = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""OpenVINO's precision for operations without quantisers. In an int8 graph those are a few layers that need float32."""
_CAPABILITIES: Final = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8"}
_AUTO_TOLERANCE: Final = 0.004
"""The largest mean absolute error of the golden output at which ``auto`` takes int8: nobody sees a smaller one."""
_CALIBRATED_TOLERANCE: Final = 0.05
"""The same for int8 with the network's own calibration. A network that learnt one room is unsure of the test picture:
networks that learned for a minute were off by .005 to .019 there, and right in their room, where the calibration was
compared with float32. A wrong engine is off by .1 and more."""
_MIN_INT8_SPEEDUP: Final = 1.25
"""How many times faster than float32 int8 must be for ``auto`` to take it. AVX2 gives about 2, VNNI 3, AMX 10."""


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """A compiled network whose output has been checked."""

    compiled: ov.CompiledModel
    info: EngineInfo
    output_error: float
    """Mean absolute error of its golden output: see :mod:`rtsod.backends.self_check`."""


def compiled_from_weights(
    config: EngineConfig,
    weights: Weights,
    cache: ModelCache,
    notify: Notify = lambda line: None,
    report: ReportBytes = lambda done, total: None,
    explain: Notify = _log.info,
) -> BuiltNetwork:
    """Build the network for a configuration.

    Args:
        config: model, precision, device and input size. On a CPU ``auto`` takes int8 where that is faster and accurate
            enough, else fp32.
        weights: of the network; read only if it must be converted.
        cache: where conversions are.
        notify: told of a conversion.
        report: told how far a download of the weights is.
        explain: told what ``auto`` chose as precision and why.

    Raises:
        EngineUnavailable: OpenVINO does not offer the device or the precision on this machine, or there is no int8
            calibration for the weights.
        EngineError: the model does not compile, or its golden output is wrong.
        WeightsError: the weights cannot be downloaded or read.
    """
    device = _device(cache.core, config.device)
    with mapped_errors(f"OpenVINO cannot use {device}"):
        device_name = " ".join(str(cache.core.get_property(device, "FULL_DEVICE_NAME")).split())
        builder = _Builder(config, weights, cache, device, device_name, notify, explain, report)
        if config.precision == "auto":
            return builder.fastest() if device == "CPU" else builder.build("fp32")
        return builder.build(config.precision)


def convert_ahead(config: EngineConfig, weights: Weights, cache: ModelCache, notify: Notify) -> None:
    """Convert what :func:`compiled_from_weights` will need, so that it finds it; nothing where there is a conversion.

    For ``auto`` it is the int8 graph, which nearly every processor takes: to be sure, other programs and threads would
    have to rest. Only :func:`compiled_from_weights` decides.

    Args:
        config: as for :func:`compiled_from_weights`.
        weights: of the network, which are on this machine.
        cache: where conversions are.
        notify: told of a conversion.

    Raises:
        RtsodError: as from :func:`compiled_from_weights`, which raises it again.
    """
    device = _device(cache.core, config.device)
    calibration = None
    if config.precision == "int8" or (config.precision == "auto" and device == "CPU"):
        calibration = _calibration(cache.core, weights, device)
    if cache.root is not None and not cache.has(config, weights, calibration):
        cache.model(config, weights, calibration, notify)


class _Timed:
    """``infer``, and how long its last call took."""

    def __init__(self, infer: Callable[[Image], Alpha]) -> None:
        self._infer = infer
        self.seconds: float | None = None

    def __call__(self, image: Image) -> Alpha:
        started = time.perf_counter()
        alpha = self._infer(image)
        self.seconds = time.perf_counter() - started
        return alpha


@dataclass(frozen=True, slots=True)
class _Builder:
    config: EngineConfig
    weights: Weights
    cache: ModelCache
    device: str
    device_name: str
    notify: Notify
    explain: Notify
    report: ReportBytes

    def fastest(self) -> BuiltNetwork:
        # bf16 is not tried: its error is larger than that of int8, see docs/decisions/network.md.
        try:
            speedup = remembered_speedup(self.cache.core, self.cache.root)
            if speedup < _MIN_INT8_SPEEDUP:
                raise EngineUnavailable(f"this CPU is only {speedup:.1f} times as fast in int8 as in fp32")
            built = self.build("int8", _AUTO_TOLERANCE if self.weights.calibration is None else None)
        except EngineError as error:
            built = self.build("fp32")
            self.explain(f"precision auto: fp32, because int8 is not available: {error}")
        else:
            self.explain(
                f"precision auto: int8, because this CPU is {speedup:.1f} times as fast in int8 as in fp32, "
                f"and the mask of the test picture is off by only {built.output_error:.4f}"
            )
        return built

    def build(self, precision: str, largest_error: float | None = None) -> BuiltNetwork:
        if largest_error is None:
            calibrated = precision == "int8" and self.weights.calibration is not None
            largest_error = _CALIBRATED_TOLERANCE if calibrated else tolerance(precision, self.config.side)
        capabilities = self.cache.core.get_property(self.device, "OPTIMIZATION_CAPABILITIES")
        if _CAPABILITIES[precision] not in capabilities:
            able = [name for name, capability in _CAPABILITIES.items() if capability in capabilities]
            raise EngineUnavailable(
                f"--precision {precision}: {self.device} on this machine computes in {', '.join(able)} only: "
                "choose one of these"
            )
        calibration = _calibration(self.cache.core, self.weights, self.device) if precision == "int8" else None
        form = self._form(calibration, precision)
        compiled, info = form.compiled, self._info(precision)
        self._check_precision(compiled, precision)
        infer = _Timed(OpenVinoEngine(compiled, info).infer)
        error = check_golden_output(
            infer,
            self.config.side,
            form.golden_output,
            f"OpenVINO in {precision}",
            tolerance=largest_error,
            remedy="run with --precision fp32, or with --engine torch",
        )
        del form
        _return_freed_memory()
        if self.device == "CPU":  # the first inference of other devices compiles
            info = replace(info, inference_seconds=infer.seconds)
        _log.info("OpenVINO in %s, self-check off by %.5f", precision, error)
        return BuiltNetwork(compiled, info, error)

    def _info(self, precision: str) -> EngineInfo:
        return EngineInfo(
            name="openvino",
            model=self.weights.model,
            precision=precision,
            device=f"{self.device} ({self.device_name})",
            input_size=self.config.side,
            weights=self.weights.label,
            fitting=self.weights.description.fitting,
            config=replace(
                self.config,
                engine="openvino",
                precision=cast("Precision", precision),
                device=self.device.lower(),
            ),
        )

    def _form(self, calibration: Calibration | None, precision: str) -> CompiledForm:
        """The compiled network: as an earlier start stored it, or made now and stored."""
        options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        threads = self.config.threads or thread_limit()
        if self.device == "CPU":
            # Pinning binds each calling thread to the first cores: two engines, or two processes, then share them.
            options["ENABLE_CPU_PINNING"] = "NO"
        if self.device == "CPU" and threads is not None:
            options["INFERENCE_NUM_THREADS"] = str(threads)  # OpenVINO knows of affinity, but not of quotas
        name, forms = str(self.config.side), self.cache.forms(self.config, self.weights, calibration)
        stored = forms.load(name, self.device, options) if forms is not None else None
        if stored is not None:
            return stored
        converted = self.cache.model(self.config, self.weights, calibration, self.notify, self.report)
        with mapped_errors(f"OpenVINO cannot compile the model for {self.device}"):
            compiled = self.cache.core.compile_model(converted.model, self.device, options)
        form = CompiledForm(compiled, converted.golden_output)
        if forms is not None and converted.stored:
            forms.store(form, name, self.device, options)
        return form

    def _check_precision(self, compiled: ov.CompiledModel, precision: str) -> None:
        used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        kernels = _convolution_kernels(compiled) if precision == "int8" else Counter()
        if used != _HINTS[precision]:
            actual = {hint: name for name, hint in _HINTS.items() if name != "int8"}.get(used, used)
            raise EngineUnavailable(
                f"OpenVINO runs {actual} on {self.device} ({self.device_name}) instead of {precision}"
            )
        in_int8 = sum(count for name, count in kernels.items() if name.lower().endswith("i8"))
        if precision == "int8" and in_int8 <= kernels.total() / 2:
            raise EngineUnavailable(
                f"--precision int8: OpenVINO runs only {in_int8} of {kernels.total()} convolutions in int8 on "
                f"{self.device_name}: run with --precision fp32"
            )


def _calibration(core: ov.Core, weights: Weights, device: str) -> Calibration:
    """The activation ranges for int8 on this device, with the range of weights that it adds up exactly."""
    calibration = calibration_for(weights)
    if device == "CPU" and int8_saturates(core):
        return replace(calibration, weight_max=REDUCED_WEIGHT_MAX)
    return calibration


def _device(core: ov.Core, requested: str) -> str:
    if requested in ("auto", "cpu"):
        return "CPU"
    available = [str(device) for device in core.available_devices]
    if requested.upper() not in available:
        hint = "drop --device, or name one of these"
        if requested.startswith("cuda"):
            hint = "for CUDA use --engine torch"
        elif requested in ONNXRUNTIME_DEVICES:
            hint = f"for {requested} use --engine onnxruntime"
        names = ", ".join(device.lower() for device in available) or "no device"
        raise EngineUnavailable(f"--device {requested}: OpenVINO has {names} on this machine: {hint}")
    return requested.upper()


def _convolution_kernels(compiled: ov.CompiledModel) -> Counter[str]:
    """The kernels that run the convolutions of a compiled model, such as ``brgconv_avx512_amx_I8``, counted."""
    return Counter(
        str(node.get_rt_info()["primitiveType"].value)
        for node in compiled.get_runtime_model().get_ops()
        if str(node.get_rt_info()["layerType"].value) == "Convolution"
    )


def _return_freed_memory() -> None:
    """Return to the system the 20 to 30 MB that compiling used and freed. glibc keeps them otherwise."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
