from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from rtsod.model import origins


def test_this_environment_s_pip_is_taken_first() -> None:
    if find_spec("pip") is None:
        pytest.skip("this environment has no pip")
    assert origins._pip() == [sys.executable, "-m", "pip"]


def test_without_it_the_pip_that_python_keeps_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments that uv makes have no pip."""
    if find_spec("ensurepip") is None:
        pytest.skip("this Python has no ensurepip")
    monkeypatch.setattr(origins, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    command = origins._pip()
    if command is None:
        pytest.skip("this Python's ensurepip has no wheel of pip")
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pip ")


def test_without_both_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "find_spec", lambda name: None)
    assert origins._pip() is None
