"""The program: one list of commands, and an answer to ``--help`` and to a typing error without a wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtsod.__main__ import COMMANDS, main
from rtsod.errors import ExitCode
from rtsod.version import __version__

ROOT = Path(__file__).parents[1]
HEAVY = ("av", "cv2", "numba", "onnx", "openvino", "rich", "torch")
"""Libraries that take a noticeable time to import."""


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_help_lists_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    page = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert f"  {name:<11}{summary}\n" in page
    assert "examples:\n  rtsod run" in page


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "bench"])
def test_each_command_has_a_page_that_fits_80_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: rtsod {name}")
    assert max(map(len, lines)) <= 80
    text = " ".join(lines)
    assert "exit codes:" in text or name == "devices"
    assert "143" in text or name == "devices"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "bench"])
@pytest.mark.parametrize("option", ["--help", "--nonsense"])
def test_help_and_a_mistyped_option_import_no_heavy_library(name: str, option: str) -> None:
    code = (
        "import sys; from rtsod.__main__ import main\n"
        f"try: main([{name!r}, {option!r}])\nexcept SystemExit: pass\n"
        f"print([library for library in {HEAVY} if library in sys.modules])"
    )
    done = _python("-c", code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("arguments", [[], ["rnu"], ["--nonsense"]])
def test_a_mistyped_command_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rtsod: ")
    assert line.endswith("(see rtsod --help)")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"rtsod {__version__}\n"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (["-m", "rtsod", "run"], "rtsod run"),
        (["run_camera.py"], "run_camera.py"),
        (["-m", "rtsod", "bench"], "rtsod bench"),
        (["-m", "rtsod.bench"], "rtsod bench"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_same_command_under_every_name(program: list[str], name: str) -> None:
    assert _python(*program, "--help").stdout.startswith(f"usage: {name} ")
    refused = _python(*program, "--engine", "huge")
    assert refused.returncode == ExitCode.USAGE
    assert refused.stderr.count("\n") == 1
    assert f"(see {name} --help)" in refused.stderr
