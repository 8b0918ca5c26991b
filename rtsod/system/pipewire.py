"""Finds PipeWire, and what GStreamer needs to make a camera in it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rtsod.errors import OutputError
from rtsod.system import gstreamer_child

LAUNCH: Final = gstreamer_child.LAUNCH
"""The program that can make a camera, and comes with the library that does."""
INSTALL: Final = "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-pipewire"
"""The command that installs all that a camera needs beside PipeWire."""

START_MANAGER: Final = "systemctl --user start wireplumber"
"""The command that starts the session manager."""

_DUMP: Final = "pw-dump"
_DUMP_SECONDS: Final = 2.0  # it takes 0.02, and pictures wait for it when a camera is opened again
_MANAGERS: Final = ("WirePlumber", "pipewire-media-session")
_INSPECT: Final = "gst-inspect-1.0"
_INSPECT_SECONDS: Final = 30.0  # the first call on a machine looks at every plug-in
_ANSWER_SECONDS: Final = 5.0
_INSTALL_PLUGINS: Final = {
    "pipewiresink": "sudo apt install gstreamer1.0-pipewire",
    "rawvideoparse": "sudo apt install gstreamer1.0-plugins-base",
}


def require_programs() -> None:
    """Find out whether this system has the programs and GStreamer's plug-ins.

    Raises:
        OutputError: something is missing; the message says what, and how to get it.
    """
    if sys.platform != "linux":
        raise OutputError("PipeWire is part of Linux: give no name to use the virtual camera of OBS Studio")
    if shutil.which(LAUNCH) is None or shutil.which(_INSPECT) is None:
        raise OutputError(f"{LAUNCH} is not installed: {INSTALL}")
    for plugin, install in _INSTALL_PLUGINS.items():
        if not _has(plugin):
            raise OutputError(f"GStreamer's {plugin} is not installed: {install}")


def connect(environment: Mapping[str, str]) -> socket.socket:
    """Connect to PipeWire's daemon, without a word to it.

    Args:
        environment: says where its socket is.

    Raises:
        OutputError: it does not answer; the message says what to do.
    """
    path = _socket_path(environment)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER_SECONDS)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise OutputError(
            f"no PipeWire answers at {path} ({error.strerror or error}): "
            "log in to a desktop that has it, or systemctl --user start pipewire wireplumber"
        ) from error
    connection.setblocking(False)
    return connection


@dataclass(frozen=True, slots=True)
class Session:
    """What PipeWire's daemon says of itself."""

    managed: bool
    """Whether a session manager runs, without which nobody gets a picture of a camera."""
    nodes: frozenset[str]
    """Names of the nodes, cameras among them, whose programs still run."""


def session(environment: Mapping[str, str]) -> Session | None:
    """Ask the daemon; None if the program for that is missing, or gets no answer.

    Args:
        environment: says where its socket is.
    """
    try:
        done = subprocess.run([_DUMP], env=dict(environment), capture_output=True, timeout=_DUMP_SECONDS, check=True)
        known = [each for each in json.loads(done.stdout) if _has_props(each)]
        objects = [(each["id"], each["type"], each["info"]["props"]) for each in known]
        clients = {number: props for number, kind, props in objects if kind.endswith(":Client")}
        gone = {number for number, props in clients.items() if not _runs(props.get("pipewire.sec.pid"))}
        return Session(
            any(str(props.get("application.name")).startswith(_MANAGERS) for props in clients.values()),
            frozenset(
                str(props.get("node.name"))
                for _, kind, props in objects
                if kind.endswith(":Node") and props.get("client.id") not in gone
            ),
        )
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _has_props(each: Any) -> bool:
    return isinstance(each.get("info"), dict) and isinstance(each["info"].get("props"), dict)


def _runs(process: object) -> bool:
    """Whether a process still runs, whose node the daemon may keep for a moment longer; True if that is not known."""
    try:
        os.kill(int(str(process)), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the daemon at the other end is gone."""
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False  # it says nothing to a client that says nothing
    except OSError:
        return True


def _socket_path(environment: Mapping[str, str]) -> Path:
    """Where PipeWire's clients look for the daemon."""
    folder = environment.get("PIPEWIRE_RUNTIME_DIR") or environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return Path(folder, environment.get("PIPEWIRE_REMOTE") or "pipewire-0")


def _has(plugin: str) -> bool:
    # Without a version, it asks for GStreamer's own, which PipeWire's plug-in does not have.
    question = [_INSPECT, "--exists", "--atleast-version=0.1", plugin]
    try:
        return not subprocess.run(question, capture_output=True, timeout=_INSPECT_SECONDS).returncode
    except (OSError, subprocess.SubprocessError):
        return False
