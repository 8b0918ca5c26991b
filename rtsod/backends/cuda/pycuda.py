"""CUDA by pycuda, where that is what there is. See :class:`rtsod.backends.cuda.device.Cuda`. It has no CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pycuda.driver as driver
from numpy.typing import NDArray

from rtsod.backends.cuda.device import Address, Gpu, driver_version, gpu_error, require_index
from rtsod.errors import EngineUnavailable


class PyCuda:
    """One GPU, by its primary context, which TensorRT and PyTorch share.

    Args:
        index: which.

    Raises:
        EngineUnavailable: there is no driver or no such GPU.
        EngineError: the GPU does not answer.
    """

    library = "pycuda"

    def __init__(self, index: int) -> None:
        try:
            driver.init()
            count = driver.Device.count()
        except driver.Error as error:
            raise EngineUnavailable(
                f"pycuda finds no usable NVIDIA driver or GPU ({_line(error)}): see nvidia-smi"
            ) from error
        require_index(index, count)
        self._name = f"cuda:{index}"
        self._context: Any = None
        self._stream: Any = None
        self._memory: dict[Address, Any] = {}
        with self._told():
            device = driver.Device(index)
            version = driver_version(driver.get_driver_version())
            self._gpu = Gpu(index, device.name(), tuple(device.compute_capability()), version)
            self._name = f"cuda:{index} ({self._gpu.name})"
            self._context = device.retain_primary_context()
        with self.current():
            self._stream = driver.Stream()

    @property
    def gpu(self) -> Gpu:
        return self._gpu

    @property
    def stream(self) -> int:
        return int(self._stream.handle)

    @contextmanager
    def current(self) -> Iterator[None]:
        # Pushed and popped each time: a thread that ends with a context on its stack takes the process with it.
        with self._told():
            self._context.push()
            try:
                yield
            finally:
                driver.Context.pop()

    def pinned(self, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        array: NDArray[Any] = driver.pagelocked_empty(tuple(shape), dtype)  # frees itself with its last reference
        return array

    def allocate(self, size: int) -> Address:
        memory = driver.mem_alloc(size)
        self._memory[int(memory)] = memory
        return int(memory)

    def upload(self, target: Address, source: NDArray[Any]) -> None:
        driver.memcpy_htod_async(target, source, self._stream)

    def download(self, target: NDArray[Any], source: Address) -> None:
        driver.memcpy_dtoh_async(target, source, self._stream)

    def recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        return work

    def synchronize(self) -> None:
        self._stream.synchronize()

    def close(self) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        try:
            context.push()
            self._memory.clear()
            self._stream = None
            driver.Context.pop()
            context.detach()
        except driver.Error:
            return  # the GPU is lost, and everything on it with it

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except driver.Error as error:  # MemoryError and LogicError are among them
            raise gpu_error(self._name, _line(error)) from error


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
