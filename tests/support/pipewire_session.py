"""A PipeWire session of a test's own, without systemd, and a program that reads a camera from it."""

from __future__ import annotations

import json
import os
import queue
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.frames import Image
from rtsod.sinks.pipewire import LABEL

PROGRAMS = ("dbus-daemon", "gst-inspect-1.0", "gst-launch-1.0", "pipewire", "pw-dump", "wireplumber")
PATIENCE = 20.0
"""Seconds after which a test fails. On an idle machine nothing here takes a tenth of that."""


def require_programs() -> None:
    """Skip a test where a program or GStreamer's plug-in for PipeWire is missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed")
    if subprocess.run(["gst-inspect-1.0", "--exists", "--atleast-version=0.1", "pipewiresrc"], check=False).returncode:
        pytest.skip("GStreamer's plug-in for PipeWire is not installed")


def pipewire_version() -> str:
    """The version of the daemon."""
    said = subprocess.run(
        ["pipewire", "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout
    return said.split()[-1]


def wait_until(what: Callable[[], object], about: str) -> None:
    """Wait until something is true that only looking at it tells."""
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, f"never: {about}"
        select.select([], [], [], 0.01)


class Session:
    """PipeWire's daemon, its session manager, and a D-Bus for that.

    Args:
        folder: short, because a socket's path may have 107 characters.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        keep = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C"}
        self.environment = keep | {
            "XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }  # fmt: skip
        self._log = (folder / "log").open("wb")
        self._bus = self._start("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1")
        assert self._bus.stdout is not None
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self._bus.stdout.readline().decode().strip()
        self._programs: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        """Start the daemon and its session manager."""
        self._programs = [self._start("pipewire")]
        wait_until((self._folder / "pipewire-0").is_socket, "PipeWire's socket")
        self._programs.append(self._start("wireplumber"))

    def stop(self) -> None:
        """Kill the daemon and its session manager."""
        for program in reversed(self._programs):
            program.kill()
            _finish(program)
        (self._folder / "pipewire-0").unlink(missing_ok=True)

    def close(self) -> None:
        self.stop()
        self._bus.kill()
        _finish(self._bus)
        self._log.close()

    def stop_manager(self) -> None:
        """Kill the session manager alone, and wait until the daemon knows."""
        manager = self._programs.pop()
        manager.kill()
        _finish(manager)
        wait_until(lambda: "WirePlumber" not in self._dump(), "the end of the session manager")

    def nodes(self, name: str = LABEL) -> list[dict[str, Any]]:
        """What the session says of the cameras of that name."""
        said, known = self._dump().strip(), dict[int, dict[str, Any]]()
        while said:  # where something changes meanwhile, a second list of what has changed follows
            entries, end = json.JSONDecoder().raw_decode(said)
            known |= {entry["id"]: entry for entry in entries}
            said = said[end:].lstrip()
        nodes = [entry["info"] for entry in known.values() if entry.get("type") == "PipeWire:Interface:Node"]
        return [node for node in nodes if node["props"].get("node.name") == name]

    def _dump(self) -> str:
        command = ["pw-dump"]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        ).stdout

    def wait_for_node(self) -> dict[str, Any]:
        """Wait until there is a camera; what the session says of it."""
        wait_until(self.nodes, "a camera")
        (node,) = self.nodes()
        return node

    @contextmanager
    def reader(self, width: int, height: int) -> Iterator[Reader]:
        """A program that reads the camera."""
        self.wait_for_node()
        reader = Reader(self.environment, width, height)
        try:
            yield reader
        finally:
            reader.close()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log
        )


class Reader:
    """GStreamer's reader, in a process of its own. A thread takes its pictures, so that it never waits for the test."""

    def __init__(self, environment: dict[str, str], width: int, height: int) -> None:
        ours, theirs = os.pipe()
        # Pictures are copied, because a camera that goes takes its buffers with it, even those that are read.
        elements = f"pipewiresrc target-object={LABEL} always-copy=true ! video/x-raw ! fdsink fd={theirs} sync=false"
        self.process = subprocess.Popen(
            ["gst-launch-1.0", "-v", *elements.split()],
            env=environment, pass_fds=[theirs],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        os.close(theirs)
        self._said: str | None = None
        self._frames: queue.SimpleQueue[Image | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._collect, args=(ours, (height, width, 2)), daemon=True)
        self._thread.start()

    def frame(self) -> Image:
        """The next picture, BGR."""
        try:
            frame = self._frames.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("no picture comes") from None
        assert frame is not None, f"the reader ended: {self.said()}"
        return frame

    def frames_until(self, wanted: Callable[[Image], bool]) -> list[Image]:
        """All pictures up to the first of a kind."""
        seen = [self.frame()]
        until = time.monotonic() + PATIENCE
        while not wanted(seen[-1]):
            assert time.monotonic() < until, "the wanted picture never comes"
            seen.append(self.frame())
        return seen

    def caps(self) -> dict[str, str]:
        """The negotiated format, once the program has ended."""
        fields = next(line for line in self.said().splitlines() if "PipeWireSrc" in line and "caps = " in line)
        return dict(re.findall(r"([\w-]+)=\(\w+\)([^,]+)", fields))

    def stop(self) -> None:
        """Let the program hang."""
        self.process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        """Let the program leave, as one that is killed does."""
        if self._said is None:
            self.process.kill()
            self._said = _finish(self.process)
            self._thread.join(PATIENCE)

    def said(self) -> str:
        self.close()
        assert self._said is not None
        return self._said

    def _collect(self, pipe: int, shape: tuple[int, int, int]) -> None:
        with open(pipe, "rb") as frames:
            while len(raw := frames.read(int(np.prod(shape)))) == np.prod(shape):
                yuv = np.frombuffer(raw, np.uint8).reshape(shape)
                self._frames.put(np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR_YUY2), np.uint8))
        self._frames.put(None)


def _finish(program: subprocess.Popen[bytes]) -> str:
    """Wait for a program that ends, and return the rest of what it printed."""
    said, _ = program.communicate(timeout=PATIENCE)
    return (said or b"").decode(errors="replace")


@contextmanager
def pipewire_session(folder: Path) -> Iterator[Session]:
    """A session that ends with the test."""
    require_programs()
    session = Session(folder)
    try:
        yield session
    finally:
        session.close()
