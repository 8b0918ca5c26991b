"""Each block of shell or Python in the pages is run, or its page says why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Collection
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.clips import write_clip
from rtsod.__main__ import COMMANDS
from rtsod.sources.demo import DemoSource
from tests.support.architecture import ROOT
from tests.support.page_commands import PLAIN, PROGRAMS, RUN, SHELL, Block, blocks, pages

BLOCKS = [block for page in pages() for block in blocks(page)]
TO_RUN = {page: [block for block in BLOCKS if block.page == page and block.language in RUN and block.to_run()]
          for page in dict.fromkeys(block.page for block in BLOCKS)}  # fmt: skip
ONE_CORE = ("taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))) if shutil.which("taskset") else ()
"""So that a batch of three pictures starts one process, and opens the network once."""
SIZE = 640, 360
"""What docs/pipes.md says of the talk."""
OF_OTHERS = "curl", "ffmpeg", "jq"
"""Programs without which commands that name them are not run."""
FRAMES = 4
PREPARED = """
from pathlib import Path
import cv2

paths = sorted(map(str, Path("photos").glob("*.jpg")))
image_bgr = cv2.imread(paths[0])
"""
"""What blocks of Python take for granted."""
OWN_WEIGHTS = """
import shutil, torch
from rtsod.model.description import table_from_toml
from rtsod.model.u2net import U2Net
from tests.support.architecture import ROOT

shutil.copy(ROOT / "rtsod/assets/tables/small.toml", "mine.toml")
torch.save(U2Net(table_from_toml(Path("mine.toml"))).state_dict(), "mine.pth")
"""
INLINE = re.compile(r"(?<!`)`((?:rtsod|python|pip|scripts/)[^`]*)`(?!`)")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: photographs, some of them, a talk, a folder with a clip, and the examples."""
    folder = tmp_path_factory.mktemp("inputs")
    clip = DemoSource()
    frames = [frame.image for _ in range(FRAMES) if (frame := clip.read()) is not None]
    clip.close()
    images = [np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for image in frames]
    (folder / "photos").mkdir()
    for name, image in zip(("10.jpg", "11.jpg", "20.jpg"), images, strict=False):
        assert cv2.imwrite(str(folder / "photos" / name), image)
    shutil.copytree(folder / "photos", folder / "some")
    shutil.copy(folder / "photos" / "10.jpg", folder / "photo.jpg")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "clips").mkdir()
    shutil.copy(write_clip(folder / "talk.mp4", images, 30), folder / "clips" / "talk.mp4")
    return folder


@pytest.fixture
def run_in_page(
    page: str, inputs: Path, tmp_path: Path, published_weights: dict[str, Path]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in a folder that belongs to one page."""
    folder, programs = tmp_path / "work", tmp_path / "programs"
    shutil.copytree(inputs, folder)
    programs.mkdir()
    for name, module in (("rtsod", " -m rtsod"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
        program.chmod(0o755)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    if page == "docs/settings.md":
        (tmp_path / "config" / "rtsod").mkdir(parents=True)
        text = next(block.text for block in BLOCKS if block.page == page and block.language == "toml")
        (tmp_path / "config" / "rtsod" / "rtsod.toml").write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(name, None)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ONE_CORE, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    return run


def _pages_with(languages: Collection[str]) -> list[str]:
    return [page for page, found in TO_RUN.items() if any(block.language in languages for block in found)]


@pytest.mark.parametrize("page", _pages_with(SHELL))
def test_the_commands_of_a_page_run(page: str, run_in_page: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    for block in TO_RUN[page]:
        for command in block.to_run() if block.language in SHELL else ():
            if any(re.search(rf"\b{name}\b", command) and not shutil.which(name) for name in OF_OTHERS):
                continue
            done = run_in_page("bash", "-c", command)
            assert done.returncode == 0, f"{block.place}: {command}\n{done.stdout}"


@pytest.mark.parametrize("page", _pages_with({"python"}))
def test_the_python_of_a_page_runs(page: str, run_in_page: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """All blocks of a page together, since the later ones use what the earlier ones import."""
    program = "\n".join(block.text for block in TO_RUN[page] if block.language == "python")
    prepared = PREPARED + OWN_WEIGHTS * ("mine.pth" in program)
    done = run_in_page(sys.executable, "-c", prepared + program)
    assert done.returncode == 0, f"{page}:\n{done.stdout}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_of_commands_is_known_as_one(block: Block) -> None:
    """So that no command escapes being run for want of a language."""
    if block.language in SHELL:
        assert block.commands(), f"{block.place}: has no command; in a console block each begins with $"
    elif block.language in PLAIN:
        assert not PROGRAMS.search(block.text), f"{block.place}: holds commands: make it a bash or console block"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.marks], ids=lambda block: block.place)
def test_marks_excuse_something(block: Block) -> None:
    assert block.language in RUN
    assert block.idle_marks() == []


def test_many_commands_run() -> None:
    """A mistake in finding them would let all of them pass."""
    assert sum(len(block.to_run()) for found in TO_RUN.values() for block in found) > 20


def test_a_block_without_a_mark_is_run_and_one_with_a_mark_is_not() -> None:
    page = ROOT / "README.md"
    text = (
        "```bash\nrtsod one  # comment\n# comment\nrtsod two \\\n    more\n```\n"
        "<!-- not run here: no camera -->\n```console\n$ rtsod three\noutput\n```\n"
        "<!-- not run here, lines with --gpu: no GPU -->\n```sh\nrtsod four --gpu\nrtsod five\n```\n"
        "<!-- not run here: too far away -->\n\n```bash\nrtsod six\n```\n"
        "1. In a list:\n\n   <!-- not run here: no list -->\n   ```sh\n   rtsod seven\n   ```\n\n"
        "    rtsod eight\n    rtsod nine\n"
    )
    found = list(blocks(page, text))
    assert [block.to_run() for block in found[:5]] == [
        ["rtsod one  # comment", "rtsod two     more"], [], ["rtsod five"], ["rtsod six"], [],
    ]  # fmt: skip
    assert found[1].commands() == ["rtsod three"]
    assert found[4].commands() == ["rtsod seven"]
    assert [block.line for block in found] == [1, 8, 13, 19, 25, 29]
    assert found[5].language in PLAIN
    assert len(PROGRAMS.findall(found[5].text)) == 2


def test_the_pages_are_those_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts" / "site")
    patterns = import_module("site_pages").COPIED
    assert {path for pattern in patterns for path in ROOT.glob(pattern) if path.suffix == ".md"} == {*pages()}


@pytest.mark.parametrize(
    "page", [page for page in pages() if page.name != "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_commands_within_sentences_name_what_is_there(page: Path) -> None:
    """They are not run: docs/site.md says so. Their commands, modules, scripts and extras exist, however."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page, text):
        text = text.replace(block.text, "")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for command in (" ".join(found.split()) for found in INLINE.findall(text)):
        program, _, rest = command.partition(" ")
        first, _, others = rest.partition(" ")
        if program == "rtsod" and re.fullmatch(r"[a-z]+", first):
            assert first in COMMANDS, command
        if program == "python" and first == "-m":
            assert find_spec(others.split()[0]), command
        if program == "python" and first.endswith(".py"):
            assert (ROOT / first).is_file(), command
        if program.startswith("scripts/"):
            assert (ROOT / program).exists(), command
        for named in re.findall(r"(?:rtsod|\.)\[([\w,-]+)\]", command if program == "pip" else ""):
            assert {*named.split(",")} <= {*extras, "EXTRA"}, command
