"""Opens a GPU with the CUDA library that is installed.

cuda-python comes first: it has wheels for every platform, and CUDA graphs. Many Jetsons have pycuda only.
"""

from __future__ import annotations

import logging
import re
from importlib.util import find_spec
from typing import Final

from rtsod.backends.cuda.device import Cuda
from rtsod.errors import EngineUnavailable
from rtsod.frames import Availability

_log = logging.getLogger(__name__)

_INSTALL: Final = "pip install cuda-python (or pycuda)"


def probe_cuda_memory() -> Availability:
    """Check whether cuda-python or pycuda is installed. Imports neither."""
    for name, module in (("cuda-python", "cuda"), ("pycuda", "pycuda")):
        if find_spec(module) is not None and (module == "pycuda" or find_spec("cuda.bindings") is not None):
            return Availability("cuda memory", True, f"{name} is installed")
    return Availability("cuda memory", False, f"neither cuda-python nor pycuda is installed: {_INSTALL}")


def open_cuda(device: str = "auto") -> Cuda:
    """Open a GPU with cuda-python or, if that is not installed, with pycuda.

    Args:
        device: ``auto``, ``cuda`` or ``cuda:N``. Without a number, device 0.

    Raises:
        EngineUnavailable: ``device`` is not a CUDA device, neither library is installed, or there is no driver or no
            such GPU.
        EngineError: the GPU does not respond.
    """
    match = re.fullmatch(r"auto|cuda(?::(\d+))?", device)
    if match is None:
        raise EngineUnavailable(f"--device {device}: TensorRT runs on NVIDIA GPUs only; use cuda or cuda:0")
    index = int(match[1] or 0)
    probe = probe_cuda_memory()
    if not probe.available:
        raise EngineUnavailable(probe.reason)
    _log.info("GPU memory and streams: %s", probe.reason)
    if probe.reason.startswith("cuda-python"):
        from rtsod.backends.cuda.cuda_python import CudaPython

        return CudaPython(index)
    from rtsod.backends.cuda.pycuda import PyCuda

    return PyCuda(index)
