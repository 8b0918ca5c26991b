"""Runtimes that run the network, behind the one protocol :class:`rtsod.types.Engine`.

Each file wraps one library and imports it only when opened. Only ``auto`` chooses; what was asked for by name is
opened or is an error, never replaced.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable
from rtsod.model.weights import Weights
from rtsod.types import Availability, Engine

# OpenVINO reports its use to its makers wherever this package is found. Nothing of a run leaves the machine.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

Opener = Callable[[EngineConfig, Weights], Engine]


def _open_openvino(config: EngineConfig, weights: Weights) -> Engine:
    from rtsod.backends.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(config, weights)


def _open_torch(config: EngineConfig, weights: Weights) -> Engine:
    from rtsod.backends.torch_engine import TorchEngine

    return TorchEngine(config, weights)


OPENERS: Final[dict[str, Opener]] = {"openvino": _open_openvino, "torch": _open_torch}


def open_engine(config: EngineConfig, weights: Weights, say: Callable[[str], None] = lambda line: None) -> Engine:
    """The engine a configuration means, ready to run.

    Args:
        config: ``config.engine`` is a name, or ``auto`` to choose by :func:`choose`.
        weights: what it is to run.
        say: told, in one line, what ``auto`` chose and why.

    Raises:
        EngineUnavailable: the engine, device or precision asked for is not to be had here.
        WeightsError: the weights cannot be had.
    """
    name: str = config.engine
    if name == "auto":
        name, why = choose(config)
        say(f"engine auto: {name}, because {why}")
    return OPENERS[name](config, weights)


def choose(config: EngineConfig) -> tuple[str, str]:
    """What ``auto`` takes for this device and precision, and why.

    Returns:
        The engine's name, and the reason, to be read after "because".

    Raises:
        EngineUnavailable: no engine is installed.
    """
    probes = {probe.name: probe for probe in probe_engines()}
    if config.device.startswith("cuda"):
        return "torch", f"--device {config.device} was asked for"
    cuda = nvidia_driver()
    if config.device == "auto" and cuda.available and probes["torch"].available:
        import torch  # costs a second: only where there is a reason to ask it

        if torch.cuda.is_available():
            return "torch", f"it reaches the GPU ({torch.cuda.get_device_name()})"
        cuda = Availability("cuda", False, "there is an NVIDIA driver, but this PyTorch cannot use it")
    if probes["openvino"].available:
        return "openvino", f"{cuda.reason} and it is the fastest on a CPU"
    if probes["torch"].available:
        return "torch", f"{cuda.reason} and {probes['openvino'].reason}"
    raise EngineUnavailable("no engine is installed: pip install openvino")


def probe_engines() -> list[Availability]:
    """For each engine, whether its library is installed. Imports nothing."""
    return [_installed("openvino"), _installed("torch")]


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
