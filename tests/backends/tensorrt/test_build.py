"""Real plans, built with TensorRT for RTX, which needs no GPU to build."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from rtsod.app.console import progress_bars
from rtsod.backends import nvidia_driver, open_engine, probe_engines
from rtsod.backends.tensorrt.cache import CachedPlan, PlanCache
from rtsod.backends.tensorrt.library import TrtLibrary, load_library, probe_tensorrt, require_supported
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.backends.tensorrt.open import find_or_build
from rtsod.backends.tensorrt.plan_from_onnx import plan_from_onnx
from rtsod.backends.tensorrt.plan_from_weights import Recipe
from rtsod.backends.tensorrt.target import Target, require_buildable
from rtsod.cli.build import main
from rtsod.config import EngineConfig, ModelName
from rtsod.errors import EngineError, EngineUnavailable, OutputError
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import resolve
from rtsod.progress import progress_as_lines
from tests.support.fakes import Ticks
from tests.support.trt_fixtures import exported, rtx

LITE = EngineConfig(model="lite", engine="tensorrt", input_size=128)


@pytest.mark.parametrize("capability", [(7, 5), (8, 6), (12, 0)], ids=str)
@pytest.mark.parametrize("model", ["lite", "full"])
def test_both_models_build_in_half_precision(
    model: ModelName, capability: tuple[int, int], published_weights: dict[str, Path]
) -> None:
    library = rtx()
    steps: list[tuple[str, int, int]] = []
    plan = plan_from_onnx(
        library,
        exported(published_weights[model], model, "fp16").SerializeToString(),
        Target(capability),
        progress=lambda *step: steps.append(step),
    )
    half_weights = {"lite": 2.2e6, "full": 87e6}[model]
    assert half_weights < len(plan) < half_weights + 8e6, "weights in float32 would be twice that"
    phases = {phase for phase, _, _ in steps}
    ended = {phase for phase, done, total in steps if done == total}
    assert len(phases) > 3
    assert ended == phases
    assert all(0 <= done <= total for _, done, total in steps)


def test_eight_bits_build(published_weights: dict[str, Path]) -> None:
    graph = exported(published_weights["lite"], "lite", "int8", 64)
    assert plan_from_onnx(rtx(), graph.SerializeToString(), Target((8, 6)))


@pytest.mark.parametrize("model", ["lite", "full"])
def test_the_library_parses_the_types_that_were_exported(model: ModelName, published_weights: dict[str, Path]) -> None:
    trt, library = rtx().module, rtx()
    builder = trt.Builder(library.logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, library.logger)
    assert parser.parse(exported(published_weights[model], model, "fp16").SerializeToString())
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    found = Counter((layer.type, layer.get_output(0).dtype) for layer in layers)

    kinds, half, single = trt.LayerType, trt.DataType.HALF, trt.DataType.FLOAT
    for kind, count in ((kinds.CONVOLUTION, 119), (kinds.RESIZE, 38), (kinds.POOLING, 33), (kinds.CONCATENATION, 51)):
        assert {dtype: n for (each, dtype), n in found.items() if each == kind} == {half: count}
    convolutions = [layer for layer in layers if layer.type == kinds.CONVOLUTION]
    assert all(layer.get_input(0).dtype == half for layer in convolutions)
    # Sizes are computed in integers; of pixels there are three casts: from bytes, to half, and back.
    casts = [layer for layer in layers if layer.type == kinds.CAST and layer.get_output(0).dtype in (half, single)]
    assert sorted(str(layer.get_output(0).dtype) for layer in casts) == sorted(map(str, (single, half, single)))

    (image, saliency) = network.get_input(0), network.get_output(0)
    assert (network.num_inputs, network.num_outputs) == (1, 1)
    assert (image.name, image.dtype, tuple(image.shape)) == ("image", trt.DataType.UINT8, (1, 320, 320, 3))
    assert (saliency.name, saliency.dtype, tuple(saliency.shape)) == ("saliency", single, (1, 1, 320, 320))


def test_an_interrupt_cancels_the_build_and_is_raised(published_weights: dict[str, Path]) -> None:
    def interrupted(phase: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_from_onnx(rtx(), _small(published_weights), Target((8, 6)), progress=interrupted)


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt; a shell makes its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_a_signal_during_a_callback_of_the_library_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path]
) -> None:
    library, main_thread, here = rtx(), threading.main_thread(), set[threading.Thread]()
    real = library.logger.log

    def log(severity: object, message: str) -> None:
        if not here:
            signal.raise_signal(signal.SIGINT)  # whose handler runs in the main thread, wherever that is
        here.add(threading.current_thread())
        real(severity, message)

    monkeypatch.setattr(type(library.logger), "log", lambda _, severity, message: log(severity, message))
    with pytest.raises(KeyboardInterrupt):
        plan_from_onnx(library, _small(published_weights), Target((8, 6)))
    assert main_thread not in here


def test_an_invalid_graph_is_an_error_in_one_line() -> None:
    with pytest.raises(EngineError, match="does not accept") as caught:
        plan_from_onnx(rtx(), b"no graph", Target((8, 6)))
    assert "\n" not in str(caught.value)


def test_rtx_builds_ahead_of_time_without_a_timing_cache(tmp_path: Path, published_weights: dict[str, Path]) -> None:
    kept = tmp_path / "timing"
    assert plan_from_onnx(rtx(), _small(published_weights), Target((8, 6)), timing_cache=kept)
    assert not kept.exists(), "it measures on the user's GPU later; a cache would require one now"


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (9, 0), (8, 7)], ids=str)
def test_an_unsupported_gpu_is_refused_before_anything_is_done(capability: tuple[int, int], tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(EngineUnavailable, match="--engine torch"):
        find_or_build(
            Recipe(LITE, resolve(LITE), rtx(), Target(capability)), cache=PlanCache(tmp_path / "e"), notify=lines.append
        )
    assert not lines
    assert not (tmp_path / "e").exists()


def test_tensorrt_builds_only_for_the_gpu_in_this_machine() -> None:
    library = TrtLibrary(SimpleNamespace(__name__="tensorrt"), None)
    with pytest.raises(EngineUnavailable, match=r"only for the GPU in this machine.*8\.9.*tensorrt-rtx"):
        require_buildable(library, Target((8, 9)))
    require_buildable(library, Target((8, 9), "NVIDIA L4", "580.1"))


def test_pascal_is_referred_to_pytorch_in_fp32() -> None:
    with pytest.raises(EngineUnavailable, match=r"GTX 1080 Ti.*6\.1.*--engine torch --precision fp32"):
        require_supported("cuda:0 (NVIDIA GeForce GTX 1080 Ti)", (6, 1))
    require_supported("cuda:0 (NVIDIA GeForce RTX 2070)", (7, 5))


@pytest.fixture
def _exported_once(monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path]) -> None:
    """Export the graph once and check it on one picture, to save seconds per build."""
    monkeypatch.setattr("rtsod.export.checked.bundled_pictures", lambda size: [golden_input(size)])
    monkeypatch.setattr(
        "rtsod.export.checked.onnx_from_torch",
        lambda network, precision, size, _: exported(published_weights["lite"], "lite", precision, size),
    )


@pytest.mark.usefixtures("_exported_once")
def test_a_plan_is_built_once_then_found_and_rebuilt_when_damaged(tmp_path: Path) -> None:
    lines: list[str] = []

    def engine(target: Target) -> CachedPlan:
        lines.clear()
        recipe = Recipe(LITE, resolve(LITE), rtx(), target)
        return find_or_build(recipe, cache=PlanCache(tmp_path), notify=lines.append)

    first = engine(Target((8, 6)))
    assert "none was built yet" in lines[0]
    assert "takes" in lines[0]
    again = engine(Target((8, 6)))
    assert (again.plan, again.manifest) == (first.plan, first.manifest)
    assert not lines, "nothing is built, nothing is reported"
    here = engine(Target((8, 6), "NVIDIA GeForce RTX 3060", "580.1"))
    assert here.path == first.path, "a plan built ahead of time fits every GPU of its compute capability"

    damaged = bytearray(first.plan)
    damaged[len(damaged) // 2] ^= 1
    first.path.write_bytes(damaged)
    mended = engine(Target((8, 6)))
    assert "damaged" in lines[0]
    assert mended.path.read_bytes() == mended.plan != bytes(damaged)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_run_uses_a_plan_that_cannot_be_stored(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    answers = Manifest("lite", "ab", 1, 128, "fp16", "x", "1", "8.6", None, None, "cd", "", "ef")
    monkeypatch.setattr("rtsod.backends.tensorrt.open.plan_from_weights", lambda *_, **__: (b"plan", answers))
    monkeypatch.setattr("rtsod.backends.tensorrt.cache.replace_file", refuse)
    recipe, lines = Recipe(LITE, resolve(LITE), rtx(), Target((8, 6))), list[str]()
    built = find_or_build(recipe, cache=PlanCache(tmp_path), must_store=False, notify=lines.append)
    assert (built.plan, built.manifest.answer) == (b"plan", "ef")
    assert lines[-1].startswith(f"{tmp_path}: cannot store the engine: {os.strerror(code)}: ")
    assert lines[-1].endswith("; every start builds it again")
    with pytest.raises(OutputError, match="cannot store the engine"):
        find_or_build(recipe, cache=PlanCache(tmp_path))


class TestCommand:
    @pytest.mark.usefixtures("_exported_once")
    def test_for_another_gpu(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rtx()
        arguments = ["--model", "lite", "--input-size", "128", "--compute-capability", "8.6", "--library"]
        assert main([*arguments, "tensorrt_rtx", "--output", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert Path(out.strip()).is_file()
        assert "none was built yet" in err
        assert main([*arguments, "tensorrt_rtx", "--output", str(tmp_path), "--rebuild"]) == 0
        assert "requested" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["--compute-capability", "eight"], 2),
            (["--compute-capability", "8.6", "--device", "cuda"], 2),
            (["--compute-capability", "6.1"], 5),
            (["--device", "toaster"], 2),
        ],
    )
    def test_errors_are_one_line(
        self, arguments: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rtx()
        assert main(["--library", "tensorrt_rtx", "--output", str(tmp_path), *arguments]) == code
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


class TestAvailability:
    def test_the_probe_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rtsod.backends.tensorrt.library.find_spec", lambda name: None)
        assert not probe_tensorrt().available
        with pytest.raises(EngineUnavailable, match="pip install"):
            load_library()
        assert not next(probe for probe in probe_engines() if probe.name == "tensorrt").available

    def test_an_old_tensorrt_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rtsod.backends.tensorrt.library.find_spec", lambda name: name == "tensorrt")
        monkeypatch.setattr("rtsod.backends.tensorrt.library.version", lambda name: "10.3.0")
        with pytest.raises(EngineUnavailable, match=r"10\.3 is too old"):
            load_library()

    def test_tensorrt_never_falls_back(self) -> None:
        rtx()
        if nvidia_driver().available:
            pytest.skip("there is an NVIDIA driver")
        with pytest.raises(EngineUnavailable, match="GPU") as caught:
            open_engine(LITE, resolve(LITE))
        assert "\n" not in str(caught.value)


def test_a_long_build_reports_now_and_then() -> None:
    lines: list[str] = []
    clock = Ticks()
    report = progress_as_lines(lines.append, clock)
    for second in range(30):
        clock.now = second
        report("choosing kernels", second, 30)
    assert 4 <= len(lines) <= 6
    assert "choosing kernels, 16 %" in lines[0]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_bars_for_nested_phases(terminal: bool) -> None:
    lines: list[str] = []
    screen = StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    with progress_bars(console, lines.append) as report:
        report("outer", 0, 2)
        report("inner", 1, 3)
        report("inner", 3, 3)
        report("outer", 2, 2)
        console.print("between")
        report("last", 0, 1)
    assert not lines
    assert ("outer" in screen.getvalue()) == ("last" in screen.getvalue()) == terminal
    assert "between\n" in screen.getvalue()


def _small(weights: dict[str, Path]) -> bytes:
    return bytes(exported(weights["lite"], "lite", "fp16", 64).SerializeToString())
