"""``rtsod train``: exit codes, and one line for each of them."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.__main__ import main
from rtsod.errors import ExitCode
from rtsod.system.extras import install_extra
from rtsod.training import check
from tests.support.training import TINY_TABLE, write_pairs


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], ExitCode.USAGE, "no data"),
        (["x", "--lr", "-1"], ExitCode.USAGE, "--lr -1"),
        (["x", "--clip", "much"], ExitCode.USAGE, "--clip"),
        (["--resume"], ExitCode.USAGE, "add --out"),
        (["nowhere", "--device", "cpu"], ExitCode.SOURCE, "nowhere"),
        (["x", "--preset", "finetune"], ExitCode.USAGE, "add --init lite, full or a file"),
        (["x", "--init", ""], ExitCode.USAGE, "--init: is empty"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: ExitCode, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rtsod train: ")
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "rtsod.training.processes", raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert main(["train", "x", *option]) == ExitCode.ENGINE
    assert capsys.readouterr().err == f"rtsod train: the package accelerate is missing: {install_extra('train')}\n"


def test_a_mask_of_what_is_no_number_ends_it_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = write_pairs(tmp_path / "data", 12)
    (data / "gt" / "003.png").unlink()
    cv2.imwrite(str(data / "gt" / "003.tif"), np.full((48, 64), np.nan, np.float32))
    assert main(["train", str(data), "--device", "cpu", "--out", str(tmp_path / "run")]) == ExitCode.SOURCE
    (line,) = capsys.readouterr().err.splitlines()
    assert "003.tif: its floating-point levels must be from 0 to 1" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("shift", "code"), [(0, ExitCode.DONE), (5, ExitCode.CHECK_FAILED)])
def test_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shift: int, code: ExitCode
) -> None:
    monkeypatch.setattr(check, "SECONDS", 200.0 if shift == 0 else 0.1)  # however slow the machine is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = write_pairs(tmp_path / "data", 12, shift=shift)
    (tmp_path / "thin.toml").write_text(TINY_TABLE)
    options = ["--model", str(tmp_path / "thin.toml"), "--lr", "1e-2", "--size", "64", "--crop", "64"]
    assert main(["train", str(data), *options, "--device", "cpu", "--out", str(tmp_path / "run"), "--check"]) == code
    out = capsys.readouterr().out
    assert out.startswith(
        "passed: learned 4 pairs" if code == ExitCode.DONE else "failed: masks and pictures seem mixed"
    )
    assert not (tmp_path / "run").exists()
