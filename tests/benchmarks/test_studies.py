"""Every study imports, explains itself, and is listed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Final

import pytest

from benchmarks import record

STUDIES: Final = Path(record.ROOT) / "benchmarks" / "studies"
NAMES: Final = sorted(path.stem for path in STUDIES.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_a_study_answers_help(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    study = importlib.import_module(f"benchmarks.studies.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        study.main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"python -m benchmarks.studies.{name} " in text, "its own command stands in its help"


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_listed_in_the_readme(name: str) -> None:
    assert f"`studies.{name}`" in (STUDIES.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "first_picture"])
def test_a_study_is_recorded(name: str) -> None:
    modules = [command.split()[0] for command in record.COMMANDS.values()]
    assert f"benchmarks.studies.{name}" in modules


def test_every_recorded_module_exists() -> None:
    for command in record.COMMANDS.values():
        module = command.split()[0]
        assert importlib.util.find_spec(module) is not None, module
