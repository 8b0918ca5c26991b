"""What all commands share: one line per error, clean output, and an exit code for every end."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rtsod.__main__ import COMMANDS, main
from rtsod.backends import choose
from rtsod.bench import cli as bench
from rtsod.cli import export
from rtsod.cli.common import EXTRAS, answer, run_command
from rtsod.config import MIN_FP16_INPUT_SIZE, EngineConfig
from rtsod.errors import ExitCode, OutputError
from rtsod.frames import Availability
from rtsod.system.files import file_to_write, json_from_text, read_text
from rtsod.system.signals import StopSignals

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")


@pytest.mark.parametrize("options", [["--lite"], ["--source", "a b.mp4"]])
def test_an_option_without_a_command_names_the_command(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line
        == f"rtsod: {options[0]}: a command comes first, such as rtsod run {shlex.join(options)} (see rtsod --help)"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_one_line_and_exit_code_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--images", "x", "--nonsense"]) == ExitCode.USAGE
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "--nonsense" in errors[0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("export", ["--input-size", "96"]),
        ("build", ["--input-size", "96", "--compute-capability", "8.6"]),
        ("run", ["--engine", "tensorrt", "--input-size", "96"]),
        ("bench", ["--engine", "tensorrt", "--input-size", "96", "--precision", "fp16"]),
    ],
)
def test_fp16_below_its_smallest_input_size_is_refused_at_once(
    name: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, *arguments]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "--input-size 96" in line
    assert f"use --input-size {MIN_FP16_INPUT_SIZE}, or --precision fp32" in line


def test_other_small_inputs_are_accepted() -> None:
    EngineConfig(engine="tensorrt", input_size=MIN_FP16_INPUT_SIZE)
    EngineConfig(engine="tensorrt", input_size=64, precision="fp32")
    EngineConfig(engine="openvino", input_size=64)


def test_auto_does_not_choose_tensorrt_below_its_smallest_input_size(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Availability("x", True, "is here")
    monkeypatch.setattr("rtsod.backends.nvidia_driver", lambda: here)
    monkeypatch.setattr("rtsod.backends._probe_tensorrt_installation", lambda: here)
    name, why = choose(EngineConfig(device="cuda", input_size=96))
    assert name == "torch"
    assert str(MIN_FP16_INPUT_SIZE) in why


def _python(code: str, stdout: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


_ANSWER = """
from rtsod.cli.common import answer, run_command
from rtsod.system.signals import leave
def work(signals):
    for _ in range(3): answer("x" * 100)
leave(run_command("prog", work))
"""


@needs_full
def test_output_to_a_full_disk_is_one_line_and_exit_code_6() -> None:
    with FULL.open("w") as full:
        ended = _python(_ANSWER, full)
    assert ended.returncode == ExitCode.OUTPUT
    assert ended.stderr == "prog: standard output cannot be written: No space left on device\n"


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["bench", "--help"]])
def test_help_to_a_full_disk_fails_the_same_way(arguments: list[str]) -> None:
    with FULL.open("w") as full:
        ended = _python(f"from rtsod.__main__ import main; raise SystemExit(main({arguments!r}))", full)
    assert ended.returncode == ExitCode.OUTPUT
    assert ended.stderr.endswith("standard output cannot be written: No space left on device\n")
    assert ended.stderr.count("\n") == 1


def test_a_report_is_a_web_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--report", "r.pdf"]) == ExitCode.USAGE
    assert "--report: r.pdf: the report is a web page: give it the suffix .html" in capsys.readouterr().err


@needs_full
def test_a_command_that_prints_to_a_full_disk_fails_the_same_way() -> None:
    with FULL.open("w") as full:
        ended = _python("from rtsod.cli.devices import main; raise SystemExit(main([]))", full)
    assert ended.returncode == ExitCode.OUTPUT
    assert ended.stderr == "rtsod devices: standard output cannot be written: No space left on device\n"


def test_output_to_a_closed_pipe_is_not_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        ended = _python(_ANSWER, pipe)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_signal_that_a_library_wraps_in_its_own_error_is_still_a_signal(capsys: pytest.CaptureFixture[str]) -> None:
    def work(signals: StopSignals) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as interrupted:
            raise RuntimeError("Error calling __set_name__") from interrupted

    assert run_command("prog", work) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "prog: interrupted\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_is_one_line_and_its_exit_code(
    number: signal.Signals, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("prog", lambda _: signal.raise_signal(number)) == code
    assert capsys.readouterr().err == "prog: interrupted\n"


def test_a_signal_at_the_very_end_does_not_spoil_the_exit_code() -> None:
    late = "import atexit, signal; atexit.register(lambda: signal.raise_signal(signal.SIGINT))\n"
    ended = _python(late + _ANSWER, subprocess.DEVNULL)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_each_error_is_one_line_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(signals: StopSignals) -> None:
        raise OutputError("the disk is full")

    assert run_command("prog", fail) == ExitCode.OUTPUT
    assert capsys.readouterr().err == "prog: the disk is full\n"
    assert run_command("prog", lambda _: print(1 // 0)) == ExitCode.INTERNAL
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prog: internal error: ZeroDivisionError: ")
    assert "at test_commands.py:" in line
    assert run_command("prog", lambda _: importlib.import_module("no_such_package").work()) == ExitCode.ENGINE
    assert "the package no_such_package is missing: activate" in capsys.readouterr().err
    assert run_command("prog", lambda _: importlib.import_module("rtsod.no_such_module").work()) == ExitCode.INTERNAL
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prog: internal error: ModuleNotFoundError: No module named 'rtsod.no_such_module'")
    assert run_command("prog", lambda _: answer("fine")) == ExitCode.DONE
    assert capsys.readouterr().out == "fine\n"


def test_the_extras_are_those_of_the_project() -> None:
    """Each package that only an extra installs is named with one that does."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    modules = {  # where they differ from the distribution's name
        "cuda-python": "cuda",
        "onnxruntime-ep-webgpu": "onnxruntime_ep_webgpu",
        "tensorrt-rtx": "tensorrt_rtx",
    }
    homes: dict[str, set[str]] = {}
    for extra, lines in extras.items():
        for name in (re.split(r"[\[<>=]", line)[0] for line in lines):
            if extra not in {"dev", "docs"} and name != "rtsod":  # no command needs these two
                homes.setdefault(modules.get(name, name), set()).add(extra)
    assert EXTRAS.keys() == homes.keys()
    assert {package: extra for package, extra in EXTRAS.items() if extra not in homes[package]} == {}


@pytest.mark.parametrize("text", ["", "-", "folder/"])
def test_an_argument_that_cannot_be_a_file_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(argparse.ArgumentTypeError):
        file_to_write(text)
    assert bench.main(["--json", text]) == export.main(["--output", text]) == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(ValueError, match="nested"):
        json_from_text("[" * 200_000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_reading_a_named_pipe_fails_instead_of_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is not a file"):
        read_text(tmp_path / "pipe")
