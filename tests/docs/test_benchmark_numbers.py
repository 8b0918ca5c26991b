"""The numbers in docs/benchmarks.md are those of the results, and cannot drift from them."""

from __future__ import annotations

import json
import runpy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record import CLASSES, COMMANDS, command
from benchmarks.studies.one_core import FrameParts, share
from benchmarks.support.camera_numbers import CameraNumbers, Targets
from benchmarks.support.classes import BENCHES, class_of
from benchmarks.support.laptops import LOADS
from rtsod.system.interference import is_disturbed

ROOT = Path(__file__).parents[2]
_numbers: Any = runpy.run_path(str(ROOT / "scripts" / "readme" / "update_numbers.py"))
BEGIN, END, SPEED_BEGIN, SPEED_END, block = (
    _numbers[name] for name in ("BEGIN", "END", "SPEED_BEGIN", "SPEED_END", "block")
)
RESULTS = ROOT / "benchmarks" / "results"


def main(argv: list[str]) -> int:
    """The script; if a page is named, the other two files are beside it and not those of the project."""
    if "--page" not in argv:
        return int(_numbers["main"](argv))
    folder = Path(argv[argv.index("--page") + 1]).parent
    readme, expected = folder / "README.md", folder / "expected_speed.json"
    if not readme.exists():
        readme.write_text(f"{SPEED_BEGIN}\n{SPEED_END}\n")
        expected.write_text("{}")
    return int(_numbers["main"]([*argv, "--readme", str(readme), "--expected", str(expected)]))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "benchmarks.md"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    return path


def test_the_block_is_written_between_the_markers_and_then_checks(page: Path) -> None:
    assert main(["--check", "--page", str(page)]) == 1
    assert main(["--page", str(page)]) == 0
    assert page.read_text() == f"before\n\n{BEGIN}\n{block(RESULTS)}\n{END}\n\nafter\n"
    assert main(["--check", "--page", str(page)]) == 0


def _overhead(folder: Path, others: float | None, milliseconds: float = 2.4) -> Path:
    result = json.loads((RESULTS / "pipeline_overhead.json").read_text())
    result["others_cores"] = others
    result["cpu"]["median_ms"] = milliseconds
    (folder / "pipeline_overhead.json").write_text(json.dumps(result))
    return folder


def test_a_number_that_changed_is_noticed(page: Path, tmp_path: Path) -> None:
    assert main(["--page", str(page), "--results", str(_overhead(tmp_path, 0.0))]) == 0
    assert main(["--check", "--page", str(page), "--results", str(tmp_path)]) == 0
    _overhead(tmp_path, 0.0, milliseconds=92.4)
    assert main(["--check", "--page", str(page), "--results", str(tmp_path)]) == 1


@pytest.mark.parametrize("text", ["no markers", f"{END} {BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_its_markers_is_an_error(text: str, tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(text)
    assert main(["--page", str(page)]) == 2
    assert page.read_text() == text


@pytest.mark.parametrize(("others", "quoted"), [(0.05, True), (0.9, False), (None, False)])
def test_only_results_of_an_undisturbed_machine_are_quoted(others: float | None, quoted: bool, tmp_path: Path) -> None:
    _overhead(tmp_path, others)
    assert ("Apart from the network" in block(tmp_path)) is quoted
    assert ("Not quoted" in block(tmp_path)) is not quoted


def test_a_camera_s_rate_is_quoted_by_cell(tmp_path: Path) -> None:
    shown = CameraNumbers(0.012, 0.0, 20.4, 61.0, 90.0, 80.0, 120.4, 9.0, 1.5, 400.0, 2.04, 0)
    nothing = CameraNumbers(None, None, None, None, None, None, None, 0.0, 0.1, 400.0, None, 0)
    cells = {
        name: {"median": asdict(numbers), "missed": numbers.misses(Targets(0.02, 80.0))}
        for name, numbers in (("one-core/lite/mjpg", shown), ("one-core/full/beside", nothing))
    }
    machine = {"processor": "Some CPU", "cores": 2, "date": "2026-11-26 00:00 UTC"}
    (tmp_path / "camera_rate.json").write_text(json.dumps({"machine": machine, "others_cores": 0.0, "cells": cells}))
    lines = block(tmp_path).splitlines()
    assert "| one-core/lite/mjpg | 1.2% | 20 / 61 | 120 | 9.0 | 1.50 | 2.0 | met |" in lines
    assert "| one-core/full/beside | – | – / – | – | 0.0 | 0.10 | – | missed |" in lines


def test_what_outputs_and_one_core_cost_is_quoted(tmp_path: Path) -> None:
    about = {"machine": {"processor": "Some CPU", "cores": 2, "date": "2026-11-26 00:00 UTC"}, "others_cores": 0.0}
    outputs = {
        "mp4, H.264": {"cpu_ms": 4.26, "wall_ms": 3.1, "kb_per_second": 1234.5},
        "preview": {"cpu_ms": 1.0, "wall_ms": 2.04},
    }
    (tmp_path / "recording.json").write_text(json.dumps({**about, "outputs": outputs}))
    parts = FrameParts(decode=3.0, carry=2.0, steady=1.0, compose=4.0, encode=5.0)
    inference = {"lite": {"320": 60.0, "128": 9.0}, "full": {"320": 150.0, "128": 29.0}}
    cells = {
        f"{model}/{load.name}": asdict(share(parts, inference[model], load))
        for model in inference
        for load in LOADS
        if load.name in ("recording", "beside")
    }
    study = {**about, "frame_ms": asdict(parts), "inference_ms": inference, "cells": cells}
    (tmp_path / "one_core.json").write_text(json.dumps(study))
    lines = block(tmp_path).splitlines()
    assert "| mp4, H.264 | 4.3 | 3.1 | 1234 |" in lines
    assert "| preview | 1.0 | 2.0 | – |" in lines
    assert "| a look at the whole frame, 320 | 60 | 150 |" in lines
    # 30 x (2 + 4 + 5) = 330 for the frames, 2 x 60 for the looks; 670 / (9 + 1) would be 67 masks, of 30 at most
    assert "| lite/recording | 1000 | 330 | 670 | 120 | 30 | yes |" in lines
    # 500 - 180; a fifth of the second at most for looks; 320 / 30
    assert "| full/beside | 500 | 180 | 320 | 200 | 11 | yes |" in lines


@pytest.mark.parametrize("name", COMMANDS)
def test_a_result_was_made_by_the_command_that_would_make_it_again(name: str) -> None:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip("not recorded yet")
    assert json.loads(path.read_text())["command"] == command(name)


def test_every_result_has_its_command() -> None:
    assert {path.stem for path in RESULTS.glob("*.json")} <= set(COMMANDS)


def test_the_page_says_what_the_results_say() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    assert BEGIN in page.read_text()
    assert main(["--check"]) == 0


def test_the_readme_s_summary_quotes_the_results() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    for name in BENCHES:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        bench = json.loads(path.read_text())
        alone, whole = [], []
        for model in ("full", "lite"):
            (network,) = (network for network in bench["networks"] if network["model"] == model)
            alone.append(f"{network['fps']:.0f} fps")
            run = next(run for run in bench["pipelines"] if run["paced"] and run["model"] == model)
            whole.append(f"{run['output_fps']:.0f} fps, {run['latency_ms']['p50']:.0f} ms")
        if is_disturbed(bench["others_cores"], bench["machine"]["cores"]):
            continue
        assert f"| network alone | {class_of(bench)} | {' | '.join(alone)} |" in lines
        assert f"| camera to output at 720p, chosen by `auto` | {class_of(bench)} | {' | '.join(whole)} |" in lines
    rates = [
        json.loads((RESULTS / f"peers_{model}.json").read_text())["contestants"]["rtsod:auto"]["rate_against"]["rembg"]
        for model in ("full", "lite")
    ]
    (line,) = (line for line in lines if line.startswith("| against rembg") and "| AMX |" in line)
    assert line.endswith(f"| {' | '.join(f'{rate:.1f}×' for rate in rates)} |")


@pytest.mark.parametrize("name", [name for name in CLASSES if (RESULTS / f"{name}.json").exists()])
def test_a_result_of_speed_was_recorded_on_the_class_it_belongs_to(name: str) -> None:
    assert class_of(json.loads((RESULTS / f"{name}.json").read_text())) == CLASSES[name]
