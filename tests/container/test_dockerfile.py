"""The Dockerfile says what docs/container.md promises, and the reader of Dockerfiles understands it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.container.dockerfile import health_check, instructions_in, stages_in, words_in
from tests.support.architecture import ROOT
from tests.support.page_commands import blocks

STAGES = stages_in((ROOT / "Dockerfile").read_text(encoding="utf-8"))
LAST = STAGES[-1]


def test_it_does_not_run_as_root() -> None:
    assert LAST.last("USER") == "rtsod"


def test_nothing_is_built_in_the_last_stage() -> None:
    assert [stage.name for stage in STAGES] == ["build", "1"]
    assert not [each for each in LAST.instructions if each.name == "RUN" and "pip" in each.rest]


def test_the_health_check_is_the_doctor() -> None:
    assert health_check(LAST) == ["rtsod", "doctor"]


def test_what_is_copied_is_not_ignored() -> None:
    copies = [words_in(each.rest) for stage in STAGES for each in stage.instructions if each.name == "COPY"]
    names = {name for words in copies if not words[0].startswith("--from=") for name in words[:-1]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == names
    assert all((ROOT / name).exists() for name in names)


def test_an_edited_source_file_fetches_no_dependency_again() -> None:
    steps = [f"{each.name} {each.rest}" for each in STAGES[0].instructions]
    fetched = next(i for i, step in enumerate(steps) if "pip install" in step and "--no-deps" not in step)
    assert fetched < next(i for i, step in enumerate(steps) if step.startswith("COPY rtsod"))
    assert [step for step in steps[fetched + 1 :] if "pip install" in step and "--no-deps" not in step] == []


def test_the_opencv_of_the_image_is_the_one_without_windows() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "list_dependencies.py"), "--extra", "control"]
    lines = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    assert len([line for line in lines if line.startswith("opencv-python>")]) == 1, "what the Dockerfile's sed replaces"
    assert any("s/^opencv-python>/opencv-python-headless>/" in each.rest for each in STAGES[0].instructions)


def test_the_base_can_be_pinned_for_both_stages() -> None:
    assert {stage.base for stage in STAGES} == {"python:3.13-slim-bookworm"}
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert text.count("FROM ${BASE}") == len(STAGES)


def test_each_run_that_keeps_its_cache_names_the_same_user() -> None:
    commands = [command for block in blocks(ROOT / "docs" / "container.md") for command in block.commands()]
    kept = [command for command in commands if "rtsod-cache:/cache" in command]
    assert len(kept) >= 3
    assert [command for command in kept if '--user "$(id -u):$(id -g)"' not in command] == []
    assert LAST.last("VOLUME") == '["/cache"]'


def test_lines_are_joined_and_arguments_filled_in() -> None:
    text = 'ARG V=3\nFROM base:${V} AS one\n# comment\nRUN a \\\n    # said\n    && b\nFROM base:${V}\nCMD ["x", "y"]\n'
    first, second = stages_in(text)
    assert (first.base, first.name, second.name) == ("base:3", "one", "1")
    assert first.last("RUN") == "a && b"
    assert words_in(second.last("CMD") or "") == ["x", "y"]


def test_what_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="ONBUILD"):
        instructions_in("FROM x\nONBUILD RUN y\n")
    with pytest.raises(ValueError, match="HEALTHCHECK"):
        health_check(stages_in("FROM x\nRUN y\n")[0])
