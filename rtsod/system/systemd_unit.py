"""The text of the systemd unit that starts a run at login, and the quoting of what stands in it.

See systemd.syntax(7) for quoting, systemd.service(5) and systemd.exec(5) for the settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rtsod.errors import UsageError
from rtsod.system.names import printable

MARK: Final = "# Written by rtsod service install, deleted by rtsod service remove."
"""The first line of the unit, by which it is recognized."""
WATCHDOG_SECONDS: Final = 30
"""How long no picture and no slate may go out. Live input that stalls becomes slates within seconds, and the largest
network on a slow machine takes some seconds for a picture: this is several times as long."""
RESTART_SECONDS: Final = 10
"""The pause before another attempt. A camera that is missing at login, or a download without a network, is tried for as
long as the session lasts, and an attempt costs a core some seconds."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SETTINGS: Final = f"""\
Type=notify
WatchdogSec={WATCHDOG_SECONDS}
Restart=on-failure
RestartSec={RESTART_SECONDS}
# Wrong options stay wrong, and a signal that ends the run is no failure.
RestartPreventExitStatus=2
SuccessExitStatus=129 130 143
# The program ends the processes that it has started.
KillMode=mixed
# A core dump would hold pictures of the room.
LimitCORE=0
"""


def unit_text(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """The unit that runs a command at login.

    Args:
        command: the absolute path of a program, and its arguments.
        folder: in which it runs, an absolute path.
        environment: variables to set.

    Raises:
        UsageError: something cannot stand in a unit.
    """
    variables = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in environment.items())
    program, *arguments = command
    # The colon keeps systemd from replacing $VARIABLES in the command.
    line = " ".join([quoted(f":{program}"), *map(quoted, arguments)])
    return (
        f"{MARK}\n"
        "[Unit]\n"
        "Description=Background replacement (rtsod)\n"
        "\n"
        "[Service]\n"
        f"ExecStart={line}\n"
        f"WorkingDirectory={_unquotable(str(folder))}\n"
        f"{variables}"
        f"{_SETTINGS}"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def quoted(text: str) -> str:
    """One word of a command or of ``Environment=``, so that systemd reads exactly this text.

    Raises:
        UsageError: it holds bytes that are not UTF-8, of which systemd's programs cannot tell.
    """
    _check_utf8(text)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + "".join(_ESCAPES.get(char) or _escaped_control(char) for char in text) + '"'


def _escaped_control(char: str) -> str:
    return f"\\x{ord(char):02x}" if char < " " or char == "\x7f" else char


def _unquotable(path: str) -> str:
    """A path where systemd takes quotes and backslashes as they are, and cuts spaces off the ends.

    Raises:
        UsageError: it has no spelling there.
    """
    _check_utf8(path)
    if path != path.strip() or path.endswith("\\") or any(char < " " or char == "\x7f" for char in path):
        raise UsageError(
            f"{printable(path)}: systemd cannot start anything in a folder of that name: run this in another one"
        )
    return path.replace("%", "%%")


def _check_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{printable(text)}: is not UTF-8, which systemd needs: rename it") from None
