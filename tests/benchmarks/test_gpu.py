"""The procedure of the GPU benchmark, tried on the CPU. Its figures need a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu.figures import parity, times
from benchmarks.gpu.measure import Job, measure
from benchmarks.gpu.network import NO_GPU, RESULTS, main, weights_of
from benchmarks.gpu.variants import VARIANTS
from rtsod.errors import WeightsError
from rtsod.model.checkpoints import load_network
from rtsod.model.fp16 import fp16_from_fp32
from rtsod.model.golden_input import golden_input
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import LITE, U2Net, fold_batch_norm

SMALL = ["--device", "cpu", "--models", "lite", "--input-size", "64", "--repeats", "1"]


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["--output", str(tmp_path / "result.json")]) == NO_GPU
    assert "no GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_procedure_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(1)
    network = U2Net(LITE).eval()
    fold_batch_norm(network)
    torch.save(network.half().state_dict(), tmp_path / "lite.pth")  # folded and in half precision: a small file
    target = tmp_path / "new" / "result.json"
    arguments = [*SMALL, "--variants", "fp32", "--lite-weights", str(tmp_path / "lite.pth")]
    assert main([*arguments, "--output", str(target)]) == 0
    result = json.loads(target.read_text())
    lite = result["models"]["lite"]
    assert lite["weights"] == "lite.pth"
    assert lite["weights_bytes"] < 3e6
    exact = lite["variants"]["fp32"]
    assert exact["parity"]["mean_error"] < 1e-4
    for key in ("network_ms", "frame_to_map_ms", "frame_scaled_by_opencv_to_map_ms", "frame_to_alpha_ms"):
        assert set(exact[key]) == {"p50", "p95", "p99", "mean"}
    assert {"torch", "python", "platform"} <= result["machine"].keys()
    assert "frame to map" in capsys.readouterr().out
    figures = measure(Job("lite", "engine-tensorrt", tmp_path / "lite.pth", True, "cpu", 128, 1, None))
    assert figures["left_out"], "TensorRT does not run on a CPU, and the result says why"


def test_a_failed_variant_does_not_end_the_run(tmp_path: Path) -> None:
    broken = tmp_path / "lite.pth"
    broken.write_bytes(b"nothing")
    target = tmp_path / "result.json"
    command = ["-m", "benchmarks.gpu.network", *SMALL, "--variants", "fp32"]
    command += ["--lite-weights", str(broken), "--output", str(target)]
    subprocess.run([sys.executable, *command], cwd=Path(__file__).parents[2], check=True)
    result = json.loads(target.read_text())
    assert "Error" in result["models"]["lite"]["variants"]["fp32"]["left_out"]
    assert result["command"] == ["python", *command]


def test_results_go_to_the_folder_of_all_results() -> None:
    assert (RESULTS / "bench.json").is_file()


def test_random_weights_are_labelled_and_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> Path:
        raise WeightsError("no network")

    monkeypatch.setattr("rtsod.model.weights.fetch", unreachable)
    path, origin, real = weights_of("lite", None, tmp_path)
    assert not real
    assert origin == "random, for times only (no network)"
    assert load_network(path, "lite") is not None


def test_a_fused_network_gives_the_same_map(published_weights: dict[str, Path]) -> None:
    network = load_network(published_weights["lite"], "lite")
    picture = torch.from_numpy(golden_input(112))[None]
    example = SaliencyGraph(network).normalised(picture)
    with torch.inference_mode():
        half, fused = (
            SaliencyGraph(each.float()).eval()(
                picture
            )  # the rounded weights in float32: CPUs are slow in half precision
            for each in (fp16_from_fp32(network, example), VARIANTS["fp16-fused-padded"].build(network, example))
        )
    assert (half > 0.5).any()
    assert float((half - fused).abs().mean()) < 1e-4


def test_times_cover_every_repeat() -> None:
    calls: list[int] = []
    figures = times(lambda: calls.append(1), 50)
    assert len(calls) == 55, "a tenth more, to warm up"
    assert 0 <= figures["p50"] <= figures["p95"] <= figures["p99"]


def test_parity_of_equal_maps_is_perfect() -> None:
    one = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    assert parity([(one, one)]) == {"pictures": 1, "mean_error": 0.0, "worst_error": 0.0, "iou": 1.0}
    assert parity([(one * 0, one)])["iou"] == 0.0
