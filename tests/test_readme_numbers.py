"""The README's numbers are those of the results, and cannot drift from them."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
_numbers: Any = runpy.run_path(str(ROOT / "scripts" / "update_readme_numbers.py"))
BEGIN, END, block, main = (_numbers[name] for name in ("BEGIN", "END", "block", "main"))
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    return path


def test_the_block_is_written_between_the_markers_and_then_checks(readme: Path) -> None:
    assert main(["--check", "--readme", str(readme)]) == 1
    assert main(["--readme", str(readme)]) == 0
    assert readme.read_text() == f"before\n\n{BEGIN}\n{block(RESULTS)}\n{END}\n\nafter\n"
    assert main(["--check", "--readme", str(readme)]) == 0


def test_a_number_that_changed_is_noticed(readme: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(RESULTS, tmp_path / "results"))
    assert main(["--readme", str(readme), "--results", str(results)]) == 0
    overhead = results / "pipeline_overhead.json"
    overhead.write_text(overhead.read_text().replace('"median_ms": ', '"median_ms": 9'))
    assert main(["--check", "--readme", str(readme), "--results", str(results)]) == 1


@pytest.mark.parametrize("text", ["no markers", f"{END} {BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_readme_without_its_markers_is_an_error(text: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert main(["--readme", str(readme)]) == 2
    assert readme.read_text() == text


def test_this_readme_says_what_the_results_say() -> None:
    readme = ROOT / "README.md"
    if not readme.exists() or BEGIN not in readme.read_text():
        pytest.skip("the README has no block of numbers")
    assert main(["--check"]) == 0
