"""Opens a GPU by whichever CUDA library is installed.

cuda-python has wheels everywhere and CUDA graphs; pycuda is what many Jetsons have.
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
    """Whether one of the two libraries is installed. Imports neither."""
    for name, module in (("cuda-python", "cuda"), ("pycuda", "pycuda")):
        if find_spec(module) is not None and (module == "pycuda" or find_spec("cuda.bindings") is not None):
            return Availability("cuda memory", True, f"{name} is installed")
    return Availability("cuda memory", False, f"neither cuda-python nor pycuda is installed: {_INSTALL}")


def open_cuda(device: str = "auto") -> Cuda:
    """A GPU, by cuda-python if that is installed, else by pycuda.

    Args:
        device: ``auto``, ``cuda`` or ``cuda:N``.

    Raises:
        EngineUnavailable: it is no CUDA device, neither library is installed, or there is no driver or GPU.
    """
    match = re.fullmatch(r"auto|cuda(?::(\d+))?", device)
    if match is None:
        raise EngineUnavailable(f"--device {device}: TensorRT runs on NVIDIA GPUs only; write cuda or cuda:0")
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
