"""cuda-python and pycuda on a GPU that is faked at the driver's calls: device memory is host memory."""
# ruff: noqa: N802 (the fakes have the names of the libraries they stand for)

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtsod.frames import Availability

STREAM = 77
"""The handle of the fake stream."""


class FakeDriver:
    """cuda-python's runtime module, with memory on the host and a stream that executes at once.

    While the stream captures, work is recorded instead, and each launch executes it, as in CUDA.
    """

    def __init__(self, real: Any) -> None:
        for name in ("cudaError_t", "cudaMemcpyKind", "cudaStreamCaptureMode"):
            setattr(self, name, getattr(real, name))
        self.taken: dict[int, Any] = {}
        self.fails: dict[str, Any] = {}
        self.calls: list[str] = []
        self.capturing: list[Callable[[], None]] | None = None
        self.devices = 1
        self.capability = (8, 6)

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if not name.startswith("cuda") or not callable(attribute) or isinstance(attribute, type):
            return attribute

        def called(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            if name in self.fails:
                return (self.fails[name], None)
            result = attribute(*arguments)
            status = self.cudaError_t.cudaSuccess
            return (status,) if result is None else (status, result)

        called.__name__ = name
        return called

    def queue(self, work: Callable[[], None]) -> None:
        if self.capturing is None:
            work()
        else:
            self.capturing.append(work)

    def cudaGetDeviceCount(self) -> int:
        return self.devices

    def cudaGetDeviceProperties(self, index: int) -> Any:
        return SimpleNamespace(name=b"Fake RTX", major=self.capability[0], minor=self.capability[1])

    def cudaDriverGetVersion(self) -> int:
        return 13020

    def cudaSetDevice(self, index: int) -> None: ...

    def cudaStreamCreate(self) -> int:
        return STREAM

    def cudaStreamDestroy(self, stream: int) -> None: ...

    def cudaStreamSynchronize(self, stream: int) -> None: ...

    def _take(self, size: int) -> int:
        memory = ctypes.create_string_buffer(size)
        address = ctypes.addressof(memory)
        self.taken[address] = memory
        return address

    def cudaMalloc(self, size: int) -> int:
        return self._take(size)

    def cudaMallocHost(self, size: int) -> int:
        return self._take(size)

    def cudaFree(self, address: int) -> None:
        del self.taken[address]

    def cudaFreeHost(self, address: int) -> None:
        del self.taken[address]

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: Any, stream: int) -> None:
        assert stream == STREAM
        self.queue(lambda: void(ctypes.memmove(target, source, size)))

    def cudaStreamBeginCapture(self, stream: int, mode: Any) -> None:
        self.capturing = []

    def cudaStreamEndCapture(self, stream: int) -> Any:
        graph, self.capturing = self.capturing, None
        return graph

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> Any:
        return graph

    def cudaGraphLaunch(self, graph: list[Callable[[], None]], stream: int) -> None:
        for work in graph:
            work()

    def cudaGraphDestroy(self, graph: Any) -> None: ...

    def cudaGraphExecDestroy(self, graph: Any) -> None: ...


def void(_: object) -> None:
    """Discard a result."""


def fake_driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """Replace cuda-python's runtime by a fake one."""
    real = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-python")
    fake = FakeDriver(real)
    monkeypatch.setattr("rtsod.backends.cuda.cuda_python.import_runtime", lambda: fake)
    monkeypatch.setattr("rtsod.backends.nvidia_driver", lambda: Availability("cuda", True, "a fake one"))
    return fake


class PyCudaError(Exception):
    """``pycuda.driver.Error``."""


class FakePyCudaDriver:
    """``pycuda.driver``, with memory on the host, and pycuda's rule that calls need a current context.

    Memory counts as taken until its last reference is gone, as in pycuda.
    """

    Error = PyCudaError

    def __init__(self) -> None:
        self.live: set[int] = set()
        self.fails: dict[str, str] = {}
        self.contexts: list[object] = []
        self.retained = 0
        self.devices = 1
        self.capability = (8, 6)
        driver = self

        class Context:
            def __init__(self) -> None:
                driver.retained += 1

            def push(self) -> None:
                driver.check("push", needs_context=False)
                driver.contexts.append(self)

            def detach(self) -> None:
                assert not driver.contexts
                driver.retained -= 1

            @staticmethod
            def pop() -> None:
                driver.contexts.pop()

        class Device:
            def __init__(self, index: int) -> None:
                assert index < driver.devices

            @staticmethod
            def count() -> int:
                return driver.devices

            def name(self) -> str:
                return "Fake RTX"

            def compute_capability(self) -> tuple[int, int]:
                return driver.capability

            def retain_primary_context(self) -> Context:
                return Context()

        class Stream:
            handle = STREAM

            def __init__(self) -> None:
                driver.check("Stream")

            def synchronize(self) -> None:
                driver.check("synchronize")

        class Memory:
            def __init__(self, size: int) -> None:
                driver.check("mem_alloc")
                self._buffer = ctypes.create_string_buffer(size)
                driver.live.add(int(self))

            def __int__(self) -> int:
                return ctypes.addressof(self._buffer)

            def __del__(self) -> None:
                if hasattr(self, "_buffer"):
                    driver.live.discard(int(self))

        self.Context, self.Device, self.Stream, self.mem_alloc = Context, Device, Stream, Memory

    def check(self, call: str, *, needs_context: bool = True) -> None:
        """Fail if the test wants it, or if no context is current."""
        if call in self.fails:
            raise PyCudaError(self.fails[call])
        if needs_context and not self.contexts:
            raise PyCudaError("cuCtxGetCurrent failed: invalid device context")

    def init(self) -> None:
        self.check("init", needs_context=False)

    def get_driver_version(self) -> int:
        return 13020

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        self.check("pagelocked_empty")
        return np.empty(shape, dtype)

    def memcpy_htod_async(self, target: int, source: Any, stream: Any) -> None:
        self.check("memcpy_htod_async")
        ctypes.memmove(target, source.ctypes.data, source.nbytes)

    def memcpy_dtoh_async(self, target: Any, source: int, stream: Any) -> None:
        self.check("memcpy_dtoh_async")
        ctypes.memmove(target.ctypes.data, source, target.nbytes)


def fake_pycuda(monkeypatch: pytest.MonkeyPatch) -> FakePyCudaDriver:
    """Replace ``pycuda.driver`` by a fake one; pycuda need not be installed."""
    fake = FakePyCudaDriver()
    monkeypatch.setattr("rtsod.backends.cuda.pycuda.import_driver", lambda: fake)
    return fake
