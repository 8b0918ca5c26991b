from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rtsod.__main__ import COMMANDS, main, parsers
from rtsod.cli.completion import completion_script
from rtsod.config import ENGINES
from rtsod.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")


SECONDS = 60.0
"""How long a shell may take to answer."""
WORDS = [
    (["run", "--virtual-camera"], {"pipewire"}),
    (["run", "--bg"], {"beach", "blur", "transparent", "none", "talk.mp4"}),
    (["batch", "--bg"], {"beach", "blur"}),
    (["run", "--model"], {"full", "lite", "tiny", "me"}),
    (["bench", "--model"], {"full", "lite", "me"}),
    (["run", "--source"], {"auto", "demo", "scene", "talk.mp4"}),
    (["run", "--device"], {"auto", "cpu", "cuda", "webgpu"}),
    (["run", "--profile"], {"office", "at-home"}),
    (["run", "--engine"], set(ENGINES)),
    (["run", "--device"], {"cuda:0", "cuda:1"}),
    (["ctl"], {"state", "background", "pause", "quit"}),
    (["ctl", "mirror"], {"on", "off"}),
    (["ctl", "background"], {"blur", "next", "forest", "meadow", "talk.mp4"}),
    (["ctl", "source"], {"demo", "/dev/video7"}),
    (["ctl", "profile"], {"office", "at-home"}),
    (["ctl", "--run"], {"all", "4711"}),
    (["service"], {"install", "status", "remove"}),
    (["config"], {"check", "show"}),
    (["models"], {"show", "remove"}),
    (["models", "show"], {"me"}),
    (["completion"], set(SHELLS)),
    (["batch"], {"status", "talk.mp4"}),
    (["batch", "status"], {"talk.mp4"}),
]
"""What each shell must offer after these words."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of the shells, with a file, an own model, profiles, and all scripts."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "talk.mp4").touch()
    (folder / "data" / "rtsod" / "models" / "me").mkdir(parents=True)
    (folder / "config" / "rtsod").mkdir(parents=True)
    (folder / "runtime").mkdir(mode=0o700)
    (folder / "runtime" / "rtsod").mkdir(mode=0o700)
    (folder / "runtime" / "rtsod" / "run-4711.json").touch()
    _program(folder / "bin" / "nvidia-smi", "GPU 0: NVIDIA T4 (UUID: GPU-1)", "GPU 1: NVIDIA T4 (UUID: GPU-2)")
    _program(folder / "bin" / "rtsod", "* demo  (the drawn scene)", "  /dev/video7", "  meadow")
    (folder / "config" / "rtsod" / "rtsod.toml").write_text("lite = true\n[profile.office]\n[profile.at-home] # so\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        for shell in SHELLS:
            (folder / f"script.{shell}").write_text(completion_script(shell, parsers(), COMMANDS))
        (folder / "zsh").mkdir()
        shutil.copy(folder / "script.zsh", folder / "zsh" / "_rtsod")
        yield folder


def _program(path: Path, *lines: str) -> None:
    """One that prints lines, whatever it is asked."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    path.chmod(0o755)


@pytest.fixture(scope="module")
def bash(folder: Path) -> Path:
    """The script for bash."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    return folder / "script.bash"


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
    assert done.stderr == ""
    return set(done.stdout.split())


def _completed_by_fish(folder: Path, *words: str) -> set[str]:
    code = f"source script.fish; complete -C {shlex.quote(' '.join(('rtsod', *words)))}"
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(["fish", "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}


def _completed_by_zsh(folder: Path, line: str) -> str:
    """The line that zsh makes of one when Tab is pressed at its end. It completes at a terminal alone."""
    setup = "PS1= RPS1= PROMPT_EOL_MARK=; unsetopt beep; fpath=(./zsh $fpath); autoload -U compinit; compinit -u -D"
    code = f'{setup}; rtsod() {{ print -r -- "<$*>"; exit; }}; print ready'
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "HOME": str(folder)})
    shown = ""

    def read_until(mark: str) -> None:
        nonlocal shown
        ends = time.monotonic() + SECONDS
        while not re.search(mark, shown) and time.monotonic() < ends:
            if select.select([terminal], [], [], 1)[0]:
                try:
                    shown += os.read(terminal, 4096).decode(errors="replace")
                except OSError:  # it has ended
                    break

    try:
        os.write(terminal, f"{code}\n".encode())
        read_until(r"(?m)^ready\r")
        os.write(terminal, f"{line}\t\n".encode())
        read_until(r"(?m)^<.*>\r")
    finally:
        os.close(terminal)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found = re.findall(r"(?m)^<(.*)>\r", shown)
    assert found, shown
    return str(found[0])


def test_there_is_a_parser_for_every_command() -> None:
    found = parsers()
    assert list(found) == list(COMMANDS)
    assert all(parser.prog == f"rtsod {name}" for name, parser in found.items())


def test_commands_are_completed(bash: Path) -> None:
    assert set(COMMANDS) <= _completed(bash, "")


def test_options_are_completed(bash: Path) -> None:
    assert _completed(bash, "run", "--virt") == {"--virtual-camera"}
    assert _completed(bash, "evaluate", "--prot") == {"--protocol"}


@pytest.mark.parametrize(
    ("words", "expected"), WORDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bash_offers_values_and_words(bash: Path, words: list[str], expected: set[str]) -> None:
    assert expected <= _completed(bash, *words, "")


def test_bash_runs_nothing_that_is_listed(folder: Path, bash: Path) -> None:
    """A folder's name may be anything."""
    model = folder / "data" / "rtsod" / "models" / "a $(touch ran)"
    model.mkdir()
    try:
        assert {"me", "a", "$(touch", "ran)"} <= _completed(bash, "run", "--model", "")
    finally:
        model.rmdir()
    assert not (folder / "ran").exists()


def test_bash_offers_the_rest_of_a_word(bash: Path) -> None:
    assert _completed(bash, "run", "--source", "ta") == {"talk.mp4"}
    assert _completed(bash, "run", "--bg", "night") == {"night-city"}
    assert _completed(bash, "batch", "st") == {"status"}
    assert not {"talk.mp4"} & _completed(bash, "run", "--virtual-camera", "")
    assert "full" not in _completed(bash, "run", "--lite", ""), "it takes no value"
    assert "status" not in _completed(bash, "batch", "status", ""), "it stands at the beginning only"


@pytest.mark.parametrize(
    ("words", "expected"), WORDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_fish_offers_values_and_words(folder: Path, words: list[str], expected: set[str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish")
    offered = _completed_by_fish(folder, *words, "")
    assert expected <= offered
    assert not {"status"} & offered or "status" in expected, "it stands at the beginning only"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run --virtual-camera pipe", "run --virtual-camera pipewire"),
        ("run --bg night", "run --bg night-city"),
        ("run --bg tal", "run --bg talk.mp4"),
        ("run --model m", "run --model me"),
        ("run --profile off", "run --profile office"),
        ("run --engine tensor", "run --engine tensorrt"),
        ("ctl pau", "ctl pause"),
        ("ctl mirror of", "ctl mirror off"),
        ("ctl background tal", "ctl background talk.mp4"),
        ("ctl source /dev/v", "ctl source /dev/video7"),
        ("run --device cuda:1", "run --device cuda:1"),
        ("service inst", "service install"),
        ("batch stat", "batch status"),
        ("batch status tal", "batch status talk.mp4"),
        ("batch talk.mp4 tal", "batch talk.mp4 talk.mp4"),
        ("evaluate bin runt", "evaluate bin runtime"),
    ],
)
def test_zsh_completes_values_and_words(folder: Path, line: str, expected: str) -> None:
    assert _completed_by_zsh(folder, f"rtsod {line}").strip() == expected


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
