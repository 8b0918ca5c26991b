"""``rtsod train``: exit codes, and one line for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsod.__main__ import main
from rtsod.errors import ExitCode
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


@pytest.mark.parametrize(("shift", "code"), [(0, ExitCode.DONE), (5, ExitCode.CHECK_FAILED)])
def test_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shift: int, code: ExitCode
) -> None:
    monkeypatch.setattr(check, "SECONDS", 200.0 if shift == 0 else 0.1)  # however slow the machine is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = write_pairs(tmp_path / "data", 12, shift=shift)
    (tmp_path / "tiny.toml").write_text(TINY_TABLE)
    options = ["--model", str(tmp_path / "tiny.toml"), "--lr", "1e-2", "--size", "64", "--crop", "64"]
    assert main(["train", str(data), *options, "--device", "cpu", "--out", str(tmp_path / "run"), "--check"]) == code
    out = capsys.readouterr().out
    assert out.startswith(
        "passed: learned 4 pairs" if code == ExitCode.DONE else "failed: masks and pictures seem mixed"
    )
    assert not (tmp_path / "run").exists()
