"""Running a plan, with the library's real types; only the driver and the GPU are faked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.backends import choose
from rtsod.backends.cuda.device import Cuda
from rtsod.backends.cuda.open import open_cuda
from rtsod.backends.self_check import check_golden_output, golden_output, tolerance
from rtsod.backends.tensorrt.engine import TensorRtEngine
from rtsod.backends.tensorrt.open import open_tensorrt
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable, ExitCode
from rtsod.frames import Availability, EngineInfo, Image
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import resolve
from tests.support.fake_cuda import FakeDriver, fake_driver
from tests.support.trt_fixtures import (
    CONFIG,
    SIZE,
    FakeEngine,
    library_for,
    pretend_built,
    red,
    rtx,
)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    return fake_driver(monkeypatch)


@pytest.fixture
def cuda(driver: FakeDriver) -> Iterator[Cuda]:
    opened = open_cuda()
    yield opened
    opened.close()
    assert not driver.taken, "memory was not given back"


@pytest.fixture
def engine(driver: FakeDriver) -> FakeEngine:
    return FakeEngine(rtx().module, driver)


INFO = EngineInfo("tensorrt", "lite", "fp32", "GPU", SIZE, "weights")


def noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def test_the_fake_engine_has_only_methods_that_the_library_has(engine: FakeEngine) -> None:
    trt = rtx().module
    for name in vars(FakeEngine):
        if not name.startswith("_"):
            assert hasattr(trt.ICudaEngine, name) or hasattr(trt.IExecutionContext, name)
    assert hasattr(trt.Runtime, "deserialize_cuda_engine")


def test_each_picture_gets_its_own_map_and_nothing_is_allocated(
    cuda: Cuda, driver: FakeDriver, engine: FakeEngine
) -> None:
    running = TensorRtEngine(library_for(engine), b"plan", cuda, INFO)
    assert "cudaStreamBeginCapture" in driver.calls
    driver.calls.clear()
    for seed in range(5):
        assert np.array_equal(running.infer(noise(seed)), red(noise(seed)))
    assert driver.calls == ["cudaSetDevice", "cudaGraphLaunch", "cudaStreamSynchronize"] * 5
    running.close()


def test_without_graph_capture_the_work_is_queued_each_time(cuda: Cuda, driver: FakeDriver, engine: FakeEngine) -> None:
    engine.capturable = False
    running = TensorRtEngine(library_for(engine), b"plan", cuda, INFO)
    assert np.array_equal(running.infer(noise(3)), red(noise(3)))
    assert "cudaStreamBeginCapture" not in driver.calls
    running.close()


@pytest.mark.parametrize(
    ("what", "value"),
    [("shapes", {"image": (1, 320, 320, 3), "saliency": (1, 1, SIZE, SIZE)}), ("types", "float input")],
)
def test_a_plan_of_another_shape_or_type_is_refused(cuda: Cuda, engine: FakeEngine, what: str, value: Any) -> None:
    half = {"image": engine.trt.DataType.HALF, "saliency": engine.trt.DataType.FLOAT}
    setattr(engine, what, half if what == "types" else value)
    with pytest.raises(EngineError, match="has no image of uint8"):
        TensorRtEngine(library_for(engine), b"plan", cuda, INFO)


def test_a_plan_that_does_not_load_or_run_is_an_error_that_names_the_gpu(cuda: Cuda, engine: FakeEngine) -> None:
    with pytest.raises(EngineError, match=r"Fake RTX.*cannot load"):
        TensorRtEngine(library_for(None), b"plan", cuda, INFO)
    engine.works = False
    with pytest.raises(EngineError, match=r"Fake RTX.*does not run"):
        TensorRtEngine(library_for(engine), b"plan", cuda, INFO)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("cudaErrorMemoryAllocation", "out of memory.*--lite"),
        ("cudaErrorLaunchFailure", "is lost"),
        ("cudaErrorIllegalAddress", "is lost"),
        ("cudaErrorInvalidValue", "failed: cudaErrorInvalidValue"),
    ],
)
def test_failures_of_the_gpu_say_what_to_do(
    cuda: Cuda, driver: FakeDriver, engine: FakeEngine, status: str, says: str
) -> None:
    running = TensorRtEngine(library_for(engine), b"plan", cuda, INFO)
    driver.fails["cudaStreamSynchronize"] = getattr(driver.cudaError_t, status)
    with pytest.raises(EngineError, match=says) as caught:
        running.infer(noise(0))
    assert "Fake RTX" in str(caught.value)
    assert caught.value.exit_code == ExitCode.ENGINE
    assert "\n" not in str(caught.value)


def test_a_full_gpu_is_reported(cuda: Cuda, driver: FakeDriver, engine: FakeEngine) -> None:
    driver.fails["cudaMalloc"] = driver.cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(EngineError, match="out of memory"):
        TensorRtEngine(library_for(engine), b"plan", cuda, INFO)


def test_only_devices_of_this_machine_open(driver: FakeDriver) -> None:
    with pytest.raises(EngineUnavailable, match=r"1 CUDA device"):
        open_cuda("cuda:3")
    with pytest.raises(EngineUnavailable, match="NVIDIA GPUs only"):
        open_cuda("cpu")
    driver.fails["cudaGetDeviceCount"] = driver.cudaError_t.cudaErrorInsufficientDriver
    with pytest.raises(EngineUnavailable, match="cudaErrorInsufficientDriver"):
        open_cuda()


class TestEngine:
    """Opening the engine when its plan is cached."""

    @pytest.fixture(autouse=True)
    def _built(self, monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
        pretend_built(monkeypatch, engine)

    def test_it_keeps_the_engine_protocol(self, driver: FakeDriver) -> None:
        opened = open_tensorrt(CONFIG, resolve(CONFIG))
        assert opened.info.device == "cuda:0 (Fake RTX, compute capability 8.6)"
        assert (opened.info.name, opened.info.precision, opened.info.input_size) == ("tensorrt", "int8", SIZE)
        assert opened.info.config == replace(CONFIG, precision="int8", device="cuda:0")
        assert opened.info.slow_to_open
        first = opened.infer(noise(1))
        opened.infer(noise(2))
        assert np.array_equal(first, red(noise(1))), "the caller owns the map"
        opened.close()
        opened.close()
        with pytest.raises(EngineError, match="closed"):
            opened.infer(noise(3))
        assert not driver.taken

    @pytest.mark.parametrize("wrong", ["black", "not a number", "upside down"])
    def test_a_wrong_map_of_the_golden_input_fails_the_self_check(
        self, wrong: str, engine: FakeEngine, driver: FakeDriver
    ) -> None:
        engine.answers = {
            "black": lambda image: red(image) * 0,
            "not a number": lambda image: red(image) * np.float32("nan"),
            "upside down": lambda image: red(image)[::-1],
        }[wrong]
        with pytest.raises(EngineError, match=r"lite\.engine failed its self-check"):
            open_tensorrt(CONFIG, resolve(CONFIG))
        assert not driver.taken, "a failed open leaves nothing open"

    def test_pascal_is_refused_before_anything_is_built(self, driver: FakeDriver) -> None:
        driver.capability = (6, 1)
        with pytest.raises(EngineUnavailable, match="--engine torch --precision fp32"):
            open_tensorrt(CONFIG, resolve(CONFIG))

    def test_auto_chooses_it_where_it_runs_and_says_why_not_elsewhere(
        self, driver: FakeDriver, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rtsod.backends.nvidia_driver", lambda: Availability("cuda", True, "a driver"))
        monkeypatch.setattr("rtsod.backends.load_library", lambda: library_for(engine))
        name, why = choose(EngineConfig(device="cuda"))
        assert name == "tensorrt"
        assert "Fake RTX" in why
        for capability, reason in (((6, 1), "too old"), ((9, 0), "does not build")):
            driver.capability = capability
            name, why = choose(EngineConfig(device="cuda"))
            assert name == "torch"
            assert reason in why


class TestSelfCheck:
    def test_a_small_difference_passes_and_is_returned(self) -> None:
        answer = golden_output(red, SIZE)
        allowed = tolerance("fp32", SIZE)
        off = check_golden_output(
            lambda image: red(image) - np.float32(allowed / 2), SIZE, answer, "e", tolerance=allowed
        )
        assert off == pytest.approx(allowed / 2, rel=1e-3)

    @pytest.mark.parametrize("answer", [None, "", "AAAA", "no base64!"])
    def test_without_a_stored_output_nothing_passes(self, answer: str | None) -> None:
        with pytest.raises(EngineError, match="damaged"):
            check_golden_output(red, SIZE, answer, "e", tolerance=1)

    @pytest.mark.parametrize("model", ["lite", "full"])
    def test_the_networks_see_the_figure(self, model: str, published_weights: dict[str, Path]) -> None:
        import torch

        from rtsod.model.checkpoints import load_network
        from rtsod.model.saliency import SaliencyGraph

        graph = SaliencyGraph(load_network(published_weights[model], model)).eval()  # type: ignore[arg-type]
        with torch.inference_mode():
            answer = graph(torch.from_numpy(golden_input(320))[None])[0, 0].numpy()
        assert 0.13 < (answer > 0.5).mean() < 0.16
        assert ((answer > 0.1) & (answer < 0.9)).mean() < 0.02, "sharp: a wrong engine cannot pass by being vague"
