"""Asks the user's own systemd, which starts what belongs to a login, through ``systemctl --user``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rtsod.errors import OutputError, UsageError
from rtsod.system.user_folder import user_folder

UNIT: Final = "rtsod.service"
_ANSWER_SECONDS: Final = 240
"""Starting and stopping may take 90 seconds each, systemd's own limit, and a restart does both."""
GUIDE: Final = "docs/autostart.md"
_ELSEWHERE: Final = f"{GUIDE} shows what else starts a program at login"


@dataclass(frozen=True, slots=True)
class UnitState:
    """How systemd sees the unit, in its own words."""

    load: str
    """``loaded``, ``not-found``, ``masked``, ``bad-setting``, ..."""
    file: str
    """``enabled``, ``disabled``, ...; empty if there is no file."""
    active: str
    """``active``, ``activating``, ``inactive``, ``failed``, ..."""
    detail: str
    """``running``, ``auto-restart``, ``dead``, ..."""


def require_user_manager() -> None:
    """Find out whether the user's systemd answers.

    Raises:
        UsageError: it does not; the message says what to do instead.
    """
    if sys.platform in ("win32", "darwin"):
        raise UsageError(f"rtsod service is for systemd, on Linux: {_ELSEWHERE}")
    if shutil.which("systemctl") is None:
        raise UsageError(f"this system has no systemd: {_ELSEWHERE}")
    answer = _call("show", "--property=Version")
    if answer.returncode:
        raise UsageError(f"the user's systemd does not answer ({_reason(answer)}): {_ELSEWHERE}")


def unit_path() -> Path:
    """Where the user's systemd looks for units that the user wrote. Nothing of it need exist.

    Raises:
        OutputError: there is no home folder.
    """
    try:
        return user_folder("config").parent / "systemd" / "user" / UNIT
    except OSError as error:
        raise OutputError(str(error.strerror)) from error


def control(*words: str) -> None:
    """Have systemd do something: ``control("enable", UNIT)``.

    Raises:
        OutputError: it did not.
    """
    answer = _call(*words)
    if answer.returncode:
        raise OutputError(f"systemctl --user {' '.join(words)}: {_reason(answer)}")


def start_again() -> bool:
    """Start the unit, or stop it and start it. Returns whether it became ready."""
    forget_failures()  # or a unit that was installed often within seconds would not be started
    return _call("restart", UNIT).returncode == 0


def forget_failures() -> None:
    """Have the unit count as one that never failed. It is no error if systemd knows of none."""
    _call("reset-failed", UNIT)


def state() -> UnitState:
    """How the unit is now."""
    names = {"LoadState": "load", "UnitFileState": "file", "ActiveState": "active", "SubState": "detail"}
    lines = _call("show", f"--property={','.join(names)}", UNIT).stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return UnitState(**{field: found.get(name, "") for name, field in names.items()})


def last_log_line() -> str | None:
    """The newest line that the unit, or systemd about it, wrote to the journal; None if it cannot be read."""
    if shutil.which("journalctl") is None:
        return None
    command = ["journalctl", f"--user-unit={UNIT}", "--lines=1", "--output=cat", "--quiet", "--no-pager"]
    lines = _run(command).stdout.splitlines()
    return lines[-1] if lines else None


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    return _run(["systemctl", "--user", "--no-pager", *words])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of systemd's.

    Raises:
        OutputError: it cannot be started, or does not end.
    """
    try:
        return subprocess.run(
            command,
            env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(f"{command[0]}: {error}") from error


def _reason(answer: subprocess.CompletedProcess[str]) -> str:
    """The first line of what it complained of."""
    lines = answer.stderr.splitlines() or answer.stdout.splitlines()
    return lines[0] if lines else f"exit code {answer.returncode}"
