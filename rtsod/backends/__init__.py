"""The engines that run the network, behind one protocol: :class:`rtsod.interfaces.Engine`.

Each library is imported only when its engine is opened. ``auto`` is the only name that chooses: an engine requested by
name opens or is an error, and is never replaced by another.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Final, TypeAlias

from rtsod.backends.cuda.open import open_cuda, probe_cuda_memory
from rtsod.backends.onnxruntime.library import probe_onnxruntime
from rtsod.backends.tensorrt.library import load_library, probe_tensorrt, require_supported
from rtsod.backends.torch.devices import require_cpu_or_cuda
from rtsod.config import ONNXRUNTIME_DEVICES, EngineConfig, EngineName
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import Availability
from rtsod.interfaces import Engine
from rtsod.model.weights import ReportBytes, Weights, with_size
from rtsod.progress import BuildProgress, Notify
from rtsod.system.extras import install_extra

_log = logging.getLogger(__name__)

Opener: TypeAlias = Callable[[EngineConfig, Weights, Notify, BuildProgress | None, ReportBytes, Notify], Engine]


def _open_openvino(
    config: EngineConfig,
    weights: Weights,
    notify: Notify,
    progress: BuildProgress | None,
    report: ReportBytes,
    explain: Notify,
) -> Engine:
    from rtsod.backends.openvino.cache import model_cache
    from rtsod.backends.openvino.compiled_from_weights import compiled_from_weights
    from rtsod.backends.openvino.engine import OpenVinoEngine

    built = compiled_from_weights(config, weights, model_cache(), notify, report, explain)
    return OpenVinoEngine(built.compiled, built.info)


def _open_torch(
    config: EngineConfig,
    weights: Weights,
    notify: Notify,
    progress: BuildProgress | None,
    report: ReportBytes,
    explain: Notify,
) -> Engine:
    require_cpu_or_cuda(config.device)
    if not (probe := _probe_torch()).available:
        raise EngineUnavailable(f"--engine torch: {probe.reason}")
    from rtsod.backends.torch.engine import TorchEngine
    from rtsod.backends.torch.graph_from_weights import graph_from_weights

    return TorchEngine(graph_from_weights(config, weights, report))


def _open_tensorrt(
    config: EngineConfig,
    weights: Weights,
    notify: Notify,
    progress: BuildProgress | None,
    report: ReportBytes,
    explain: Notify,
) -> Engine:
    if not (probe := nvidia_driver()).available:
        raise EngineUnavailable(f"--engine tensorrt: {probe.reason}, and no other GPU runs it: choose another engine")
    if not (probe := _probe_tensorrt_installation()).available:
        raise EngineUnavailable(f"--engine tensorrt: {probe.reason}")
    from rtsod.backends.tensorrt.open import open_tensorrt

    return open_tensorrt(config, weights, notify, progress, report)


def _open_onnxruntime(
    config: EngineConfig,
    weights: Weights,
    notify: Notify,
    progress: BuildProgress | None,
    report: ReportBytes,
    explain: Notify,
) -> Engine:
    from rtsod.backends.onnxruntime.cache import graph_cache
    from rtsod.backends.onnxruntime.session_from_weights import engine_from_weights

    return engine_from_weights(config, weights, graph_cache(), notify, report, explain)


OPENERS: Final[dict[str, Opener]] = {
    "openvino": _open_openvino,
    "torch": _open_torch,
    "tensorrt": _open_tensorrt,
    "onnxruntime": _open_onnxruntime,
}


QUICK_TO_OPEN: Final = ("openvino",)
"""Engines that open at another input size in a moment, once the network is converted."""


def open_engine(
    config: EngineConfig,
    weights: Weights,
    notify: Notify = lambda line: None,
    progress: BuildProgress | None = None,
    report: ReportBytes = lambda done, total: None,
    *,
    explain: Notify = _log.info,
) -> Engine:
    """Build the network that a configuration asks for, if necessary, and open the engine that runs it.

    Args:
        config: ``config.engine`` is a name, or ``auto`` to let :func:`choose` decide. Without an input size it is the
            one that the weights were trained at.
        weights: of the network. They are downloaded and read only if the engine must be built from them.
        notify: told, in one line each, of what takes a while: a conversion, or a build and why it is needed.
        progress: told how far such a build is; None to have ``notify`` told from time to time.
        report: told how far a download of the weights is.
        explain: told, in one line each, what ``auto`` chose and why; by default the log.

    Raises:
        EngineUnavailable: this machine does not offer the requested engine, device or precision.
        EngineError: building or checking the network failed.
        WeightsError: the weights cannot be downloaded or read.
    """
    config = with_size(config)
    name = resolve_engine(config, explain).engine
    try:
        return OPENERS[name](config, weights, notify, progress, report, explain)
    except EngineError as error:
        for_a_gpu = (config.engine, config.device, name) == ("auto", "auto", "onnxruntime")
        if not for_a_gpu or find_spec("openvino") is None:
            raise
        explain(f"engine auto: openvino, because {error}")
        return _open_openvino(config, weights, notify, progress, report, explain)


def convert_ahead(config: EngineConfig, weights: Weights, notify: Notify) -> None:
    """Do what :func:`open_engine` would do once and for long, and what does not need this process: convert.

    Call it on a thread of its own; :func:`open_engine` then finds the conversion, and decides again whether it is the
    right one. Does nothing for engines that are built in this process, or whose builds other options change.

    Args:
        config: ``config.engine`` is a name.
        weights: of the network, which are on this machine.
        notify: told of a conversion.

    Raises:
        RtsodError: as from :func:`open_engine`, which raises it again.
    """
    if config.engine == "openvino":
        from rtsod.backends.openvino.cache import model_cache
        from rtsod.backends.openvino.compiled_from_weights import convert_ahead as convert

        convert(config, weights, model_cache(), notify)


def resolve_engine(config: EngineConfig, explain: Notify = _log.info) -> EngineConfig:
    """The configuration with an engine's name in place of ``auto``, chosen by :func:`choose`.

    Args:
        config: what was requested.
        explain: told what was chosen and why; by default the log.

    Raises:
        EngineUnavailable: no engine is installed.
    """
    if config.engine != "auto":
        return config
    name, reason = choose(config)
    explain(f"engine auto: {name}, because {reason}")
    return replace(config, engine=name)


def choose(config: EngineConfig) -> tuple[EngineName, str]:
    """The engine that ``auto`` takes for this device and precision.

    Returns:
        Its name, and the reason, worded to follow "because".

    Raises:
        EngineUnavailable: no engine is installed, or none that runs on the device.
    """
    if config.device in ONNXRUNTIME_DEVICES:
        from rtsod.backends.onnxruntime.providers import require_system

        require_system(config.device)
        return "onnxruntime", f"you asked for --device {config.device}, which only ONNX Runtime reaches"
    probes = {probe.name: probe for probe in probe_engines()}
    cuda = nvidia_driver()
    tensorrt = _probe_tensorrt_on_this_gpu(config) if cuda.available else cuda
    if tensorrt.available and (config.device == "auto" or config.device.startswith("cuda")):
        return "tensorrt", tensorrt.reason
    if config.device.startswith("cuda") and not probes["torch"].available:
        without = "" if cuda.available else f"{cuda.reason}, and "
        raise EngineUnavailable(f"--device {config.device}: {without}{probes['torch'].reason}")
    if config.device.startswith("cuda"):
        return "torch", f"you asked for --device {config.device}, and {tensorrt.reason}"
    # PyTorch has no int8 convolutions, on any device.
    if config.device == "auto" and cuda.available and probes["torch"].available and config.precision != "int8":
        import torch  # takes a second to import: only where there is an NVIDIA driver

        if torch.cuda.is_available():
            return "torch", f"it supports the GPU ({torch.cuda.get_device_name()}), and {tensorrt.reason}"
        cuda = Availability("cuda", False, "there is an NVIDIA driver, but this PyTorch cannot use it")
    gpu = _probe_gpu_without_cuda(config, probes["onnxruntime"])
    if gpu.available:
        return "onnxruntime", f"{cuda.reason} and {gpu.reason}"
    if probes["openvino"].available:
        return "openvino", f"{cuda.reason} and it is the fastest on a CPU"
    if probes["torch"].available:
        return "torch", f"{cuda.reason} and {probes['openvino'].reason}"
    raise EngineUnavailable("no engine is installed: pip install openvino")


def probe_engines() -> list[Availability]:
    """For each engine, whether its libraries are installed. Imports none of them."""
    return [
        _probe_library("openvino", "pip install openvino"),
        _probe_torch(),
        _probe_tensorrt_installation(),
        probe_onnxruntime(),
    ]


def _probe_tensorrt_installation() -> Availability:
    """Whether everything for TensorRT is installed: TensorRT, a library for GPU memory, and the ONNX exporter."""
    for probe in (probe_tensorrt(), probe_cuda_memory()):
        if not probe.available:
            return Availability("tensorrt", False, probe.reason)
    extra = "tensorrt" if find_spec("tensorrt") is not None else "tensorrt-rtx"
    for library in ("onnxscript", "torch"):
        if not (probe := _probe_library(library, install_extra(extra))).available:
            return Availability("tensorrt", False, probe.reason)
    return Availability("tensorrt", True, "installed")


def _probe_tensorrt_on_this_gpu(config: EngineConfig) -> Availability:
    """Whether TensorRT can run this configuration on this machine's GPU. Asks the driver."""
    installation = _probe_tensorrt_installation()
    if not installation.available:
        return installation
    if config.precision == "bf16":
        return Availability("tensorrt", False, "TensorRT supports fp16, int8 and fp32 here, not bf16")
    if config.fp16_size_error is not None:
        return Availability("tensorrt", False, config.fp16_size_error)
    try:
        library, cuda = load_library(), open_cuda(config.device)
        gpu = cuda.gpu
        cuda.close()
        require_supported(str(gpu), gpu.capability)
    except EngineError as error:
        return Availability("tensorrt", False, str(error))
    if library.ahead_of_time and gpu.capability not in library.ahead_of_time:
        return Availability("tensorrt", False, f"{library.name} does not build for {gpu}")
    return Availability("tensorrt", True, f"{library.name} is the fastest on {gpu}")


def _probe_gpu_without_cuda(config: EngineConfig, installed: Availability) -> Availability:
    """Whether ONNX Runtime reaches a GPU that no other engine reaches: on macOS and Windows.

    On Linux ``auto`` does not ask: what there is besides NVIDIA's GPUs was not measured to be faster than OpenVINO.

    Args:
        config: what was requested.
        installed: the probe of ONNX Runtime.
    """
    nothing = Availability("onnxruntime", False, "no GPU for ONNX Runtime")
    if sys.platform not in ("darwin", "win32") or not installed.available or config.device != "auto":
        return nothing
    from rtsod.backends.onnxruntime.providers import accelerators

    try:
        found = [place.provider for place in accelerators() if place.provider.device != "cuda"]
    except EngineUnavailable as error:
        return Availability("onnxruntime", False, str(error))
    able = [provider for provider in found if config.precision in ("auto", *provider.precisions)]
    if not able:
        return nothing
    return Availability("onnxruntime", True, f"ONNX Runtime reaches this machine's GPU with {able[0].label}")


def nvidia_driver() -> Availability:
    """Whether this machine has NVIDIA's driver library. Loads no CUDA runtime."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Availability("cuda", False, "there is no NVIDIA driver")
    return Availability("cuda", True, "there is an NVIDIA driver")


def _probe_torch() -> Availability:
    return _probe_library("torch", install_extra("torch"))


def _probe_library(name: str, install: str) -> Availability:
    found = find_spec(name) is not None
    return Availability(name, found, "installed" if found else f"{name} is not installed: {install}")
