"""Several processes on one CPU give what one does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtsod.training.log import read_log
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.run import train
from tests.support.architecture import ROOT
from tests.support.training import tiny_config, write_pairs


def test_two_processes_lose_what_one_with_two_passes_loses(tmp_path: Path) -> None:
    """Batch norm sees the same parts of a batch in both."""
    data = write_pairs(tmp_path / "data")
    alone = tiny_config(tmp_path, data, steps=4, accumulate=2, preset="paper", val_every=2)
    train(alone, SilentTrainReporter())
    out = tmp_path / "two"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--rdzv-backend",
        "c10d", "--rdzv-endpoint", "localhost:0", "-m", "rtsod", "train", str(data), "--model", str(alone.model),
        "--preset", "paper", "--val", "20%", "--size", "64", "--crop", "64", "--steps", "4", "--val-every", "2",
        "--batch", "4", "--workers", "0", "--device", "cpu", "--out", str(out),
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Warning" not in ended.stderr
    assert ended.stdout.count("best.safetensors") == 1 + 1  # one line, which names it twice
    one, two = ([line for line in read_log(path / "log.jsonl") if line["kind"] == "step"] for path in (alone.out, out))
    assert [line["step"] for line in two] == [1, 2, 3, 4]
    for single, double in zip(one, two, strict=True):
        assert double["losses"] == pytest.approx(single["losses"], rel=1e-4)
        assert double["gradient_norm"] == pytest.approx(single["gradient_norm"], rel=1e-3)
    assert len([line for line in read_log(out / "log.jsonl") if line["kind"] == "validation"]) == 2
