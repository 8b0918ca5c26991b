from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rtsod.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that writes the page."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("scripts.man_page")


def test_the_page_is_that_of_today_s_options(generator: Any) -> None:
    assert generator.PAGE.read_text() == generator.man_page(), "write it again: python -m scripts.man_page"


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
