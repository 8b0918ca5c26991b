"""``rtsod service``: has systemd start a run at every login, and keep it alive."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rtsod.cli.common import Parser, answer, require, run_command
from rtsod.errors import ExitCode, UsageError
from rtsod.system import systemd
from rtsod.system.files import output_error, read_bytes, replace_file
from rtsod.system.names import printable
from rtsod.system.systemd import UNIT
from rtsod.system.systemd_unit import MARK, unit_text

_PROGRAM: Final = "rtsod service"
_USAGE: Final = "%(prog)s install [--profile NAME] [-- OPTIONS] | status | remove"
_PRIVATE: Final = 0o600
"""Permissions of the unit: a camera's URL may hold a password."""
_FOLDERS: Final = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
"""Variables that say where models and settings are. A service gets systemd's environment, not that of your shell."""
_DESCRIPTION: Final = """\
Start a run at every login, without a window, and start it again if it fails.

install writes a systemd unit of your own (no root), starts it, and waits until
it shows a first slate. What follows -- are options of rtsod run, beside those
in rtsod.toml; relative paths mean what they mean in the current folder. To
change the options, install again.
status tells whether it runs, with the last line of its log. remove stops it and
deletes the unit.
"""
_EPILOG: Final = """\
examples:
  rtsod service install -- --lite --bg blur --virtual-camera --on-demand
      a camera for video calls, whenever you are logged in
  rtsod service install --profile calls
      the same from a profile of rtsod.toml
  rtsod service status
  rtsod service remove
  journalctl --user-unit rtsod.service --follow
      its log

systemd is Linux's; docs/autostart.md has the equivalents on Windows and macOS.

exit codes:
  0 done   1 status: it is not active; install: it did not start   2 usage, or
  there is no systemd   6 the unit cannot be written or deleted, or systemd
  refuses   70 internal error   129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _service(sys.argv[1:] if arguments is None else arguments))


def parser() -> Parser:
    """The parser of the command's own options; those of the run follow ``--``."""
    parser = Parser(
        _PROGRAM, _USAGE, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    parser.add_argument("action", nargs="?", metavar="install | status | remove", help="what to do")
    parser.add_argument("--profile", metavar="NAME", help="install: options from a profile of rtsod.toml")
    return parser


def _service(arguments: Sequence[str]) -> ExitCode:
    given = list(arguments)
    cut = given.index("--") if "--" in given else len(given)
    own, of_the_run = given[:cut], given[cut + 1 :]
    options, unknown = parser().parse_known_args(own)
    if unknown:
        raise UsageError(
            f"{' '.join(unknown)}: put options of the run behind --, such as {_PROGRAM} install -- --virtual-camera"
        )
    profile = [] if options.profile is None else ["--profile", options.profile]
    if options.action == "install":
        return _install([*profile, *of_the_run])
    if profile or cut < len(given):
        raise UsageError(f"{options.action or _PROGRAM}: takes no options of a run: only install does")
    match options.action:
        case "status":
            return _status()
        case "remove":
            return _remove()
    raise UsageError(f"give install, status or remove (see {_PROGRAM} --help)")


def _install(options: Sequence[str]) -> ExitCode:
    if "SUDO_USER" in os.environ:
        raise UsageError("the service belongs to your own login and needs no root: run this without sudo")
    systemd.require_user_manager()
    _check(options)
    command = [sys.executable, "-P", "-m", "rtsod", "run", *options]  # -P: a folder ./rtsod is not the program
    text = unit_text(command, _current_folder(), {name: os.environ[name] for name in _FOLDERS if name in os.environ})
    path = _own_unit_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=_PRIVATE)
    except OSError as error:
        raise output_error(path, error) from error
    systemd.control("daemon-reload")
    systemd.control("enable", UNIT)
    if not systemd.start_again():
        answer(f"{UNIT} is installed, but did not start\n{_state_lines()}")
        return ExitCode.CHECK_FAILED
    answer(f"{path} starts at every login\n{_state_lines()}")
    return ExitCode.DONE


def _status() -> ExitCode:
    systemd.require_user_manager()
    answer(_state_lines())
    return ExitCode.DONE if systemd.state().active == "active" else ExitCode.CHECK_FAILED


def _remove() -> ExitCode:
    systemd.require_user_manager()
    path = _own_unit_path()
    if not path.exists():
        answer(f"{UNIT} is not installed: there is nothing to remove")
        return ExitCode.DONE
    systemd.control("disable", "--now", UNIT)
    try:
        path.unlink()
    except OSError as error:
        raise output_error(path, error) from error
    systemd.control("daemon-reload")
    systemd.forget_failures()  # or a unit that failed last would stay in systemd's lists
    answer(f"stopped {UNIT} and deleted {path}")
    return ExitCode.DONE


def _check(options: Sequence[str]) -> None:
    """Refuse options with which no run could start, or that mean nothing in a service.

    Raises:
        RtsodError: they are wrong.
    """
    from rtsod.app.edges import check_names  # late: --help must not wait for OpenCV
    from rtsod.cli.run import config_of

    config = config_of(options)
    output = config.output
    if output.preview:
        raise UsageError("--preview: a service has no window: drop it, or add --no-preview")
    if not (output.virtual_camera or output.outputs or output.mask_outputs or output.publish):
        raise UsageError(f"a service needs an output: {_PROGRAM} install -- --virtual-camera")
    if config.run.keep_learning:
        require("accelerate", "torch")
    check_names(config)


def _own_unit_path() -> Path:
    """Where the unit is or will be.

    Raises:
        UsageError: a unit that somebody else wrote is there.
        OutputError: it cannot be read.
    """
    path = systemd.unit_path()
    try:
        if os.path.lexists(path) and not read_bytes(path).startswith(MARK.encode()):
            raise UsageError(f"{path}: was not written by rtsod: rename it, or delete it")
    except OSError as error:
        raise output_error(path, error) from error
    return path


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current folder is gone ({error.strerror}): run this in another one") from error


def _state_lines() -> str:
    found = systemd.state()
    if found.load == "not-found":
        return f"{UNIT} is not installed: {_PROGRAM} install"
    lines = [f"{UNIT}: {found.file or found.load}, {found.active} ({found.detail})"]
    if (line := systemd.last_log_line()) is not None:
        lines.append(f"log: {printable(line)}")
    return "\n".join(lines)
