"""What the tests of export and engines share: exported graphs, and a GPU that is faked at the driver's calls."""

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
from rtsod.backends.tensorrt.cache import CachedEngine
from rtsod.backends.tensorrt.library import TrtLibrary, load_library
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.config import EngineConfig, ModelName
from rtsod.errors import EngineUnavailable
from rtsod.export.onnx_from_torch import ExportPrecision, onnx_from_torch
from rtsod.frames import Alpha, Image
from rtsod.model.calibration import calibration_for
from rtsod.model.checkpoints import load_network
from rtsod.model.weights import resolve
from tests.support.fake_cuda import STREAM, FakeDriver

SIZE = 64
CONFIG = EngineConfig(model="lite", engine="tensorrt", precision="fp32", input_size=SIZE)


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
    calibration = calibration_for(resolve(EngineConfig(model))) if precision == "int8" else None
    return onnx_from_torch(load_network(path, model), precision, size, calibration)


def red(image: Image) -> Alpha:
    """What the fake network finds salient: red."""
    return np.asarray(image[..., 2] / np.float32(255), np.float32)


class FakeEngine:
    """``ICudaEngine`` and its context in one, with the real enumerations and types."""

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
    real = rtx()
    names = ("TensorIOMode", "DataType", "Dims", "nptype", "__name__", "__version__", "ComputeCapability")
    module = SimpleNamespace(**{name: getattr(real.module, name) for name in names})
    module.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine)
    return TrtLibrary(module, real.logger)


def pretend_built(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, precision: str = "fp16") -> None:
    """Have ``--engine tensorrt`` find an engine file of the lite model that needs no building, and run ``engine``."""
    manifest = Manifest(
        "lite", "ab", 1, SIZE, precision, "tensorrt_rtx", "1", "8.6", None, None, "cd", "ef", golden_output(red, SIZE)
    )
    kept = CachedEngine(b"plan", manifest, Path("lite.engine"))
    monkeypatch.setattr("rtsod.backends.tensorrt.engine.load_library", lambda: library_for(engine))
    monkeypatch.setattr("rtsod.backends.tensorrt.engine.engine_from_weights", lambda *_, **__: kept)
