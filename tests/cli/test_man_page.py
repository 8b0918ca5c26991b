from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rtsod.__main__ import COMMANDS
from rtsod.errors import ExitCode
from rtsod.version import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that writes the page."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("scripts.man_page")


def test_the_page_is_that_of_today_s_options(generator: Any) -> None:
    assert generator.PAGE.read_text() == generator.man_page(), "write it again: python -m scripts.man_page"


def test_it_has_the_sections_that_readers_look_for(generator: Any) -> None:
    page = generator.man_page()
    assert page.startswith(f'.TH RTSOD 1 "" "rtsod {__version__}" ')
    found = re.findall(r"(?m)^\.SH (.*)$", page)
    assert found[:4] == ["NAME", "SYNOPSIS", "COMMANDS", "OPTIONS"]
    assert found[-4:] == ["EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]
    assert set(generator._EXIT_CODES) == set(ExitCode)


def test_man_finds_the_page_where_docs_install_md_links_it(
    generator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("man") is None or sys.platform != "linux":
        pytest.skip("there is no man-db")
    share = tmp_path / ".local" / "share" / "man" / "man1"
    share.mkdir(parents=True)
    (tmp_path / ".local" / "bin").mkdir()
    (share / "rtsod.1").symlink_to(generator.PAGE)
    monkeypatch.delenv("MANPATH", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}/.local/bin:{os.environ['PATH']}")
    done = subprocess.run(["man", "-w", "rtsod"], capture_output=True, text=True)
    assert Path(done.stdout.strip()).samefile(generator.PAGE), done.stderr


def test_it_renders_without_a_warning(generator: Any) -> None:
    if shutil.which("groff") is None:
        pytest.skip("there is no groff")
    command = ["groff", "-man", "-Tutf8", "-ww", str(generator.PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    plain = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    assert all(re.search(rf"^ +{name}\b", plain, re.MULTILINE) for name in COMMANDS)
    assert "--virtual-camera" in plain
    assert "U²-Net" in plain


def test_man_shows_it(generator: Any) -> None:
    if shutil.which("man") is None or sys.platform != "linux":
        pytest.skip("there is no man-db")
    command = ["man", "--warnings=w", "-l", "-Tutf8", str(generator.PAGE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
