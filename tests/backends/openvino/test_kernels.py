"""OpenVINO tells which kernels it runs, in a process held to fewer instructions as well."""

from __future__ import annotations

import platform
from collections import Counter

import numpy as np
import pytest

from rtsod.backends.openvino.core import openvino_core, ops, ov
from rtsod.backends.openvino.engine import OpenVinoEngine
from rtsod.frames import EngineInfo
from rtsod.system.processor_class import LIMIT_VARIABLES, ProcessorClass, processor_class
from rtsod.system.subprocess_call import call_in_subprocess


def kernels_of_one_convolution() -> Counter[str]:
    """The kernels of a network of one float convolution."""
    image = ops.parameter([1, 16, 32, 32], np.float32)
    weights = ops.constant(np.ones((16, 16, 3, 3), np.float32))
    layer = ops.convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    compiled = openvino_core().compile_model(ov.Model([layer], [image]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return OpenVinoEngine(compiled, EngineInfo("openvino", "none", "fp32", "CPU", 32, "")).kernels()


def test_each_convolution_is_counted_by_its_kernel() -> None:
    kernels = kernels_of_one_convolution()
    assert sum(kernels.values()) == 1
    assert all(name.endswith("_f32") for name in kernels)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86 has these instructions")
def test_a_process_held_to_avx2_runs_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    if processor_class() not in (ProcessorClass.AMX, ProcessorClass.VNNI, ProcessorClass.AVX2):
        pytest.skip("this processor has no AVX2")
    monkeypatch.setenv(LIMIT_VARIABLES[0], "AVX2")
    (kernel,) = call_in_subprocess("the kernels", kernels_of_one_convolution)
    assert "avx2" in kernel
    assert "avx512" not in kernel
