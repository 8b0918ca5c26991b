from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rtsod.__main__ import COMMANDS, main, parsers
from rtsod.cli.completion import completion_script
from rtsod.config import ENGINES
from rtsod.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    path = tmp_path_factory.mktemp("completion") / "rtsod.bash"
    path.write_text(completion_script("bash", parsers(), COMMANDS))
    return path


def _completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in ("rtsod", *words))
    code = f"""
source {script}
COMP_WORDS=({quoted}); COMP_CWORD={len(words)}
_shtab_rtsod rtsod "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], cwd=script.parent, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_there_is_a_parser_for_every_command() -> None:
    found = parsers()
    assert list(found) == list(COMMANDS)
    assert all(parser.prog == f"rtsod {name}" for name, parser in found.items())


def test_commands_are_completed(bash: Path) -> None:
    assert set(COMMANDS) <= _completed(bash, "")


def test_options_are_completed(bash: Path) -> None:
    assert _completed(bash, "run", "--virt") == {"--virtual-camera"}
    assert _completed(bash, "evaluate", "--prot") == {"--protocol"}


def test_engines_are_completed(bash: Path) -> None:
    assert _completed(bash, "run", "--engine", "") == set(ENGINES)


def test_a_device_and_files_are_completed(bash: Path) -> None:
    (bash.parent / "talk.mp4").touch()
    assert _completed(bash, "run", "--source", "ta") == {"talk.mp4"}
    assert _completed(bash, "run", "--virtual-camera", "/dev/nul") == {"/dev/null"}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_accepts_its_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "virtual-camera" in out
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}: its syntax was not checked")
    (tmp_path / "script").write_text(out)
    done = subprocess.run([program, "-n", str(tmp_path / "script")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == ExitCode.USAGE
    assert capsys.readouterr().err.count("\n") == 1
