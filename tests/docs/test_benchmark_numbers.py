"""The numbers in docs/benchmarks.md are those of the results, and cannot drift from them."""

from __future__ import annotations

import json
import runpy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record import COMMANDS, command
from benchmarks.support.camera_numbers import CameraNumbers, Targets

ROOT = Path(__file__).parents[2]
_numbers: Any = runpy.run_path(str(ROOT / "scripts" / "readme" / "update_numbers.py"))
BEGIN, END, block, main = (_numbers[name] for name in ("BEGIN", "END", "block", "main"))
RESULTS = ROOT / "benchmarks" / "results"


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
    bench = json.loads((RESULTS / "bench.json").read_text())
    rows: dict[str, list[str]] = {"network alone": [], "camera to sink": [], "against rembg": []}
    for model in ("full", "lite"):
        (network,) = (network for network in bench["networks"] if network["model"] == model)
        rows["network alone"].append(f"{network['fps']:.0f} fps")
        whole = next(
            run for run in bench["pipelines"] if run["paced"] and run["model"] == model and run["size"][1] == 720
        )
        rows["camera to sink"].append(f"{whole['output_fps']:.0f} fps, {whole['latency_ms']['p50']:.0f} ms")
        peers = json.loads((RESULTS / f"peers_{model}.json").read_text())
        rows["against rembg"].append(f"{peers['contestants']['rtsod:auto']['rate_against']['rembg']:.1f}×")
    lines = (ROOT / "README.md").read_text().splitlines()
    for start, values in rows.items():
        (line,) = (line for line in lines if line.startswith(f"| {start}"))
        assert line.endswith(f"| {' | '.join(values)} |")
