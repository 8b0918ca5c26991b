"""Fixtures for the tests of exports and TensorRT engines: exported graphs, and an engine on a faked GPU."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from rtsod.backends.self_check import golden_output
from rtsod.backends.tensorrt.cache import CachedPlan
from rtsod.backends.tensorrt.library import TrtLibrary, load_library
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.config import EngineConfig, ModelName
from rtsod.errors import EngineUnavailable
from rtsod.export.onnx_from_torch import ExportPrecision, onnx_from_torch
from rtsod.frames import Alpha, Image
from rtsod.model.calibration import calibration_for
from rtsod.model.checkpoints import load_graph
from rtsod.model.weights import resolve
from tests.support.fake_cuda import STREAM, FakeDriver

SIZE = 64
CONFIG = EngineConfig(model="lite", engine="tensorrt", precision="fp32", input_size=SIZE)


def rtx() -> TrtLibrary:
    """TensorRT for RTX, which builds plans without a GPU; skips the test if it is not installed."""
    try:
        return load_library("tensorrt_rtx")
    except EngineUnavailable as error:
        pytest.skip(str(error))


@cache
def exported(path: Path, model: ModelName, precision: ExportPrecision, size: int = 320) -> onnx.ModelProto:
    """The graph exported from the authors' weights. Shared between tests: copy it before you change it."""
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    calibration = calibration_for(resolve(EngineConfig(model))) if precision == "int8" else None
    return onnx_from_torch(load_graph(path, model), precision, size, calibration)


def red(image: Image) -> Alpha:
    """The saliency map of the fake network: the red channel."""
    return np.asarray(image[..., 2] / np.float32(255), np.float32)


class FakeEngine:
    """``ICudaEngine`` and its execution context in one object, with the library's real enumerations and types."""

    def __init__(self, trt: Any, driver: FakeDriver) -> None:
        self.trt, self.driver = trt, driver
        self.addresses: dict[str, int] = {}
        self.works = self.capturable = True
        self.answers = red
        self.shapes = {"image": (1, SIZE, SIZE, 3), "saliency": (1, 1, SIZE, SIZE)}
        self.types = {"image": trt.DataType.UINT8, "saliency": trt.DataType.FLOAT}
        self.num_io_tensors = 2

    def get_tensor_name(self, index: int) -> str:
        return list(self.shapes)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return self.trt.TensorIOMode.INPUT if name == "image" else self.trt.TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> Any:
        return self.trt.Dims(self.shapes[name])

    def get_tensor_dtype(self, name: str) -> Any:
        return self.types[name]

    def create_execution_context(self) -> FakeEngine | None:
        return self

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address in self.driver.taken

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle == STREAM
        self.driver.queue(self._compute)
        return self.works

    def is_stream_capturable(self, stream: int) -> bool:
        return self.capturable

    def _compute(self) -> None:
        image = np.frombuffer(ctypes.string_at(self.addresses["image"], SIZE * SIZE * 3), np.uint8)
        answer = np.ascontiguousarray(self.answers(image.reshape(SIZE, SIZE, 3)), np.float32)
        ctypes.memmove(self.addresses["saliency"], answer.ctypes.data, answer.nbytes)


def library_for(engine: FakeEngine | None) -> TrtLibrary:
    """TensorRT for RTX with a runtime that loads ``engine`` from any plan; None makes loading fail."""
    real = rtx()
    names = ("TensorIOMode", "DataType", "Dims", "nptype", "__name__", "__version__", "ComputeCapability")
    module = SimpleNamespace(**{name: getattr(real.module, name) for name in names})
    module.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine)
    return TrtLibrary(module, real.logger)


def pretend_built(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, precision: str = "int8") -> None:
    """Let ``--engine tensorrt`` find a cached plan of the lite model, and run ``engine``."""
    manifest = Manifest(
        "lite", "ab", 1, SIZE, precision, "tensorrt_rtx", "1", "8.6", None, None, "cd", "ef", golden_output(red, SIZE)
    )
    cached = CachedPlan(b"plan", manifest, Path("lite.engine"))
    monkeypatch.setattr("rtsod.backends.tensorrt.open.load_library", lambda: library_for(engine))
    monkeypatch.setattr("rtsod.backends.tensorrt.open.find_or_build", lambda *_, **__: cached)
