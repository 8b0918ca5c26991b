"""Finds PipeWire, and what GStreamer needs to make a camera in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rtsod.errors import OutputError

LAUNCH: Final = "gst-launch-1.0"
"""The program that makes a camera."""
INSTALL: Final = "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-pipewire"
"""The command that installs all that a camera needs beside PipeWire."""

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
