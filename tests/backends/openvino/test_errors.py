"""Whatever OpenVINO raises, at whichever step, is an EngineError of one line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtsod.backends.openvino.cache import ModelCache
from rtsod.backends.openvino.compiled_from_weights import compiled_from_weights
from rtsod.backends.openvino.core import openvino_core
from rtsod.backends.openvino.engine import OpenVinoEngine
from rtsod.config import EngineConfig
from rtsod.errors import NOT_ENOUGH_MEMORY, EngineError
from rtsod.model.weights import published

ERRORS = [
    (MemoryError(), NOT_ENOUGH_MEMORY),
    (RuntimeError("Exception from core.cpp:117:\nFailed to allocate 1638400 bytes of memory\n"), NOT_ENOUGH_MEMORY),
    (RuntimeError("Exception from core.cpp:117:\nCheck 'false' failed\nno such plugin\n"), "no such plugin"),
]


class Failing:
    """Any object of OpenVINO, one of whose methods fails."""

    def __init__(self, of: object, method: str, error: Exception) -> None:
        self._of, self._method, self._error = of, method, error

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            return self._fail
        return getattr(self._of, name)

    def _fail(self, *_: object, **__: object) -> None:
        raise self._error


@pytest.mark.parametrize("step", ["get_property", "compile_model"])
@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_building(error: Exception, reason: str, precision: Any, step: str) -> None:
    config = EngineConfig(model="lite", engine="openvino", precision=precision, input_size=64, device="cpu")
    core: Any = Failing(openvino_core(), step, error)
    unconverted: Any = SimpleNamespace(
        root=None,
        core=core,
        forms=lambda *_: None,
        model=lambda *_: SimpleNamespace(model=None, golden_output="", stored=False),
    )
    cache: ModelCache = unconverted
    with pytest.raises(EngineError, match=rf"^OpenVINO cannot .*: {reason}$"):
        compiled_from_weights(config, published("lite"), cache)


@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_running(error: Exception, reason: str) -> None:
    request: Any = Failing(object(), "infer", error)
    compiled: Any = SimpleNamespace(create_infer_request=lambda: request)
    info: Any = None
    with pytest.raises(EngineError, match=f"^OpenVINO failed: {reason}$"):
        OpenVinoEngine(compiled, info).infer(np.zeros((64, 64, 3), np.uint8))
    refused: Any = Failing(object(), "create_infer_request", error)
    with pytest.raises(EngineError, match=f"^OpenVINO does not start: {reason}$"):
        OpenVinoEngine(refused, info)
    request = SimpleNamespace(get_compiled_model=lambda: Failing(object(), "get_runtime_model", error))
    with pytest.raises(EngineError, match=f"^OpenVINO does not tell its kernels: {reason}$"):
        OpenVinoEngine(SimpleNamespace(create_infer_request=lambda: request), info).kernels()
