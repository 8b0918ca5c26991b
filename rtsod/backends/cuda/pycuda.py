"""CUDA through pycuda, which has no CUDA graphs. See :class:`rtsod.backends.cuda.device.Cuda`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from rtsod.backends.cuda.device import Address, Gpu, driver_version, gpu_error, require_index
from rtsod.errors import EngineUnavailable


def import_driver() -> Any:
    """Pycuda's module of the CUDA driver API."""
    import pycuda.driver

    return pycuda.driver


class PyCuda:
    """One GPU, by its primary context, which TensorRT and PyTorch share.

    Args:
        index: CUDA's device index.

    Raises:
        EngineUnavailable: there is no driver or no such GPU.
        EngineError: the GPU does not respond.
    """

    library = "pycuda"

    def __init__(self, index: int) -> None:
        self._driver = driver = import_driver()
        try:
            driver.init()
            count = driver.Device.count()
        except driver.Error as error:
            raise EngineUnavailable(
                f"pycuda finds no usable NVIDIA driver or GPU ({_first_line(error)}): check nvidia-smi"
            ) from error
        require_index(index, count)
        self._name = f"cuda:{index}"
        self._context: Any = None
        self._stream: Any = None
        self._memory: dict[Address, Any] = {}
        with self._map_errors():
            device = driver.Device(index)
            version = driver_version(driver.get_driver_version())
            self._gpu = Gpu(index, device.name(), tuple(device.compute_capability()), version)
            self._name = f"cuda:{index} ({self._gpu.name})"
            self._context = device.retain_primary_context()
        try:
            with self.current(), self._map_errors():
                self._stream = driver.Stream()
        except BaseException:
            self.close()
            raise

    @property
    def gpu(self) -> Gpu:
        return self._gpu

    @property
    def stream(self) -> int:
        return int(self._stream.handle)

    @contextmanager
    def current(self) -> Iterator[None]:
        # Pushed and popped each time: a thread that ends with a context on its stack aborts the process.
        with self._map_errors():
            self._context.push()
        try:
            yield
        finally:
            with self._map_errors():
                self._driver.Context.pop()

    def pinned(self, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        with self._map_errors():
            array: NDArray[Any] = self._driver.pagelocked_empty(tuple(shape), dtype)  # freed with its last reference
        return array

    def allocate(self, size: int) -> Address:
        with self._map_errors():
            memory = self._driver.mem_alloc(size)
        self._memory[int(memory)] = memory
        return int(memory)

    def upload(self, target: Address, source: NDArray[Any]) -> None:
        with self._map_errors():
            self._driver.memcpy_htod_async(target, source, self._stream)

    def download(self, target: NDArray[Any], source: Address) -> None:
        with self._map_errors():
            self._driver.memcpy_dtoh_async(target, source, self._stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        return work

    def synchronize(self) -> None:
        with self._map_errors():
            self._stream.synchronize()

    def close(self) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        try:
            context.push()
            self._memory.clear()
            self._stream = None
            self._driver.Context.pop()
            context.detach()
        except self._driver.Error:
            return  # the GPU is lost, with everything on it

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:  # the base class of its MemoryError and LogicError
            raise gpu_error(self._name, _first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
