"""``rtsod service`` as a user meets it, with a systemctl that remembers, and a run that reports to a real socket."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from rtsod.cli import run, service
from rtsod.errors import ExitCode
from rtsod.system import systemd
from tests.support.architecture import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

SYSTEMCTL = """\
#!/bin/sh
# Remembers what it was told in the folder beside it; fails where a file says so.
state="${0%/*}/../state"
shift 2
echo "$*" >>"$state/calls"
[ ! -e "$state/no-$1" ] || { echo "$1 is refused" >&2; exit 1; }
case "$1" in
    enable) touch "$state/enabled" ;;
    restart) touch "$state/active" ;;
    disable) rm -f "$state/enabled" "$state/active" ;;
    show)
        [ "$2" != --property=Version ] || exit 0
        if [ -e "$XDG_CONFIG_HOME/systemd/user/rtsod.service" ]; then echo LoadState=loaded
        else echo LoadState=not-found; fi
        if [ -e "$state/enabled" ]; then echo UnitFileState=enabled; else echo UnitFileState=; fi
        if [ -e "$state/active" ]; then echo ActiveState=active; echo SubState=running
        else echo ActiveState=failed; echo SubState=failed; fi ;;
esac
"""
JOURNALCTL = "#!/bin/sh\nprintf 'rtsod: older\\nrtsod: \\033[31mcamera delivers again\\n'\n"
RUN = ["--", "--source", "scene", "--lite", "--virtual-camera"]


class System:
    """A user's systemd, and the command that talks to it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state, self.unit = folder / "state", folder / "config" / "systemd" / "user" / "rtsod.service"
        self._capsys = capsys

    def refuse(self, verb: str) -> None:
        (self.state / f"no-{verb}").touch()

    @property
    def calls(self) -> list[str]:
        path = self.state / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and the one stream that says something."""
        code = service.main(arguments)
        out, err = self._capsys.readouterr()
        assert not (out and err)
        return code, out or err

    def fails(self, code: ExitCode, *arguments: str) -> str:
        got, said = self(*arguments)
        assert got == code, said
        (line,) = said.splitlines()
        assert line.startswith("rtsod service: ")
        return line


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> System:
    for name, text in {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    (tmp_path / "state").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.chdir(tmp_path / "here")
    return System(tmp_path, capsys)


def test_installing_writes_enables_and_starts(system: System, tmp_path: Path) -> None:
    code, said = system("install", *RUN)
    assert code == ExitCode.DONE
    assert said.splitlines() == [
        f"{system.unit} starts at every login",
        "rtsod.service: enabled, active (running)",
        r"log: rtsod: \x1b[31mcamera delivers again",
    ]
    text = system.unit.read_text()
    assert f"ExecStart=:{sys.executable} -P -m rtsod run --source scene --lite --virtual-camera\n" in text
    assert f"WorkingDirectory={tmp_path / 'here'}\n" in text
    assert f"Environment=XDG_CONFIG_HOME={tmp_path / 'config'}\n" in text
    assert stat.S_IMODE(system.unit.stat().st_mode) == 0o600, "a camera's URL may hold a password"
    assert [call for call in system.calls if not call.startswith("show")] == [
        "daemon-reload", "enable rtsod.service", "reset-failed rtsod.service", "restart rtsod.service",
    ]  # fmt: skip


def test_installing_again_replaces_the_options(system: System) -> None:
    assert system("install", *RUN)[0] == system("install", *RUN, "--mirror")[0] == ExitCode.DONE
    assert "--mirror" in system.unit.read_text()
    assert [path.name for path in system.unit.parent.iterdir()] == ["rtsod.service"]
    assert system.calls.count("restart rtsod.service") == 2


def test_what_does_not_start_is_said_with_its_last_words_and_stays_installed(system: System) -> None:
    system.refuse("restart")
    code, said = system("install", *RUN)
    assert code == ExitCode.CHECK_FAILED
    assert said.splitlines()[0] == "rtsod.service is installed, but did not start"
    assert said.splitlines()[-1].startswith("log: ")
    assert system.unit.exists()


def test_status_and_removing(system: System) -> None:
    assert system("status") == (ExitCode.CHECK_FAILED, "rtsod.service is not installed: rtsod service install\n")
    assert system("remove") == (ExitCode.DONE, "rtsod.service is not installed: there is nothing to remove\n")
    system("install", *RUN)
    code, said = system("status")
    assert (code, said.splitlines()[0]) == (ExitCode.DONE, "rtsod.service: enabled, active (running)")
    assert system("remove") == (ExitCode.DONE, f"stopped rtsod.service and deleted {system.unit}\n")
    assert not system.unit.exists()
    assert not (system.state / "enabled").exists()
    assert [call for call in system.calls if not call.startswith("show")][-3:] == [
        "disable --now rtsod.service", "daemon-reload", "reset-failed rtsod.service",
    ]  # fmt: skip
    assert system("status")[0] == ExitCode.CHECK_FAILED


def test_a_unit_that_cannot_be_stopped_is_kept(system: System) -> None:
    system("install", *RUN)
    system.refuse("disable")
    assert "disable is refused" in system.fails(ExitCode.OUTPUT, "remove")
    assert system.unit.exists()


@pytest.mark.parametrize("action", [["install", *RUN], ["remove"]])
def test_a_unit_of_somebody_else_is_left_alone(system: System, action: list[str]) -> None:
    system.unit.parent.mkdir(parents=True)
    system.unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert "was not written by rtsod" in system.fails(ExitCode.USAGE, *action)
    assert system.unit.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_a_folder_that_cannot_be_written_is_one_line_and_an_older_unit_stays(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    system("install", *RUN)
    before = system.unit.read_text()
    monkeypatch.setattr(service, "replace_file", refuse)  # root may write into every folder
    assert "not writable" in system.fails(ExitCode.OUTPUT, "install", *RUN, "--mirror")
    assert system.unit.read_text() == before
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    assert str(tmp_path / "file") in system.fails(ExitCode.OUTPUT, "install", *RUN)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give install, status or remove"),
        (["start"], "give install, status or remove"),
        (["install", "--lite"], "--lite: put options of the run behind --"),
        (["install", "--", "--nonsense"], "--nonsense"),
        (["install"], "a service needs an output: rtsod service install -- --virtual-camera"),
        (["install", "--", "--preview", "--virtual-camera"], "--preview: a service has no window"),
        (["install", *RUN, "--fps", "0"], "--fps 0"),
        (["install", *RUN, "--bg", "nowhere.jpg"], "nowhere.jpg"),
        (["install", *RUN, "--source", "caf\udce9.mp4"], "is not UTF-8"),
        (["install", "--profile", "nosuch", *RUN], "nosuch"),
        (["remove", *RUN], "takes no options of a run"),
        (["status", "--profile", "calls"], "takes no options of a run"),
    ],
)
def test_wrong_use_changes_nothing(system: System, arguments: list[str], said: str) -> None:
    assert said in system.fails(ExitCode.USAGE, *arguments)
    assert not system.unit.exists()
    assert not [call for call in system.calls if not call.startswith("show")]


def test_without_a_home_folder_one_line_names_the_variable(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(name: str) -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(platformdirs, "user_config_path", no_home)
    assert "set XDG_CONFIG_HOME to a folder" in system.fails(ExitCode.OUTPUT, "install", *RUN)


def test_options_may_come_from_the_settings_and_a_profile(system: System, tmp_path: Path) -> None:
    settings = tmp_path / "config" / "rtsod" / "rtsod.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("lite = true\n[profile.calls]\nvirtual-camera = true\n[profile.window]\npreview = true\n")
    assert "needs an output" in system.fails(ExitCode.USAGE, "install")
    assert "add --no-preview" in system.fails(ExitCode.USAGE, "install", "--profile", "window")
    code, said = system("install", "--profile", "calls", "--", "--mirror")
    assert code == ExitCode.DONE, said
    assert " run --profile calls --mirror\n" in system.unit.read_text()


def test_it_needs_no_root(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "me")
    assert "without sudo" in system.fails(ExitCode.USAGE, "install", *RUN)


@pytest.mark.parametrize("action", [["install", *RUN], ["status"], ["remove"]])
@pytest.mark.parametrize(
    ("lack", "said"),
    [
        (lambda patch, system: patch.setenv("PATH", "/nowhere"), "this system has no systemd"),
        (lambda patch, system: system.refuse("show"), "does not answer (show is refused)"),
        (lambda patch, system: patch.setattr(sys, "platform", "darwin"), "rtsod service is for systemd, on Linux"),
    ],
)
def test_without_systemd_one_line_names_what_to_do(
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    action: list[str],
    lack: Callable[[pytest.MonkeyPatch, System], None],
    said: str,
) -> None:
    lack(monkeypatch, system)
    line = system.fails(ExitCode.USAGE, *action)
    assert said in line
    assert "docs/autostart.md" in line
    assert not system.unit.exists()


def test_the_page_that_it_names_exists() -> None:
    assert (ROOT / systemd.GUIDE).is_file()


def test_names_of_any_kind_reach_the_run(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / '100% "$HOME" it\'s'
    folder.mkdir()
    (folder / "rtsod").mkdir()  # must not be taken for the program
    monkeypatch.chdir(folder)
    code, said = system("install", *RUN, "--output", "a\nb % ;.mp4")
    assert code == ExitCode.DONE, said
    text = system.unit.read_text()
    assert '--output "a\\nb %% ;.mp4"\n' in text
    assert f"WorkingDirectory={folder}\n".replace("%", "%%") in text


# ------------------------------------------------------------------ the run


def test_a_run_says_that_it_is_ready_alive_and_stopping(tmp_path: Path, published_weights: dict[str, Path]) -> None:
    address = str(tmp_path / "notify")
    options = ["--lite", "--input-size", "96", "--engine", "openvino", "--precision", "fp32", "--output", "o.mp4"]
    command = [sys.executable, "-m", "rtsod", "run", "--source", "scene", "--size", "160x120", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(60)
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert listener.recv(200) == b"READY=1\nWATCHDOG_USEC=900000000"
            assert listener.recv(200) == b"WATCHDOG=1\nWATCHDOG_USEC=400000"
            assert listener.recv(200) == b"WATCHDOG=1"
            process.terminate()
            while (message := listener.recv(200)) == b"WATCHDOG=1":
                pass
            assert message == b"STOPPING=1"
            assert process.stderr is not None
            process.stderr.read()
        assert process.returncode == ExitCode.TERMINATED
    assert (tmp_path / "o.mp4").stat().st_size > 0


@pytest.fixture
def unheard_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Modules that nothing has imported yet, and a current folder without the source."""
    monkeypatch.chdir(tmp_path)
    names = ["rtsod.app.heartbeat", "rtsod.system.sd_notify"]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return names


CANNOT_START = ["--source", "nowhere.mp4", "--output", "o.mp4"]


def test_a_run_that_cannot_start_is_never_ready(
    unheard_of: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert run.main(CANNOT_START) == ExitCode.SOURCE
        with pytest.raises(BlockingIOError):
            listener.recv(200)
    assert "NOTIFY_SOCKET" not in os.environ
    assert set(unheard_of) <= set(sys.modules)


def test_a_run_that_is_no_service_imports_nothing_for_it(
    unheard_of: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert run.main(CANNOT_START) == ExitCode.SOURCE
    assert not set(unheard_of) & set(sys.modules)
