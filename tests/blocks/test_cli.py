"""``rtsod blocks``, on the smallest blocks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rtsod.blocks import comparison
from rtsod.blocks.result import Comparison
from rtsod.blocks.timing import interleaved
from rtsod.cli.blocks import main, middle_channels
from rtsod.errors import ExitCode
from rtsod.system.extras import install_extra
from rtsod.system.signals import Interrupted

QUICK = ["--size", "64", "--mid", "2,3", "--seconds", "0.001"]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def _pytorch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO takes seconds to convert a network; test_timing.py runs blocks in it."""
    monkeypatch.setattr(comparison, "RUNTIMES", ("pytorch",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4..128", (4, 8, 16, 32, 64, 128)),
        ("5..20", (8, 16)),
        ("16", (16,)),
        ("24,16,24", (16, 24)),
        ("1..1", (1,)),
        ("none", ()),
    ],
)
def test_middle_channels(text: str, expected: tuple[int, ...]) -> None:
    assert middle_channels(text) == expected


@pytest.mark.parametrize("text", ["", "x", "4..", "5..7", "8..4", "4,,8", "1.5"])
def test_what_names_no_middle_channels_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"such as"):
        middle_channels(text)


@pytest.mark.usefixtures("_pytorch_alone")
def test_blocks_and_networks_are_compared_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "blocks"
    assert main([*QUICK, "--network", "lite", "--out", str(folder)]) == ExitCode.DONE
    assert {path.name for path in folder.iterdir()} == {"blocks.html", "blocks.json", "blocks.md", "blocks.svg"}
    result = Comparison.from_json(json.loads((folder / "blocks.json").read_text()))
    assert result.end == "done"
    assert result.command == f"python -m rtsod blocks {' '.join(QUICK)} --network lite --out {folder}"
    assert [(row.mid, row.kind) for row in result.blocks][4:8] == [(2, "NIV"), (2, "RSU"), (3, "PLN"), (3, "RES")]
    assert [row.what for row in result.networks] == ["lite"] * 6
    for row in (*result.blocks, *result.networks):
        assert row.count.flops == 2 * row.macs
        assert row.count.peak_bytes > 64 * 64 * 64 * 4
        assert all(len(samples) >= 5 and min(samples) > 0 for samples in row.samples_ms.values())
    out = capsys.readouterr().out
    assert "GFLOP:" in out
    assert out.splitlines()[-1] == str(folder / "blocks.html")


@pytest.mark.usefixtures("_pytorch_alone")
def test_only_an_earlier_comparison_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "64", "--seconds", "0.001", "--network", "none", "--out", str(tmp_path)]
    assert main([*arguments, "--mid", "2"]) == ExitCode.DONE
    assert main([*arguments, "--mid", "3"]) == ExitCode.DONE
    result = Comparison.from_json(json.loads((tmp_path / "blocks.json").read_text()))
    assert {row.mid for row in result.blocks} == {3}
    (tmp_path / "thesis.tex").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert main([*arguments, "--mid", "2"]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"--out {tmp_path}: holds thesis.tex, which is not of rtsod blocks: give another folder")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(QUICK) == ExitCode.ENGINE
    assert capsys.readouterr().err == (
        f"rtsod blocks: the package matplotlib is missing: {install_extra('bench')}; or give --json FILE\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_one_file_on_request(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    assert main([*QUICK, "--mid", "2", "--network", "none", "--json", str(path)]) == ExitCode.DONE
    assert [*tmp_path.iterdir()] == [path]
    result = Comparison.from_json(json.loads(path.read_text()))
    assert [set(row.samples_ms) for row in result.blocks] == [{"openvino", "pytorch"}] * 6


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--size", "100"], 2, "--size 100: must be a multiple of 32 from 64 to 1024"),
        (["--mid", "0"], 2, "--mid 0: must be 1 to 1024 channels"),
        (["--mid", "many"], 2, "give a range such as 4..128"),
        (["--seconds", "0"], 2, "--seconds 0: must be more than 0"),
        (["--seconds", "nan"], 2, "--seconds nan: must be more than 0"),
        (["--json", "b.json", "--out", "b"], 2, "give one of them"),
        (["--seeds", "3"], 2, "add --train STEPS"),
        (["--train", "5"], 2, "add --data DATA"),
        (["--train", "5", "--data", "no-such-folder"], 3, "no-such-folder"),
        (["--json", "no/such/folder/b.json"], 6, "the folder no/such/folder is missing"),
        (["--out", "/dev/null/b"], 6, "/dev/null/b: cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, *options]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rtsod blocks: ")
    assert words in line


@pytest.mark.usefixtures("_pytorch_alone")
def test_an_interruption_saves_the_groups_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = []

    def interrupted(runs: object, seconds: float) -> object:
        groups.append(seconds)
        if len(groups) > 1:  # in the second M's group
            raise Interrupted
        return interleaved(runs, seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(comparison, "interleaved", interrupted)
    main([*QUICK, "--out", str(tmp_path)])
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(f"interrupted; what was measured is in {tmp_path / 'blocks.html'}")
    )
    result = Comparison.from_json(json.loads((tmp_path / "blocks.json").read_text()))
    assert result.end == "interrupted"
    assert {row.mid for row in result.blocks} == {2}
    assert "Not complete: interrupted" in (tmp_path / "blocks.html").read_text()
