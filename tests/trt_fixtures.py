"""What the tests of export and engines share: exported graphs, and a GPU that is faked at the driver's calls."""
# ruff: noqa: N802 (the fake has the names of the library it stands for)

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from rtsod.build.trt_library import TrtLibrary, load_library
from rtsod.config import EngineConfig, ModelName
from rtsod.errors import EngineUnavailable
from rtsod.export.onnx_from_torch import ExportPrecision, onnx_from_torch
from rtsod.model.calibration import calibration_of
from rtsod.model.checkpoints import load_network
from rtsod.model.weights import resolve


def rtx() -> TrtLibrary:
    """TensorRT for RTX, which builds without a GPU."""
    try:
        return load_library("tensorrt_rtx")
    except EngineUnavailable as error:
        pytest.skip(str(error))


@cache
def exported(path: Path, model: ModelName, precision: ExportPrecision, size: int = 320) -> onnx.ModelProto:
    """The graph of the authors' weights; do not change it."""
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    calibration = calibration_of(resolve(EngineConfig(model))) if precision == "int8" else None
    return onnx_from_torch(load_network(path, model), precision, size, calibration)


class FakeDriver:
    """cuda-python's runtime module with memory that is the host's, and streams that do at once what is queued.

    While a stream captures, what is queued is kept instead and done at each launch, as CUDA does it.
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
        return 77

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
        assert stream == 77
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
    """Forget a result."""
