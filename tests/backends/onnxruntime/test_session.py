"""A session runs where it was asked to run, or is an error: ONNX Runtime alone would fall back to its CPU kernels."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtsod.backends import choose, open_engine
from rtsod.backends.onnxruntime import library, providers, session_from_weights
from rtsod.backends.onnxruntime.cache import FoundGraph, GraphCache
from rtsod.backends.onnxruntime.driver_messages import driver_messages_logged
from rtsod.backends.onnxruntime.engine import OnnxRuntimeEngine
from rtsod.backends.onnxruntime.graph_from_weights import Export
from rtsod.backends.onnxruntime.library import error_line, load_library
from rtsod.backends.onnxruntime.providers import CPU, PROVIDERS, Place, place_for
from rtsod.backends.onnxruntime.session_from_weights import engine_from_weights, require_provider
from rtsod.config import EngineConfig
from rtsod.errors import NOT_ENOUGH_MEMORY, EngineError, EngineUnavailable
from rtsod.frames import Alpha, EngineInfo
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import resolve
from tests.backends.onnxruntime.conftest import CONFIG, SIZES

WEIGHTS = resolve(CONFIG)
ROOT = Path(__file__).parents[3]
CUDA, TENSORRT, CORE_ML = (
    next(each for each in PROVIDERS if each.device == name) for name in ("cuda", "tensorrt", "coreml")
)


class Session:
    """What a session tells of where it runs."""

    def __init__(self, nodes: dict[str, list[str]], created: list[str] | None = None) -> None:
        self._nodes, self._created = nodes, created or list(nodes)

    def get_providers(self) -> list[str]:
        return self._created

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [
            SimpleNamespace(
                ep_name=name, get_nodes=lambda kinds=kinds: [SimpleNamespace(op_type=kind) for kind in kinds]
            )
            for name, kinds in self._nodes.items()
        ]


def _replaced(session: Any, **methods: Any) -> Any:
    """A session some of whose methods are replaced."""
    told = {name: getattr(session, name) for name in ("get_inputs", "get_outputs", "get_providers", "run")}
    told["get_provider_graph_assignment_info"] = session.get_provider_graph_assignment_info
    return SimpleNamespace(**{**told, **methods})


@pytest.mark.parametrize("size", SIZES)
def test_every_size_of_an_export_computes_what_pytorch_computes(size: int, cache: GraphCache) -> None:
    config = replace(CONFIG, input_size=size)
    exact = open_engine(replace(config, engine="torch"), WEIGHTS).infer(golden_input(size))
    engine = engine_from_weights(config, WEIGHTS, cache)
    assert np.abs(engine.infer(golden_input(size)) - exact).max() < 1e-4
    assert engine.info.device.startswith("CPU (")
    assert engine.info.device.endswith(f", {CPU.name})")


def _no_driver(*_: object) -> None:
    raise RuntimeError("no driver")


@pytest.mark.parametrize("gpus", [[], [Place(CUDA, 0)]])
def test_auto_goes_on_to_openvino_where_no_gpu_opens(gpus: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes ONNX Runtime for a GPU alone: on the processor OpenVINO is faster."""
    monkeypatch.setattr("rtsod.backends.choose", lambda config: ("onnxruntime", "it reaches this machine's GPU"))
    monkeypatch.setattr(session_from_weights, "accelerators", lambda: gpus)
    monkeypatch.setattr(session_from_weights, "_open", _no_driver)
    said: list[str] = []
    config = replace(CONFIG, engine="auto", device="auto", precision="fp32")
    engine = open_engine(config, WEIGHTS, explain=said.append)
    assert engine.info.name == "openvino"
    why = "--device cuda:0: .*no driver: .*" if gpus else "ONNX Runtime reaches no GPU here"
    assert re.fullmatch(f"engine auto: openvino, because {why}", said[1])


def test_the_processors_refusal_does_not_hide_the_gpus(cache: GraphCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_from_weights, "accelerators", lambda: [Place(CUDA, 0)])
    with pytest.raises(EngineUnavailable, match=r"on cuda:0: .*; --precision bf16: ONNX Runtime runs fp32 on"):
        engine_from_weights(replace(CONFIG, device="auto", precision="bf16"), WEIGHTS, cache)


def test_only_a_session_on_the_processor_is_shared(cache: GraphCache) -> None:
    engine = engine_from_weights(CONFIG, WEIGHTS, cache)
    elsewhere = replace(engine.info, config=replace(CONFIG, device="directml"))
    with pytest.raises(EngineError, match="is not shared"):
        OnnxRuntimeEngine(engine._session, elsewhere).second()


def test_a_second_engine_shares_the_session(cache: GraphCache) -> None:
    first = engine_from_weights(CONFIG, WEIGHTS, cache)
    second = first.second()
    first.close()
    assert second.infer(golden_input(64)).shape == (64, 64)
    for work in (first.second, lambda: first.infer(golden_input(64))):
        with pytest.raises(EngineError, match="is closed"):
            work()


def test_a_provider_that_answers_wrongly_is_refused_by_name(cache: GraphCache, monkeypatch: pytest.MonkeyPatch) -> None:
    real = session_from_weights._open

    def inverted(*arguments: Any) -> Any:
        session = real(*arguments)
        return _replaced(session, run=lambda names, feeds: [1 - each for each in session.run(names, feeds)])

    monkeypatch.setattr(session_from_weights, "_open", inverted)
    with pytest.raises(
        EngineError, match=r"^ONNX Runtime's CPUExecutionProvider in fp32 failed its self-check: .*engine"
    ):
        engine_from_weights(CONFIG, WEIGHTS, cache)


def test_a_provider_that_was_not_created_is_an_error() -> None:
    """What ONNX Runtime does without a driver: the session opens, and its one provider is the CPU's."""
    with pytest.raises(EngineUnavailable, match=r"^--device cuda:0: .*cannot create CUDAExecution.*onnxruntime-gpu"):
        require_provider(Session({CPU.name: ["Conv"]}), Place(CUDA, 0))


def test_every_convolution_must_run_on_the_provider() -> None:
    place = Place(CORE_ML)
    require_provider(Session({CORE_ML.name: ["Conv", "Conv", "Relu"], CPU.name: ["Cast", "Slice"]}), place)
    with pytest.raises(EngineUnavailable, match=r"only 1 of 3 convolutions with CoreML.*the others with CPUExecution"):
        require_provider(Session({CORE_ML.name: ["Conv"], CPU.name: ["Conv", "Conv"]}), place)
    with pytest.raises(EngineUnavailable, match="only 0 of 0"):
        require_provider(Session({CORE_ML.name: ["Relu"]}), place)


def test_sessions_neither_fall_back_nor_spin_nor_write(exported: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    real = load_library()
    seen: dict[str, Any] = {}

    def opened(source: object, options: Any, **rest: Any) -> None:
        seen.update(rest, options=options)

    fake = SimpleNamespace(SessionOptions=real.SessionOptions, InferenceSession=opened)
    monkeypatch.setattr(session_from_weights, "load_library", lambda: fake)
    graph = FoundGraph(exported.content, 128, exported.golden_outputs)
    session_from_weights._open(graph, 128, Place(CUDA, 1), 3)
    options = seen["options"]
    assert seen["providers"] == [("CUDAExecutionProvider", {"device_id": "1", "use_tf32": "0"})]
    assert seen["enable_fallback"] == 0
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.log_severity_level == library.FATAL


def test_what_a_driver_prints_is_logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        with driver_messages_logged():
            os.write(2, b"Warning: no adapter\n    at vulkan.cpp:106\n\n")
            raise EngineError("no")

    with caplog.at_level(logging.INFO), pytest.raises(EngineError):
        fails()
    os.write(2, b"shown\n")
    assert capfd.readouterr().err == "shown\n"
    assert caplog.messages == ["the driver: Warning: no adapter", "the driver: at vulkan.cpp:106"]


def test_what_two_drivers_print_at_once_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """And standard error is itself again, whichever of them opens first."""
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with driver_messages_logged():
            os.write(2, b"second\n")

    thread = threading.Thread(target=second)
    thread.start()
    with driver_messages_logged():
        inside.set()
        thread.join(0.1)  # it waits for this one
        os.write(2, b"first\n")
    thread.join()
    os.write(2, b"shown\n")
    assert capfd.readouterr().err == "shown\n"


def test_a_plug_in_half_of_which_was_removed_is_to_be_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is left, which Python takes for a package."""
    monkeypatch.setitem(sys.modules, "left_over", SimpleNamespace(__spec__=object()))
    with pytest.raises(EngineError, match=r"^Left does not load: pip install --force-reinstall --no-deps left-over$"):
        library.plugin_devices("left_over", "Left")


def test_a_failing_run_is_an_error_and_nothing_runs_it_elsewhere(cache: GraphCache) -> None:
    engine = engine_from_weights(CONFIG, WEIGHTS, cache)
    with pytest.raises(EngineError, match=r"^ONNX Runtime failed on CPU .*: Got invalid dimensions"):
        engine.infer(golden_input(96))

    def lost(*_: object) -> None:
        raise RuntimeError("the device was lost")

    session = _replaced(load_session(cache), run=lost)
    info = EngineInfo("onnxruntime", "tiny", "fp32", "webgpu (a GPU)", 64, "none")
    with pytest.raises(EngineError, match=r"^ONNX Runtime failed on webgpu \(a GPU\): the device was lost$"):
        OnnxRuntimeEngine(session, info).infer(golden_input(64))


def load_session(cache: GraphCache) -> Any:
    return session_from_weights._open(cache.graph(WEIGHTS, "fp32", 64), 64, Place(CPU), 1)


class TestAutoDevice:
    """Only ``auto`` goes on to the next provider, and it says why."""

    def test_the_first_that_works_is_taken(self, cache: GraphCache, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_from_weights, "accelerators", lambda: [Place(CUDA, 0), Place(CORE_ML)])
        monkeypatch.setattr(session_from_weights, "_open", lambda graph, size, place, threads: self._on(cache, place))
        said: list[str] = []
        engine = engine_from_weights(replace(CONFIG, device="auto"), WEIGHTS, cache, explain=said.append)
        assert engine.info.device == "coreml (CoreMLExecutionProvider)"
        assert engine.info.config == replace(CONFIG, device="coreml", precision="fp32")
        assert said == ["device auto: coreml, because ONNX Runtime reaches it with CoreMLExecutionProvider"]

    def test_the_cpu_is_the_last(self, cache: GraphCache, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_from_weights, "accelerators", lambda: [Place(CUDA, 0)])
        monkeypatch.setattr(session_from_weights, "_open", lambda graph, size, place, threads: self._on(cache, place))
        said: list[str] = []
        engine = engine_from_weights(replace(CONFIG, device="auto"), WEIGHTS, cache, explain=said.append)
        assert engine.info.device.startswith("CPU (")
        assert said[0].startswith("device auto: cpu, because --device cuda:0: ONNX Runtime cannot create CUDA")

    def test_it_says_what_it_did_not_try(self, cache: GraphCache, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_from_weights, "accelerators", list)
        for others, why in (
            ([], "this ONNX Runtime has no other provider"),
            (["a is slow", "b too"], "a is slow; b too"),
        ):
            monkeypatch.setattr(session_from_weights, "passed_over", lambda others=others: others)
            said: list[str] = []
            engine_from_weights(replace(CONFIG, device="auto"), WEIGHTS, cache, explain=said.append)
            assert said == [f"device auto: cpu, because {why}"]

    def _on(self, cache: GraphCache, place: Place) -> Any:
        """A session that runs on the CPU and says that it runs on Core ML, or could not be created for CUDA."""
        name = CPU.name if place.provider is CUDA else place.provider.name
        told = Session({name: ["Conv"]})
        return _replaced(
            self._session(cache),
            get_providers=told.get_providers,
            get_provider_graph_assignment_info=told.get_provider_graph_assignment_info,
        )

    _open = staticmethod(session_from_weights._open)

    def _session(self, cache: GraphCache) -> Any:
        return self._open(cache.graph(WEIGHTS, "fp32", 64), 64, Place(CPU), 1)


class TestPlaces:
    """Which providers an installation has, and on which devices."""

    @pytest.fixture(autouse=True)
    def _installation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kinds = SimpleNamespace(CPU=0, GPU=1)
        self.names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", CPU.name]
        self.adapters: list[Any] = []
        fake = SimpleNamespace(get_available_providers=lambda: self.names, OrtHardwareDeviceType=kinds)
        monkeypatch.setattr(providers, "load_library", lambda: fake)
        monkeypatch.setattr(providers, "plugin_devices", lambda plugin, name: self.adapters if plugin else ())

    def _adapter(self, kind: int) -> Any:
        device = SimpleNamespace(type=kind, vendor="Maker", metadata={"Description": "Card 9"})
        return SimpleNamespace(device=device)

    def test_a_device_that_is_not_there_is_an_error_with_the_fix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(providers, "has_plugin", lambda plugin: False)
        with pytest.raises(
            EngineUnavailable, match=r"--device webgpu: .* has cuda, tensorrt, cpu only: pip install onnxr"
        ):
            place_for("webgpu")
        with pytest.raises(EngineUnavailable, match=r"--device npu: .*--engine openvino"):
            place_for("npu")

    def test_a_plug_in_that_finds_no_gpu_is_not_to_be_installed_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(providers, "has_plugin", lambda plugin: True)
        with pytest.raises(
            EngineUnavailable, match="onnxruntime-ep-webgpu is installed, but it finds no GPU"
        ) as raised:
            place_for("webgpu")
        assert "pip install" not in str(raised.value)
        assert providers.useless_plugins() == [str(raised.value)], "the doctor says it, too"

    def test_another_systems_device_is_refused_before_anything_is_installed_for_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(providers, "load_library", lambda: pytest.fail("it is not asked"))
        for device, system in (("coreml", "macOS"), ("directml", "Windows")):
            monkeypatch.setattr(sys, "platform", "linux")
            with pytest.raises(EngineUnavailable, match=f"^--device {device}: .* is a part of {system}$"):
                place_for(device)
            with pytest.raises(EngineUnavailable, match=f"is a part of {system}"):
                choose(EngineConfig(device=device))

    def test_a_cuda_device_has_its_number(self) -> None:
        place = place_for("cuda:2")
        assert (place.device, str(place)) == ("cuda:2", "cuda:2 (CUDAExecutionProvider)")
        assert place.options == {"device_id": "2", "use_tf32": "0"}
        assert place_for("cuda").device == "cuda:0"

    def test_a_plug_in_runs_on_the_devices_it_finds(self) -> None:
        self.adapters = [self._adapter(1)]
        assert str(place_for("webgpu")) == "webgpu (Card 9, WebGpuExecutionProvider)"

    def test_auto_takes_neither_software_nor_what_builds_for_minutes(self) -> None:
        self.adapters = [self._adapter(1)]
        assert [place.device for place in providers.accelerators()] == ["cuda:0", "webgpu"]
        self.adapters = [self._adapter(0)]
        assert [place.device for place in providers.accelerators()] == ["cuda:0"]
        assert "in software" in str(place_for("webgpu")), "whoever asks for it gets it, and is told"
        assert providers.passed_over() == [
            "tensorrt takes minutes to open", "webgpu computes in software here, which is slower"
        ]  # fmt: skip

    def test_tensorrt_runs_in_fp16_alone(self) -> None:
        assert session_from_weights._precision("auto", Place(TENSORRT)) == "fp16"
        with pytest.raises(
            EngineUnavailable, match="--precision fp32: ONNX Runtime runs fp16 on tensorrt: choose --precision fp16, or"
        ):
            session_from_weights._precision("fp32", Place(TENSORRT))
        with pytest.raises(EngineUnavailable, match="runs fp32 and fp16 on coreml: choose one of these, or"):
            session_from_weights._precision("bf16", Place(CORE_ML))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), NOT_ENOUGH_MEMORY),
        (RuntimeError(""), "RuntimeError"),
        (RuntimeError("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got 96.\n Fix it."), "Got 96"),
        (
            RuntimeError(
                "[ONNXRuntimeError] : 11 : EP_FAIL : /src/a.cc:393 int f(const A&, B) [ONNXRuntimeError] : 11 : "
                "EP_FAIL : /src/b.cc:136 C::Initialize(const D&)::<lambda()> status == E::Success was false. No adapter"
            ),
            "No adapter",
        ),
    ],
)
def test_the_reason_in_an_error(error: Exception, reason: str) -> None:
    assert error_line(error) == reason


def test_what_is_no_error_of_onnx_runtime_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), library.mapped_errors("ONNX Runtime failed"):
        print(1 // 0)


def test_an_old_or_broken_installation_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(__version__="1.20", __spec__=object()))
    with pytest.raises(EngineUnavailable, match=r"onnxruntime 1\.20 is incomplete or older than 1\.24\.4: pip install"):
        load_library.__wrapped__()
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable, match="onnxruntime is not installed: "):
        load_library.__wrapped__()


def test_nothing_is_sent_or_stored_or_printed(exported: Export, tmp_path: Path) -> None:
    """By itself it stores an identifier of the machine and a queue of events in the user's cache.

    As the program opens it, the export in its subprocess included.
    """
    code = f"""
import sys
from pathlib import Path
from rtsod.backends.onnxruntime.cache import GraphCache
from rtsod.backends.onnxruntime.session_from_weights import engine_from_weights
from rtsod.config import EngineConfig
from rtsod.model.weights import resolve
config = {CONFIG!r}
engine_from_weights(config, resolve(config), GraphCache(Path(sys.argv[1])))
"""
    home = tmp_path / "home"
    home.mkdir()
    places = {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR")}
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", code, str(tmp_path / "graphs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert list((tmp_path / "graphs").glob("*.onnx")), "it was exported"
    assert list(home.rglob("*")) == []


def test_a_map_is_the_callers(cache: GraphCache) -> None:
    engine = engine_from_weights(CONFIG, WEIGHTS, cache)
    first: Alpha = engine.infer(golden_input(64))
    first[:] = 0
    assert engine.infer(golden_input(64)).max() > 0
