"""``rtsod evaluate``: its files, its lines and its exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.__main__ import main
from rtsod.errors import EngineError, ExitCode
from rtsod.frames import Alpha
from rtsod.model.description import save_weights
from rtsod.segmenter import Segmenter
from rtsod.system.extras import install_extra
from tests.evaluation.small_set import noisy, small_set, write_maps
from tests.support.fakes import FakeEngine, right_half
from tests.support.networks import ODD, tiny_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    return write_maps(tmp_path / "maps", small_set(tmp_path / "set"), noisy)


def _evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_maps_are_measured(tmp_path: Path, maps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = _evaluate(maps, tmp_path / "set", "--against", f"same={maps}", "--out", tmp_path / "out", "--resamples", 100)
    assert code == ExitCode.DONE
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "set, 6 pictures, protocol paper"
    assert shown.out.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["outcome"] == "done"
    assert result["bootstrap"] == {"resamples": 100, "seed": 0, "level": 0.95}
    assert set(map(tuple, result["sets"][0]["methods"][1]["difference_to_first"].values())) == {(0.0, 0.0)}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nothing", "{set}"], ExitCode.USAGE, "nothing: is not there"),
        (["{maps}", "{set}", "--workers", "0"], ExitCode.USAGE, "--workers 0: must be 1 or more"),
        (["{maps}", "{set}", "--resamples", "10"], ExitCode.USAGE, "--resamples 10: must be 100 or more"),
        (["{maps}", "{set}", "--out", "{set}"], ExitCode.USAGE, "is not empty"),
        (["{maps}", "{set}", "--save-maps", "x"], ExitCode.USAGE, "is a folder of maps"),
        (["{maps}", "{set}", "--against", "other=nothing"], ExitCode.USAGE, "nothing: is not there"),
        (["{maps}", "{maps}/none"], ExitCode.SOURCE, "none"),
        (["{set}/im", "{set}", "--against", "{maps}/.."], ExitCode.SOURCE, "have no map"),
        (["{maps}/x.pth", "{set}"], ExitCode.WEIGHTS, "x.pth"),
        (["{maps}", "{set}", "--out", "{maps}/no/out"], ExitCode.OUTPUT, "folder does not exist"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    tmp_path: Path, maps: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: ExitCode, says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert _evaluate(*(one.format(set=tmp_path / "set", maps=maps) for one in arguments)) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rtsod evaluate: ")
    assert says in line
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert _evaluate("lite", "scene:") == ExitCode.ENGINE
    assert capsys.readouterr().err == (f"rtsod evaluate: the package matplotlib is missing: {install_extra('bench')}\n")


def test_the_default_folder_is_a_new_one(tmp_path: Path, maps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("eval", "eval-2"):
        assert _evaluate(maps, "set", "--resamples", 100) == ExitCode.DONE
        assert (tmp_path / name / "report.html").is_file()


def test_ctrl_c_keeps_what_is_measured(tmp_path: Path) -> None:
    """The signal comes after the second map, from the program itself, so that no clock decides."""
    maps = write_maps(tmp_path / "maps", small_set(tmp_path / "set"), noisy)
    code = f"""
import os, signal, sys
from rtsod.evaluation import evaluate as module
from rtsod.__main__ import main
real = module.measure_all
def slow(jobs, workers):
    for index, measured in enumerate(real(jobs, workers)):
        yield measured
        if index == 1: os.kill(os.getpid(), signal.SIGINT)
module.measure_all = slow
raise SystemExit(main(["evaluate", {str(maps)!r}, {str(tmp_path / "set")!r}, "--out", {str(tmp_path / "out")!r}]))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert done.stderr.splitlines()[-1] == (f"rtsod evaluate: interrupted; what was measured is in {tmp_path / 'out'}")
    kept = json.loads((tmp_path / "out" / "set-pictures.json").read_text())
    assert len(kept["methods"]["maps"]) == 2
    assert not list(tmp_path.glob(".rtsod-*"))


def test_an_engine_that_fails_loses_nothing(
    tmp_path: Path, maps: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(call: int) -> Alpha:
        if call == 5:
            raise EngineError("inference failed")
        return right_half(64)

    monkeypatch.setattr("rtsod.backends.open_engine", lambda *_: FakeEngine(answer))
    arguments = ("lite", tmp_path / "set", "--workers", 1, "--out", tmp_path / "out", "--save-maps", tmp_path / "kept")
    assert _evaluate(*arguments) == ExitCode.ENGINE
    *lines, last = capsys.readouterr().err.splitlines()
    assert last == "rtsod evaluate: inference failed"
    assert lines[-2:] == [
        f"what was measured is in {tmp_path / 'out'}",
        f"maps are in {tmp_path / 'kept'}: the same command goes on from there",
    ]
    summary = json.loads((tmp_path / "out" / "result.json").read_text())
    assert summary["outcome"] == "inference failed"
    assert 0 < summary["sets"][0]["methods"][0]["measured"] < 6
    monkeypatch.setattr("rtsod.backends.open_engine", lambda *_: FakeEngine())
    assert _evaluate(*arguments) == ExitCode.DONE
    assert json.loads((tmp_path / "out" / "result.json").read_text())["outcome"] == "done"


def test_weights_of_any_table_are_measured_as_they_say(tmp_path: Path, maps: Path) -> None:
    """Their own name, normalisation, fit and size, without an option."""
    for path in (*(tmp_path / "set" / "im").iterdir(), *(tmp_path / "set" / "gt").iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        cv2.imwrite(str(path), cv2.resize(picture, (192, 144)))
    save_weights(tmp_path / "mine.safetensors", tiny_network(description=ODD), ODD)
    arguments = [tmp_path / "mine.safetensors", tmp_path / "set", "--out", tmp_path / "out", "--resamples", 100]
    assert _evaluate(*arguments, "--save-maps", tmp_path / "kept", "--protocol", "plain") == ExitCode.DONE
    (method,) = json.loads((tmp_path / "out" / "result.json").read_text())["sets"][0]["methods"]
    assert method["name"] == "mine"
    assert method["origin"].endswith(f"fp32, {ODD.size}×{ODD.size}")
    with Segmenter.open(weights=tmp_path / "mine.safetensors") as segmenter:
        for kept in sorted((tmp_path / "kept" / "set").iterdir()):
            picture = cv2.imread(str(tmp_path / "set" / "im" / kept.name))
            assert picture is not None
            expected = segmenter(np.asarray(picture, np.uint8), stream=True)
            assert np.abs(np.asarray(cv2.imread(str(kept), cv2.IMREAD_GRAYSCALE)) / 255 - expected).mean() < 0.005


def test_the_drawn_scene_needs_no_data(tmp_path: Path, published_weights: dict[str, Path]) -> None:
    """And the network finds the figure in it."""
    arguments = ["lite", "scene:", "--input-size", 160, "--out", tmp_path / "out", "--resamples", 100]
    assert _evaluate(*arguments) == ExitCode.DONE
    (scene,) = json.loads((tmp_path / "out" / "result.json").read_text())["sets"]
    assert scene["pictures"] == 16
    assert scene["methods"][0]["numbers"]["max_f"] > 0.9
    assert scene["methods"][0]["numbers"]["mad"] > 0
