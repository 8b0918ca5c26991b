"""Runtimes that run the network, behind the one protocol :class:`rtsod.interfaces.Engine`.

Each file wraps one library and imports it only when opened. Only ``auto`` chooses; what was asked for by name is
opened or is an error, never replaced.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from rtsod.backends.cuda.open import open_cuda, probe_cuda_memory
from rtsod.backends.tensorrt.library import load_library, probe_tensorrt, require_supported
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import Availability
from rtsod.interfaces import Engine
from rtsod.model.weights import Weights
from rtsod.progress import BuildProgress, Notify

# OpenVINO reports its use to its makers wherever this package is found. Nothing of a run leaves the machine.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

Opener = Callable[[EngineConfig, Weights, Notify, BuildProgress | None], Engine]


def _open_openvino(config: EngineConfig, weights: Weights, notify: Notify, progress: BuildProgress | None) -> Engine:
    from rtsod.backends.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(config, weights, notify)


def _open_torch(config: EngineConfig, weights: Weights, notify: Notify, progress: BuildProgress | None) -> Engine:
    from rtsod.backends.torch.engine import TorchEngine

    return TorchEngine(config, weights)


def _open_tensorrt(config: EngineConfig, weights: Weights, notify: Notify, progress: BuildProgress | None) -> Engine:
    from rtsod.backends.tensorrt.open import open_tensorrt

    return open_tensorrt(config, weights, notify, progress)


OPENERS: Final[dict[str, Opener]] = {
    "openvino": _open_openvino,
    "torch": _open_torch,
    "tensorrt": _open_tensorrt,
}


def open_engine(
    config: EngineConfig,
    weights: Weights,
    notify: Notify = lambda line: None,
    progress: BuildProgress | None = None,
) -> Engine:
    """The engine a configuration means, ready to run.

    Args:
        config: ``config.engine`` is a name, or ``auto`` to choose by :func:`choose`.
        weights: what it is to run.
        notify: told, in one line each, what ``auto`` chose and why, and why an engine must be built first.
        progress: told how far such a build is; without it ``say`` is, now and then.

    Raises:
        EngineUnavailable: the engine, device or precision asked for is not to be had here.
        WeightsError: the weights cannot be had.
    """
    name: str = config.engine
    if name == "auto":
        name, why = choose(config)
        notify(f"engine auto: {name}, because {why}")
    return OPENERS[name](config, weights, notify, progress)


def choose(config: EngineConfig) -> tuple[str, str]:
    """What ``auto`` takes for this device and precision, and why.

    Returns:
        The engine's name, and the reason, to be read after "because".

    Raises:
        EngineUnavailable: no engine is installed.
    """
    probes = {probe.name: probe for probe in probe_engines()}
    cuda = nvidia_driver()
    tensorrt = _tensorrt_here(config) if cuda.available else cuda
    if tensorrt.available and (config.device == "auto" or config.device.startswith("cuda")):
        return "tensorrt", tensorrt.reason
    if config.device.startswith("cuda"):
        return "torch", f"--device {config.device} was asked for, and {tensorrt.reason}"
    # PyTorch has no 8-bit convolutions, on any device.
    if config.device == "auto" and cuda.available and probes["torch"].available and config.precision != "int8":
        import torch  # costs a second: only where there is a reason to ask it

        if torch.cuda.is_available():
            return "torch", f"it reaches the GPU ({torch.cuda.get_device_name()}), and {tensorrt.reason}"
        cuda = Availability("cuda", False, "there is an NVIDIA driver, but this PyTorch cannot use it")
    if probes["openvino"].available:
        return "openvino", f"{cuda.reason} and it is the fastest on a CPU"
    if probes["torch"].available:
        return "torch", f"{cuda.reason} and {probes['openvino'].reason}"
    raise EngineUnavailable("no engine is installed: pip install openvino")


def probe_engines() -> list[Availability]:
    """For each engine, whether its library is installed. Imports nothing."""
    return [_installed("openvino"), _installed("torch"), _tensorrt_installed()]


def _tensorrt_installed() -> Availability:
    """Whether all that TensorRT takes is installed: itself, a library for GPU memory, and the ONNX exporter."""
    exporter = Availability("onnxscript", find_spec("onnxscript") is not None, "onnxscript is not installed")
    for probe in (probe_tensorrt(), probe_cuda_memory(), exporter):
        if not probe.available:
            return Availability("tensorrt", False, probe.reason)
    return Availability("tensorrt", True, "installed")


def _tensorrt_here(config: EngineConfig) -> Availability:
    """Whether TensorRT can run this configuration on the GPU that is here. Asks the driver."""
    installed = _tensorrt_installed()
    if not installed.available:
        return installed
    if config.precision == "bf16":
        return Availability("tensorrt", False, "TensorRT is set up for fp16 and fp32 here, not for bf16")
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


def nvidia_driver() -> Availability:
    """Whether this machine has NVIDIA's driver library, without loading any CUDA runtime."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Availability("cuda", False, "there is no NVIDIA driver")
    return Availability("cuda", True, "there is an NVIDIA driver")


def _installed(library: str) -> Availability:
    if find_spec(library) is not None:
        return Availability(library, True, "installed")
    return Availability(library, False, f"{library} is not installed: pip install {library}")
