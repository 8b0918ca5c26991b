"""One suite for every engine: each keeps the promises of :class:`rtsod.interfaces.Engine`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rtsod.backends import choose, open_engine, probe_engines
from rtsod.backends.constant import ConstantEngine
from rtsod.backends.onnxruntime import providers
from rtsod.backends.onnxruntime.library import probe_onnxruntime
from rtsod.config import EngineConfig, Precision
from rtsod.errors import EngineUnavailable, UsageError
from rtsod.frames import Availability, Image
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve

NAMES = ["constant", "openvino", "openvino-int8", "torch", "tensorrt", "onnxruntime"]
"""OpenVINO is opened in a fixed precision: what ``auto`` takes depends on the processor."""


def _open(name: str, **options: object) -> Engine:
    if name == "constant":
        return ConstantEngine(**options)  # type: ignore[arg-type]
    name, _, precision = name.partition("-")
    if name == "openvino":
        options["precision"] = precision or "fp32"
    if name == "onnxruntime":
        options["device"] = "cpu"  # the one provider that every machine has
    config = EngineConfig(model="lite", engine=name, **options)  # type: ignore[arg-type]
    try:
        return open_engine(config, resolve(config))
    except EngineUnavailable as error:
        pytest.skip(str(error))


def _skip_without_onnx_runtime() -> None:
    probe = probe_onnxruntime()
    if not probe.available:
        pytest.skip(probe.reason)


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest, published_weights: dict[str, Path]) -> Iterator[Engine]:
    opened = _open(request.param, input_size=160)
    yield opened
    opened.close()


def _noise(size: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def test_the_map_is_a_valid_mask(engine: Engine) -> None:
    for image in (_noise(160), np.zeros((160, 160, 3), np.uint8), np.full((160, 160, 3), 255, np.uint8)):
        alpha = engine.infer(image)
        assert alpha.shape == (160, 160)
        assert alpha.dtype == np.float32
        assert alpha.min() >= 0
        assert alpha.max() <= 1


def test_the_caller_owns_the_map(engine: Engine) -> None:
    first = engine.infer(_noise(160, seed=1))
    kept = first.copy()
    engine.infer(_noise(160, seed=2))
    assert np.array_equal(first, kept), "the next inference overwrote the map"
    first[:] = 0  # the caller may write into it


def test_the_image_is_not_modified_and_may_be_read_only(engine: Engine) -> None:
    image = _noise(160)
    kept = image.copy()
    image.setflags(write=False)
    engine.infer(image)
    assert np.array_equal(image, kept)


def test_the_map_depends_on_the_image_alone(engine: Engine) -> None:
    first = engine.infer(_noise(160, seed=3))
    engine.infer(_noise(160, seed=4))
    assert np.array_equal(engine.infer(_noise(160, seed=3)), first)


def test_info_describes_what_runs(engine: Engine) -> None:
    info = engine.info
    assert info.input_size == 160
    assert info.name in NAMES
    assert info.precision in ("fp16", "fp32", "int8")
    assert info.device
    assert info.slow_to_open == (info.name == "tensorrt")


def test_its_configuration_is_decided_and_reopens_the_same_engine(engine: Engine) -> None:
    config = engine.info.config
    if config is None:
        assert isinstance(engine, ConstantEngine), "every configured engine says how"
        return
    assert "auto" not in (config.engine, config.precision, config.device)
    assert (config.engine, config.precision) == (engine.info.name, engine.info.precision)
    lines: list[str] = []
    again = open_engine(config, resolve(config), lines.append, explain=lines.append)
    try:
        assert again.info == engine.info
        assert not lines, "nothing was left to choose or build"
        assert np.array_equal(again.infer(_noise(160)), engine.infer(_noise(160)))
    finally:
        again.close()


@pytest.mark.parametrize("name", ["openvino", "torch", "onnxruntime"])
def test_auto_is_decided_once(name: str, published_weights: dict[str, Path]) -> None:
    config = EngineConfig(model="lite", engine=name, input_size=96)  # type: ignore[arg-type]
    try:
        opened = open_engine(config, resolve(config))
    except EngineUnavailable as error:
        pytest.skip(str(error))
    info = opened.info
    opened.close()
    assert info.config is not None
    assert "auto" not in (info.config.engine, info.config.precision, info.config.device)
    lines: list[str] = []
    again = open_engine(info.config, resolve(config), lines.append, explain=lines.append)
    again.close()
    assert again.info == info
    assert not lines


@pytest.mark.parametrize("name", NAMES)
def test_closing_twice_is_harmless(name: str, published_weights: dict[str, Path]) -> None:
    opened = _open(name, input_size=128)
    opened.close()
    opened.close()


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("size", [96, 160, 320])
def test_engines_agree_at_any_input_size(
    size: int, name: str, samples: Path, published_weights: dict[str, Path]
) -> None:
    import cv2

    image = cv2.resize(cv2.imread(str(samples / "images" / "girl.png")), (size, size))  # type: ignore[arg-type]
    one, other = (_open(each, input_size=size).infer(np.asarray(image, np.uint8)) for each in (name, "torch"))
    assert np.abs(one - other).max() < 2e-3
    assert one.max() > 0.5, "the photograph of a girl has a subject"


def test_colours_are_taken_as_bgr(samples: Path, published_weights: dict[str, Path]) -> None:
    import cv2

    image = np.asarray(cv2.resize(cv2.imread(str(samples / "images" / "boat.jpg")), (160, 160)), np.uint8)  # type: ignore[arg-type]
    opened = _open("openvino", input_size=160)
    right, swapped = opened.infer(image), opened.infer(np.ascontiguousarray(image[..., ::-1]))
    assert np.abs(right - swapped).mean() > 1e-3


class TestExplicitRequests:
    """What you request by name opens or is an error; it is never replaced."""

    def _refused(self, match: str, **options: object) -> None:
        config = EngineConfig(model="lite", **options)  # type: ignore[arg-type]
        with pytest.raises(EngineUnavailable, match=match) as caught:
            open_engine(config, resolve(config))
        assert "\n" not in str(caught.value)

    def test_fp16_on_a_cpu(self) -> None:
        self._refused("fp32 or bf16", engine="torch", device="cpu", precision="fp16")

    def test_a_missing_gpu(self) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
        self._refused("CUDA", engine="torch", device="cuda")
        self._refused("CUDA", engine="auto", device="cuda:1")
        self._refused("--engine torch", engine="openvino", device="cuda")

    def test_a_device_of_another_engine(self) -> None:
        self._refused("--device npu", engine="openvino", device="npu")
        self._refused("--engine openvino", engine="torch", device="gpu")
        self._refused("--engine onnxruntime", engine="openvino", device="webgpu")
        self._refused("--engine onnxruntime", engine="torch", device="coreml")

    def test_a_provider_that_is_not_installed(self) -> None:
        _skip_without_onnx_runtime()
        if sys.platform == "linux":
            self._refused("--device coreml: Core ML is a part of macOS", engine="onnxruntime", device="coreml")
            self._refused("DirectML is a part of Windows", engine="onnxruntime", device="directml")
            self._refused("part of macOS", engine="auto", device="coreml")
        self._refused("--engine openvino", engine="onnxruntime", device="npu")

    def test_a_precision_that_onnx_runtime_does_not_run_on_a_cpu(self) -> None:
        _skip_without_onnx_runtime()
        for precision in ("fp16", "bf16"):
            self._refused("fp32 on cpu", engine="onnxruntime", device="cpu", precision=precision)
        with pytest.raises(UsageError, match=r"--precision int8: .*--engine openvino"):
            EngineConfig(engine="onnxruntime", precision="int8")


def test_auto_chooses_an_installed_engine_and_says_why() -> None:
    said: list[str] = []
    config = EngineConfig(model="lite", input_size=64)
    opened = open_engine(config, resolve(config), explain=said.append)
    assert opened.info.name in said[0]
    assert all("because" in line for line in said)
    if opened.info.name == "openvino":
        assert f"precision auto: {opened.info.precision}, because" in said[1]


def test_auto_without_openvino_takes_pytorch_and_without_both_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino": True, "torch": True}
    real = probe_engines()

    def probe() -> list[object]:
        return [
            p if installed.get(p.name, True) else type(p)(p.name, False, f"{p.name} is not installed") for p in real
        ]

    monkeypatch.setattr("rtsod.backends.probe_engines", probe)
    config = EngineConfig(device="cpu")
    assert choose(config)[0] == "openvino"
    installed["openvino"] = False
    assert choose(config)[0] == "torch"
    assert "not installed" in choose(config)[1]
    installed["torch"] = False
    with pytest.raises(EngineUnavailable, match="pip install"):
        choose(config)


def _install(monkeypatch: pytest.MonkeyPatch, *, driver: bool, **installed: bool) -> None:
    """Have a machine with or without a driver, and with these packages."""
    said = "there is an NVIDIA driver" if driver else "there is no NVIDIA driver"
    monkeypatch.setattr("rtsod.backends.nvidia_driver", lambda: Availability("cuda", driver, said))
    real = find_spec

    def find(name: str) -> object:
        return object() if installed.get(name) else None if name in installed else real(name)

    for place in ("rtsod.backends", "rtsod.backends.tensorrt.library", "rtsod.backends.cuda.open"):
        monkeypatch.setattr(f"{place}.find_spec", find)


@pytest.mark.parametrize(
    ("driver", "installed", "said"),
    [
        (False, {"tensorrt": False, "tensorrt_rtx": False, "torch": False}, "there is no NVIDIA driver"),
        (
            True,
            {"tensorrt": False, "tensorrt_rtx": False, "torch": False},
            r"TensorRT is not installed: .*tensorrt-rtx",
        ),
        (
            True,
            {"tensorrt": False, "tensorrt_rtx": True, "torch": False},
            r"torch is not installed: .*\[tensorrt-rtx\]",
        ),
    ],
)
def test_tensorrt_names_first_what_is_missing_first_and_the_extra_that_has_it(
    driver: bool, installed: dict[str, bool], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(monkeypatch, driver=driver, cuda=True, **{"cuda.bindings": True, "onnxscript": True}, **installed)
    config = EngineConfig(model="lite", engine="tensorrt")
    with pytest.raises(EngineUnavailable, match=f"^--engine tensorrt: {said}"):
        open_engine(config, resolve(config))


@pytest.mark.parametrize(
    ("driver", "said"), [(False, "there is no NVIDIA driver, and torch is not installed"), (True, "torch is not inst")]
)
def test_a_device_that_needs_pytorch_is_named_as_it_was_given(
    driver: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(monkeypatch, driver=driver, torch=False, tensorrt=False, tensorrt_rtx=False)
    config = EngineConfig(model="lite", device="cuda:1")
    with pytest.raises(EngineUnavailable, match=f"^--device cuda:1: {said}.*\\[torch\\]"):
        open_engine(config, resolve(config))


@pytest.mark.parametrize(
    ("platform", "precision", "expected"),
    [
        ("darwin", "auto", "onnxruntime"),
        ("win32", "fp16", "onnxruntime"),
        ("win32", "int8", "openvino"),
        ("linux", "auto", "openvino"),
    ],
)
def test_auto_takes_onnx_runtime_for_a_gpu_that_only_it_reaches_but_not_on_linux(
    monkeypatch: pytest.MonkeyPatch, platform: str, precision: Precision, expected: str
) -> None:
    core_ml = next(each for each in providers.PROVIDERS if each.device == "coreml")
    monkeypatch.setattr(providers, "accelerators", lambda: [providers.Place(core_ml)])
    monkeypatch.setattr("rtsod.backends.probe_onnxruntime", lambda: Availability("onnxruntime", True, "installed"))
    monkeypatch.setattr("rtsod.backends.nvidia_driver", lambda: Availability("cuda", False, "there is no driver"))
    monkeypatch.setattr("sys.platform", platform)
    name, reason = choose(EngineConfig(precision=precision))
    assert name == expected
    if expected == "onnxruntime":
        assert reason == "there is no driver and ONNX Runtime reaches this machine's GPU with Core ML"
    assert choose(EngineConfig(device="cpu"))[0] == "openvino"


@pytest.mark.parametrize("module", ["engine", "conversion", "model_from_weights", "dynamic_shapes", "int8_probe"])
def test_openvino_sends_no_telemetry(module: str) -> None:
    """Whichever module is imported first: in a subprocess that converts it is another one."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    code = f"import sys, rtsod.backends.openvino.{module}; from openvino.tools.ovc import telemetry_utils; "
    code += "print('openvino_telemetry' in sys.modules, telemetry_utils.tm.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False openvino.tools.ovc.telemetry_stub"
