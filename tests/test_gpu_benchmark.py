"""The GPU benchmark's procedure, tried on the CPU; its figures need a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.gpu_network import NO_GPU, main, parity, times
from rtsod.model.u2net import LITE, U2Net


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["--output", str(tmp_path / "result.json")]) == NO_GPU
    assert "no GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_procedure_on_the_cpu(tmp_path: Path) -> None:
    torch.manual_seed(1)
    torch.save(U2Net(LITE).state_dict(), tmp_path / "lite.pth")
    target = tmp_path / "new" / "result.json"
    arguments = ["--device", "cpu", "--models", "lite", "--input-size", "64", "--repeats", "4"]
    assert main([*arguments, "--lite-weights", str(tmp_path / "lite.pth"), "--output", str(target)]) == 0
    result = json.loads(target.read_text())
    lite = result["models"]["lite"]
    assert lite["weights"] == "lite.pth"
    assert lite["torch fp32"]["parity"]["mean_error"] < 1e-4
    assert set(lite["torch fp32"]["frame_host_to_host_ms"]) == {"p50", "p95", "p99", "mean"}
    assert lite["tensorrt"]["left_out"], "on a CPU there is no TensorRT, and the result says why"
    assert {"torch", "python", "platform"} <= result["machine"].keys()


def test_times_are_of_every_repeat() -> None:
    calls: list[int] = []
    told = times(lambda: calls.append(1), 50)
    assert len(calls) == 55, "ten percent more, to warm up"
    assert 0 <= told["p50"] <= told["p95"] <= told["p99"]


def test_parity_of_equal_maps_is_perfect() -> None:
    import numpy as np

    one = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    assert parity([(one, one)]) == {"mean_error": 0.0, "iou": 1.0}
    assert parity([(one * 0, one)])["iou"] == 0.0
