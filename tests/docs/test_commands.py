"""Each command in the README and in docs/ is run, or its page says why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.clips import write_clip
from rtsod.sources.demo import DemoSource
from tests.support.architecture import ROOT
from tests.support.page_commands import PROGRAMS, SHELL, Block, blocks, pages

BLOCKS = [block for page in pages() for block in blocks(page)]
TO_RUN = {page: [block for block in BLOCKS if block.page == page and block.language in SHELL and block.to_run()]
          for page in dict.fromkeys(block.page for block in BLOCKS)}  # fmt: skip
ONE_CORE = ("taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))) if shutil.which("taskset") else ()
"""So that a batch of three pictures starts one process, and opens the network once."""
SIZE = 640, 360
"""What docs/pipes.md says of the talk."""
OF_OTHERS = "curl", "ffmpeg", "jq"
"""Programs without which commands that name them are not run."""
FRAMES = 4


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: three photographs, some of them, a talk, and a folder with a clip."""
    folder = tmp_path_factory.mktemp("inputs")
    clip = DemoSource()
    frames = [frame.image for _ in range(FRAMES) if (frame := clip.read()) is not None]
    clip.close()
    images = [np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for image in frames]
    (folder / "photos").mkdir()
    for name, image in zip(("10.jpg", "11.jpg", "20.jpg"), images, strict=False):
        assert cv2.imwrite(str(folder / "photos" / name), image)
    shutil.copytree(folder / "photos", folder / "some")
    (folder / "clips").mkdir()
    shutil.copy(write_clip(folder / "talk.mp4", images, 30), folder / "clips" / "talk.mp4")
    return folder


@pytest.mark.parametrize("page", [page for page, found in TO_RUN.items() if found])
def test_the_commands_of_a_page_run(
    page: str, inputs: Path, tmp_path: Path, published_weights: dict[str, Path]
) -> None:
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
    for block in TO_RUN[page]:
        for command in block.to_run():
            if any(re.search(rf"\b{name}\b", command) and not shutil.which(name) for name in OF_OTHERS):
                continue
            done = subprocess.run(
                [*ONE_CORE, "bash", "-c", command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
            assert done.returncode == 0, f"{block.place}: {command}\n{done.stdout}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_of_commands_is_known_as_one(block: Block) -> None:
    """So that no command escapes being run for want of a language."""
    if block.language in SHELL:
        assert block.commands(), f"{block.place}: has no command; in a console block each begins with $"
    elif block.language in {"", "text"}:
        assert not PROGRAMS.search(block.text), f"{block.place}: holds commands: make it a bash or console block"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.marks], ids=lambda block: block.place)
def test_marks_excuse_something(block: Block) -> None:
    assert block.language in SHELL
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
    )
    found = list(blocks(page, text))
    assert [block.to_run() for block in found] == [
        ["rtsod one  # comment", "rtsod two     more"], [], ["rtsod five"], ["rtsod six"],
    ]  # fmt: skip
    assert found[1].commands() == ["rtsod three"]
    assert [block.line for block in found] == [1, 8, 13, 19]
