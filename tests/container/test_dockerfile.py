"""The Dockerfile says what docs/container.md promises. ``python -m tests.container`` builds it."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.architecture import ROOT
from tests.support.page_commands import blocks

TEXT = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
BUILD, LAST = re.split(r"(?m)^FROM .*\n", TEXT)[1:]
"""The instructions of the two stages, each in one line."""


def _steps(stage: str) -> list[str]:
    return [line for line in stage.splitlines() if line and not line.startswith("#")]


def test_nothing_is_built_in_the_last_stage() -> None:
    assert [step for step in _steps(LAST) if step.startswith("RUN") and "pip" in step] == []


def test_what_is_copied_is_not_ignored() -> None:
    copies = [step.split()[1:] for step in _steps(BUILD + LAST) if step.startswith("COPY ")]
    names = {name for words in copies if not words[0].startswith("--from=") for name in words[:-1]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == names
    assert all((ROOT / name).exists() for name in names)


def test_an_edited_source_file_fetches_no_dependency_again() -> None:
    steps = _steps(BUILD)
    fetches = [i for i, step in enumerate(steps) if "pip install" in step and "--no-deps" not in step]
    assert len(fetches) == 1
    assert fetches[0] < next(i for i, step in enumerate(steps) if step.startswith("COPY rtsod"))


def test_the_opencv_of_the_image_is_the_one_without_windows() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "list_dependencies.py"), "--extra", "control"]
    lines = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    assert len([line for line in lines if line.startswith("opencv-python>")]) == 1, "what the Dockerfile's sed replaces"
    assert "s/^opencv-python>/opencv-python-headless>/" in BUILD


def test_the_base_can_be_pinned_for_both_stages() -> None:
    assert re.findall(r"(?m)^FROM (\S+)", TEXT) == ["${BASE}", "${BASE}"]


def test_each_run_that_keeps_its_cache_names_the_same_user() -> None:
    commands = [command for block in blocks(ROOT / "docs" / "container.md") for command in block.commands()]
    kept = [command for command in commands if "rtsod-cache:/cache" in command]
    assert len(kept) >= 3
    assert [command for command in kept if '--user "$(id -u):$(id -g)"' not in command] == []
    assert 'VOLUME ["/cache"]' in _steps(LAST)
