"""CUDA through NVIDIA's cuda-python. See :class:`rtsod.backends.cuda.device.Cuda`."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsod.backends.cuda.device import Address, Gpu, driver_version, gpu_error, require_index
from rtsod.errors import EngineUnavailable


def import_runtime() -> Any:
    """cuda-python's module of the CUDA runtime API."""
    from cuda.bindings import runtime

    return runtime


class CudaPython:
    """One GPU, by the CUDA runtime API.

    Args:
        index: CUDA's device index.

    Raises:
        EngineUnavailable: there is no driver or no such GPU, or the driver is too old for this cuda-python.
        EngineError: the GPU does not respond.
    """

    library = "cuda-python"

    def __init__(self, index: int) -> None:
        self._runtime = runtime = import_runtime()
        self._releases: list[Callable[[], Any]] = []
        self._name = f"GPU {index}"
        status, count = runtime.cudaGetDeviceCount()
        if status != runtime.cudaError_t.cudaSuccess:
            raise EngineUnavailable(
                f"cuda-python finds no usable NVIDIA driver or GPU ({_text(status)}): check nvidia-smi, and update the "
                "driver"
            )
        require_index(index, count)
        properties = self._call(runtime.cudaGetDeviceProperties, index)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        self._name = f"cuda:{index} ({name})"
        driver = driver_version(self._call(runtime.cudaDriverGetVersion))
        self._gpu = Gpu(index, name, (properties.major, properties.minor), driver)
        self._call(runtime.cudaSetDevice, index)
        stream = self._call(runtime.cudaStreamCreate)
        self._releases.append(lambda: runtime.cudaStreamDestroy(stream))
        self._stream = int(stream)

    @property
    def gpu(self) -> Gpu:
        return self._gpu

    @property
    def stream(self) -> int:
        return self._stream

    @contextmanager
    def current(self) -> Iterator[None]:
        # Each thread has its own current device, and the engine is opened and run by different threads.
        self._call(self._runtime.cudaSetDevice, self._gpu.index)
        yield

    def pinned(self, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        address = int(self._call(self._runtime.cudaMallocHost, size))
        self._releases.append(lambda: self._runtime.cudaFreeHost(address))
        return np.frombuffer((ctypes.c_byte * size).from_address(address), dtype).reshape(tuple(shape))

    def allocate(self, size: int) -> Address:
        address = int(self._call(self._runtime.cudaMalloc, size))
        self._releases.append(lambda: self._runtime.cudaFree(address))
        return address

    def upload(self, target: Address, source: NDArray[Any]) -> None:
        self._copy(target, source.ctypes.data, source.nbytes, self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice)

    def download(self, target: NDArray[Any], source: Address) -> None:
        self._copy(target.ctypes.data, source, target.nbytes, self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        runtime = self._runtime
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call(runtime.cudaStreamBeginCapture, self._stream, mode)
        try:
            work()
        finally:
            graph = self._call(runtime.cudaStreamEndCapture, self._stream)
        executable = self._call(runtime.cudaGraphInstantiate, graph, 0)
        self._releases.append(lambda: runtime.cudaGraphDestroy(graph))
        self._releases.append(lambda: runtime.cudaGraphExecDestroy(executable))
        return lambda: self._call(runtime.cudaGraphLaunch, executable, self._stream)

    def synchronize(self) -> None:
        self._call(self._runtime.cudaStreamSynchronize, self._stream)

    def close(self) -> None:
        if self._releases:
            self._runtime.cudaSetDevice(self._gpu.index)
        while self._releases:
            self._releases.pop()()  # a failed release leaves nothing to do: its status is ignored

    def _copy(self, target: int, source: int, size: int, kind: Any) -> None:
        self._call(self._runtime.cudaMemcpyAsync, target, source, size, kind, self._stream)

    def _call(self, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
        status, *results = function(*arguments)
        if status != self._runtime.cudaError_t.cudaSuccess:
            raise gpu_error(self._name, f"{_text(status)} in {function.__name__}")
        return results[0] if results else None


def _text(status: Any) -> str:
    return str(getattr(status, "name", status))
