"""The command that adds an extra is the one of the tool that installed the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rtsod.system import extras
from rtsod.system.extras import install_extra


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment into which pip has put a wheel."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(extras, "_FOLDER", tmp_path)
    monkeypatch.setattr(extras, "find_spec", lambda name: object())
    return tmp_path


def test_pip(environment: Path) -> None:
    assert install_extra("torch") == "pip install 'rtsod[torch]'"


def test_an_environment_without_pip(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert install_extra("torch") == "uv pip install 'rtsod[torch]'"


def test_a_checkout(environment: Path) -> None:
    (environment / "pyproject.toml").touch()
    assert install_extra("torch") == f"pip install -e '{environment}[torch]'"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('path = "/a b/rtsod.whl"', "--force '/a b/rtsod.whl[torch]'"),
        ('extras = ["control"], directory = "/c"', "--force '/c[control,torch]'"),
        ('extras = ["torch"], editable = "/c"', "--force --editable '/c[torch]'"),
        ('git = "https://key@x.org/r.git?rev=v1"', "--force 'rtsod[torch] @ git+https://x.org/r.git@v1'"),
        ('url = "https://x.org/r.whl"', "--force 'rtsod[torch] @ https://x.org/r.whl'"),
        ('specifier = ">=0.1"', "--force 'rtsod[torch]'"),
    ],
)
def test_uv_tool(environment: Path, source: str, expected: str) -> None:
    receipt = f'[tool]\nrequirements = [{{ name = "x" }}, {{ name = "rtsod", {source} }}]\n'
    (environment / "uv-receipt.toml").write_text(receipt)
    assert install_extra("torch") == f"uv tool install {expected}"


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("/a/rtsod.whl", [], "--force '/a/rtsod.whl[torch]'"),
        ("/a[control, bench]", ["--editable"], "--force --editable '/a[control,bench,torch]'"),
        ("rtsod[control] @ https://u:p@p@x.org/r.whl", [], "--force 'rtsod[control,torch] @ https://x.org/r.whl'"),
        ("rtsod", [], "--force 'rtsod[torch]'"),
    ],
)
def test_pipx(environment: Path, source: str, options: list[str], expected: str) -> None:
    metadata = {"main_package": {"package_or_url": source, "pip_args": options}}
    (environment / "pipx_metadata.json").write_text(json.dumps(metadata))
    assert install_extra("torch") == f"pipx install {expected}"


@pytest.mark.parametrize("name", ["uv-receipt.toml", "pipx_metadata.json"])
@pytest.mark.parametrize("text", ["", "{}", "[tool]\nrequirements = []", "[]", '{"main_package": null}', "\x00"])
def test_a_receipt_of_another_form_is_left_aside(environment: Path, name: str, text: str) -> None:
    (environment / name).write_text(text)
    assert install_extra("torch") == "pip install 'rtsod[torch]'"
