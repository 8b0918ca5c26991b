"""CUDA by NVIDIA's own cuda-python. See :class:`rtsod.backends.cuda.device.Cuda`."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from cuda.bindings import runtime
from numpy.typing import NDArray

from rtsod.backends.cuda.device import Address, Gpu, driver_version, gpu_error, require_index
from rtsod.errors import EngineUnavailable


class CudaPython:
    """One GPU.

    Args:
        index: which.

    Raises:
        EngineUnavailable: there is no driver, no such GPU, or the driver is too old for cuda-python.
        EngineError: the GPU does not answer.
    """

    library = "cuda-python"

    def __init__(self, index: int) -> None:
        self._give_back: list[Callable[[], Any]] = []
        self._name = f"GPU {index}"
        status, count = runtime.cudaGetDeviceCount()
        if status != runtime.cudaError_t.cudaSuccess:
            raise EngineUnavailable(
                f"cuda-python finds no usable NVIDIA driver or GPU ({_text(status)}): see nvidia-smi, and update the "
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
        self._give_back.append(lambda: runtime.cudaStreamDestroy(stream))
        self._stream = int(stream)

    @property
    def gpu(self) -> Gpu:
        return self._gpu

    @property
    def stream(self) -> int:
        return self._stream

    @contextmanager
    def current(self) -> Iterator[None]:
        # CUDA keeps the current device for each thread, and the one that opens is not the one that infers.
        self._call(runtime.cudaSetDevice, self._gpu.index)
        yield

    def pinned(self, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        address = int(self._call(runtime.cudaMallocHost, size))
        self._give_back.append(lambda: runtime.cudaFreeHost(address))
        return np.frombuffer((ctypes.c_byte * size).from_address(address), dtype).reshape(tuple(shape))

    def allocate(self, size: int) -> Address:
        address = int(self._call(runtime.cudaMalloc, size))
        self._give_back.append(lambda: runtime.cudaFree(address))
        return address

    def upload(self, target: Address, source: NDArray[Any]) -> None:
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(runtime.cudaMemcpyAsync, target, source.ctypes.data, source.nbytes, kind, self._stream)

    def download(self, target: NDArray[Any], source: Address) -> None:
        kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(runtime.cudaMemcpyAsync, target.ctypes.data, source, target.nbytes, kind, self._stream)

    def recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        self._call(
            runtime.cudaStreamBeginCapture,
            self._stream,
            runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal,
        )
        try:
            work()
        finally:
            graph = self._call(runtime.cudaStreamEndCapture, self._stream)
        runnable = self._call(runtime.cudaGraphInstantiate, graph, 0)
        self._give_back.append(lambda: runtime.cudaGraphDestroy(graph))
        self._give_back.append(lambda: runtime.cudaGraphExecDestroy(runnable))
        return lambda: self._call(runtime.cudaGraphLaunch, runnable, self._stream)

    def synchronize(self) -> None:
        self._call(runtime.cudaStreamSynchronize, self._stream)

    def close(self) -> None:
        if self._give_back:
            runtime.cudaSetDevice(self._gpu.index)
        while self._give_back:
            self._give_back.pop()()  # the status says nothing that anybody could act upon

    def _call(self, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
        status, *results = function(*arguments)
        if status != runtime.cudaError_t.cudaSuccess:
            raise gpu_error(self._name, f"{_text(status)} in {function.__name__}")
        return results[0] if results else None


def _text(status: Any) -> str:
    return str(getattr(status, "name", status))
