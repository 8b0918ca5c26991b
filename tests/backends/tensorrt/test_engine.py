"""What happens between a picture and the GPU, with the library's real types; only the driver and the GPU are faked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.backends import choose
from rtsod.backends.cuda.device import Cuda
from rtsod.backends.cuda.open import open_cuda
from rtsod.backends.self_check import TOLERANCE, check_golden_output, golden_output
from rtsod.backends.tensorrt.engine import TensorRtEngine, TensorRtRunner
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable, ExitCode
from rtsod.frames import Availability, Image
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


def noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def test_the_fake_has_only_what_the_library_has(engine: FakeEngine) -> None:
    trt = rtx().module
    for name in vars(FakeEngine):
        if not name.startswith("_"):
            assert hasattr(trt.ICudaEngine, name) or hasattr(trt.IExecutionContext, name)
    assert hasattr(trt.Runtime, "deserialize_cuda_engine")


def test_each_picture_gets_its_own_answer_and_nothing_is_allocated(
    cuda: Cuda, driver: FakeDriver, engine: FakeEngine
) -> None:
    runner = TensorRtRunner(library_for(engine), b"plan", cuda, SIZE)
    assert "cudaStreamBeginCapture" in driver.calls
    driver.calls.clear()
    for seed in range(5):
        assert np.array_equal(runner(noise(seed))[0, 0], red(noise(seed)))
    assert driver.calls == ["cudaGraphLaunch", "cudaStreamSynchronize"] * 5
    runner.close()


def test_what_cannot_be_recorded_is_queued_each_time(cuda: Cuda, driver: FakeDriver, engine: FakeEngine) -> None:
    engine.capturable = False
    runner = TensorRtRunner(library_for(engine), b"plan", cuda, SIZE)
    assert np.array_equal(runner(noise(3))[0, 0], red(noise(3)))
    assert "cudaStreamBeginCapture" not in driver.calls
    runner.close()


@pytest.mark.parametrize(
    ("what", "value"),
    [("shapes", {"image": (1, 320, 320, 3), "saliency": (1, 1, SIZE, SIZE)}), ("types", "float input")],
)
def test_an_engine_of_another_shape_or_type_is_refused(cuda: Cuda, engine: FakeEngine, what: str, value: Any) -> None:
    half = {"image": engine.trt.DataType.HALF, "saliency": engine.trt.DataType.FLOAT}
    setattr(engine, what, half if what == "types" else value)
    with pytest.raises(EngineError, match="has no image of uint8"):
        TensorRtRunner(library_for(engine), b"plan", cuda, SIZE)


def test_what_does_not_load_or_run_is_an_error_that_names_the_gpu(cuda: Cuda, engine: FakeEngine) -> None:
    with pytest.raises(EngineError, match=r"Fake RTX.*cannot load"):
        TensorRtRunner(library_for(None), b"plan", cuda, SIZE)
    engine.works = False
    with pytest.raises(EngineError, match=r"Fake RTX.*does not run"):
        TensorRtRunner(library_for(engine), b"plan", cuda, SIZE)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("cudaErrorMemoryAllocation", "out of memory.*--lite"),
        ("cudaErrorLaunchFailure", "is lost"),
        ("cudaErrorIllegalAddress", "is lost"),
        ("cudaErrorInvalidValue", "failed: cudaErrorInvalidValue"),
    ],
)
def test_misfortunes_have_names(cuda: Cuda, driver: FakeDriver, engine: FakeEngine, status: str, says: str) -> None:
    runner = TensorRtRunner(library_for(engine), b"plan", cuda, SIZE)
    driver.fails["cudaStreamSynchronize"] = getattr(driver.cudaError_t, status)
    with pytest.raises(EngineError, match=says) as caught:
        runner(noise(0))
    assert "Fake RTX" in str(caught.value)
    assert caught.value.exit_code == ExitCode.ENGINE
    assert "\n" not in str(caught.value)


def test_no_room_on_the_gpu(cuda: Cuda, driver: FakeDriver, engine: FakeEngine) -> None:
    driver.fails["cudaMalloc"] = driver.cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(EngineError, match="out of memory"):
        TensorRtRunner(library_for(engine), b"plan", cuda, SIZE)


def test_devices_are_the_ones_that_are_there(driver: FakeDriver) -> None:
    with pytest.raises(EngineUnavailable, match=r"1 CUDA device"):
        open_cuda("cuda:3")
    with pytest.raises(EngineUnavailable, match="NVIDIA GPUs only"):
        open_cuda("cpu")
    driver.fails["cudaGetDeviceCount"] = driver.cudaError_t.cudaErrorInsufficientDriver
    with pytest.raises(EngineUnavailable, match="cudaErrorInsufficientDriver"):
        open_cuda()


class TestEngine:
    """The whole engine, with an engine file that needs no building."""

    @pytest.fixture(autouse=True)
    def _built(self, monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
        pretend_built(monkeypatch, engine)

    def test_it_is_an_engine_like_the_others(self, driver: FakeDriver) -> None:
        opened = TensorRtEngine(CONFIG, resolve(CONFIG))
        assert opened.info.device == "cuda:0 (Fake RTX, compute capability 8.6)"
        assert (opened.info.name, opened.info.precision, opened.info.input_size) == ("tensorrt", "fp16", SIZE)
        first = opened.infer(noise(1))
        opened.infer(noise(2))
        assert np.array_equal(first, red(noise(1))), "the caller owns the map"
        opened.close()
        opened.close()
        with pytest.raises(EngineError, match="closed"):
            opened.infer(noise(3))
        assert not driver.taken

    @pytest.mark.parametrize("wrong", ["black", "not a number", "upside down"])
    def test_a_wrong_answer_to_the_known_picture_closes_it(
        self, wrong: str, engine: FakeEngine, driver: FakeDriver
    ) -> None:
        engine.answers = {
            "black": lambda image: red(image) * 0,
            "not a number": lambda image: red(image) * np.float32("nan"),
            "upside down": lambda image: red(image)[::-1],
        }[wrong]
        with pytest.raises(EngineError, match=r"lite\.engine failed its self-check"):
            TensorRtEngine(CONFIG, resolve(CONFIG))
        assert not driver.taken, "a failed open leaves nothing open"

    def test_pascal_is_refused_before_anything_is_built(self, driver: FakeDriver) -> None:
        driver.capability = (6, 1)
        with pytest.raises(EngineUnavailable, match="--engine torch --precision fp32"):
            TensorRtEngine(CONFIG, resolve(CONFIG))

    def test_auto_takes_it_where_it_runs_and_says_why_not_elsewhere(
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
    def test_a_small_difference_passes_and_is_told(self) -> None:
        answer = golden_output(red, SIZE)
        off = check_golden_output(lambda image: red(image) + np.float32(TOLERANCE / 2), SIZE, answer, "e")
        assert off == pytest.approx(TOLERANCE / 2, rel=1e-3)

    @pytest.mark.parametrize("answer", [None, "", "AAAA", "no base64!"])
    def test_without_a_stored_answer_nothing_passes(self, answer: str | None) -> None:
        with pytest.raises(EngineError, match="damaged"):
            check_golden_output(red, SIZE, answer, "e")

    @pytest.mark.parametrize("model", ["lite", "full"])
    def test_the_networks_see_the_figure(self, model: str, published_weights: dict[str, Path]) -> None:
        import torch

        from rtsod.model.checkpoints import load_network
        from rtsod.model.saliency import SaliencyGraph

        graph = SaliencyGraph(load_network(published_weights[model], model)).eval()  # type: ignore[arg-type]
        with torch.inference_mode():
            answer = graph(torch.from_numpy(golden_input(320))[None])[0, 0].numpy()
        assert 0.15 < (answer > 0.5).mean() < 0.2
        assert ((answer > 0.1) & (answer < 0.9)).mean() < 0.02, "sharp: a wrong engine cannot pass by being vague"
