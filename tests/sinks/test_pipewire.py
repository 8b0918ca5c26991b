"""The PipeWire camera: in a session of the test's own, read by another program; and with stand-ins for the child."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from rtsod.errors import OutputError
from rtsod.frames import Availability, Image
from rtsod.metrics import Event
from rtsod.sinks import VirtualCameraSink, pipewire, virtual_camera, virtual_camera_available
from rtsod.sinks.pipewire import PipeWireCamera, pipewire_available, yuy2_from_bgr
from tests.support.pipewire_session import PATIENCE, Session, pipewire_session, wait_until
from tests.support.sink_fixtures import composited, patches, stripe_errors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PipeWire is part of Linux")

WIDTH, HEIGHT = 322, 180
"""No multiple of 8, of which I420 would need one."""
RATE = Fraction(30000, 1001)
SLATE, OLD, NEW = 60, 200, 120
"""Grey levels. A picture that is none of these mixes two."""


def grey(level: int) -> Image:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def shows(level: int) -> Callable[[Image], bool]:
    return lambda image: bool(np.abs(image.astype(int) - level).max() <= 3)


class Camera:
    """The sink with a PipeWire camera, the devices it opened, and the events it reported."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.devices: list[PipeWireCamera] = []
        self.events: list[Event] = []
        self._sent = 0
        self._changed = threading.Condition()
        self.sink = VirtualCameraSink(
            "pipewire", width=WIDTH, height=HEIGHT, fps=RATE, opener=self._open, on_event=self._note
        )
        self.show(SLATE, is_slate=True)

    def show(self, level: int, **fields: Any) -> None:
        """Show a picture, and return once the child has it."""
        self.write(level, **fields)
        with self._changed:
            enough = self._sent + 3  # one may have been on its way, and the third finds that the second was taken
            assert self._changed.wait_for(lambda: self._sent >= enough, PATIENCE), "pictures are not sent"

    def write(self, level: int, **fields: Any) -> None:
        self.sink.write(composited(image=grey(level), **fields))

    def wait_for(self, *events: Event) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.events == list(events), PATIENCE), self.events

    @property
    def child(self) -> int:
        """The process that keeps the node."""
        child = self.devices[-1]._child
        assert child is not None
        return child.pid

    def _open(self, device: str | None, width: int, height: int, fps: Fraction) -> PipeWireCamera:
        assert device == "pipewire"
        opened = PipeWireCamera(width, height, fps, environment=self.session.environment)
        send = opened.send

        def counted(prepared: Image) -> None:
            send(prepared)
            with self._changed:
                self._sent += 1
                self._changed.notify_all()

        opened.send = counted  # type: ignore[method-assign]
        self.devices.append(opened)
        return opened

    def _note(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with TemporaryDirectory(prefix="rtsod-") as folder, pipewire_session(Path(folder)) as session:
        yield session


@pytest.fixture
def camera(session: Session) -> Iterator[Camera]:
    camera = Camera(session)
    yield camera
    camera.sink.close()
    wait_until(lambda: not session.nodes(), "the camera is gone")


def test_readers_see_what_is_written_at_the_promised_size_and_rate(camera: Camera) -> None:
    with camera.session.reader(WIDTH, HEIGHT) as reader:
        assert shows(SLATE)(reader.frame())
        camera.sink.write(composited(image=patches(WIDTH, HEIGHT)))
        seen = reader.frames_until(lambda image: max(stripe_errors(image)) <= 3)
        assert all(shows(SLATE)(image) for image in seen[:-1])
        assert max(stripe_errors(reader.frame())) <= 3, "the newest picture is repeated"
    caps = reader.caps()
    assert (caps["width"], caps["height"], caps["framerate"]) == (str(WIDTH), str(HEIGHT), str(RATE))
    properties = camera.session.wait_for_node()["props"]
    assert properties["media.class"] == "Video/Source"
    assert properties["media.role"] == "Camera"
    assert properties["node.description"] == camera.sink.label == "rtsod"
    assert camera.sink.is_read, "who reads it is not known, so it counts as read"


def test_readers_come_and_go_and_never_see_a_picture_from_before(camera: Camera) -> None:
    for _ in range(3):
        camera.show(OLD)
        with camera.session.reader(WIDTH, HEIGHT) as reader:
            reader.frames_until(shows(OLD))
        camera.show(NEW)
        with camera.session.reader(WIDTH, HEIGHT) as reader:
            assert shows(NEW)(reader.frame())


def test_the_end_is_a_slate_and_leaves_nothing(camera: Camera) -> None:
    camera.show(OLD)
    child = camera.child
    with camera.session.reader(WIDTH, HEIGHT) as reader:
        reader.frames_until(shows(OLD))
        camera.show(SLATE, is_slate=True)
        camera.sink.close()
        reader.frames_until(shows(SLATE))
    assert not _exists(child)
    wait_until(lambda: not camera.session.nodes(), "the camera is gone")
    assert camera.events == []


def test_a_killed_child_is_replaced_by_one_that_shows_the_newest_picture(camera: Camera) -> None:
    camera.show(OLD)
    with camera.session.reader(WIDTH, HEIGHT) as reader:
        reader.frames_until(shows(OLD))
        first = camera.child
        os.kill(first, 9)
        camera.wait_for(Event.OUTPUT_FAILED)
        camera.write(NEW)
    camera.wait_for(Event.OUTPUT_FAILED, Event.OUTPUT_RECOVERED)
    with camera.session.reader(WIDTH, HEIGHT) as reader:
        assert shows(NEW)(reader.frame())
    assert not _exists(first)


def test_a_reader_that_hangs_keeps_nothing_from_others(camera: Camera) -> None:
    camera.show(OLD)
    with camera.session.reader(WIDTH, HEIGHT) as hanging:
        hanging.frames_until(shows(OLD))
        hanging.stop()
        camera.show(NEW)
        with camera.session.reader(WIDTH, HEIGHT) as reader:
            assert shows(NEW)(reader.frame())


def test_the_camera_returns_with_the_daemon(camera: Camera) -> None:
    camera.show(OLD)
    camera.session.wait_for_node()
    camera.session.stop()
    camera.wait_for(Event.OUTPUT_FAILED)
    camera.write(NEW)
    camera.session.start()
    camera.wait_for(Event.OUTPUT_FAILED, Event.OUTPUT_RECOVERED)
    with camera.session.reader(WIDTH, HEIGHT) as reader:
        assert shows(NEW)(reader.frame())


def test_a_second_camera_has_a_name_of_its_own(camera: Camera) -> None:
    camera.session.wait_for_node()
    second = PipeWireCamera(WIDTH, HEIGHT, RATE, environment=camera.session.environment)
    try:
        assert second.label == "rtsod 2"
        assert second.notes == ("virtual camera: another one is called rtsod, so this one is 'rtsod 2'",)
        second.send(second.prepare(grey(NEW)))
        wait_until(lambda: camera.session.nodes("rtsod-2"), "a second camera")
        (node,) = camera.session.nodes("rtsod-2")
        assert node["props"]["node.description"] == "rtsod 2"
        assert len(camera.session.nodes()) == 1
    finally:
        second.close()


def test_without_a_session_manager_the_camera_is_of_no_use_and_one_line_says_so() -> None:
    with TemporaryDirectory(prefix="rtsod-") as folder, pipewire_session(Path(folder)) as session:
        wait_until(lambda: pipewire_available(session.environment).available, "a session manager")
        session.stop_manager()
        says = "no session manager of PipeWire runs, so programs get no picture of a camera: systemctl --user start "
        found = pipewire_available(session.environment)
        assert not found.available
        assert found.reason.startswith(says)
        camera = PipeWireCamera(WIDTH, HEIGHT, RATE, environment=session.environment)
        camera.close()
        assert [note.startswith(f"virtual camera: {says}") for note in camera.notes] == [True]


def test_a_session_manager_that_ends_later_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipewire, "FIRST_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(pipewire, "LOOK_SECONDS", 0.2)
    with TemporaryDirectory(prefix="rtsod-") as folder, pipewire_session(Path(folder)) as session:
        wait_until(lambda: pipewire_available(session.environment).available, "a session manager")
        camera = Camera(session)
        assert camera.sink.notes == ()
        session.stop_manager()
        wait_until(lambda: "no session manager" in caplog.text, "a line about the session manager")
        wait_until(lambda: camera.devices[-1]._look_at > time.monotonic() + 0.1, "another look")
        camera.sink.close()
        assert caplog.text.count("no session manager of PipeWire runs") == 1


def _exists(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


class StandIn:
    """Programs that stand in for GStreamer's, and a socket that stands in for PipeWire's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._programs, self.opened = folder / "bin", ExitStack()
        self.socket = self.opened.enter_context(socket.socket(socket.AF_UNIX))
        self._programs.mkdir()
        self.environment = {"XDG_RUNTIME_DIR": str(folder), "PATH": f"{self._programs}:/usr/bin:/bin"}
        monkeypatch.setenv("PATH", str(self._programs))
        monkeypatch.setattr(pipewire, "_CHILD", ("gst-launch-1.0",))
        self.socket.bind(str(folder / "pipewire-0"))
        self.socket.listen()
        self.program("gst-inspect-1.0", "exit 0")
        self.program("pw-dump", "exit 1")  # nobody answers

    def program(self, name: str, script: str) -> None:
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def open(self) -> PipeWireCamera:
        device = PipeWireCamera(WIDTH, HEIGHT, RATE, environment=self.environment)
        self.opened.callback(device.close)
        return device

    def refusal(self) -> str:
        """The message of a failed open."""
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OutputError) as caught:
            self.open()
        assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"
        assert pipewire_available(self.environment).reason == str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with TemporaryDirectory(prefix="rtsod-") as folder:
        stand_in = StandIn(Path(folder), monkeypatch)
        with stand_in.opened:
            yield stand_in


def _dump(manager: str, *nodes: str, process: int | None = None) -> str:
    """What pw-dump says where a program has some nodes, and another one has none."""
    client = {"application.name": "gst-launch-1.0", "pipewire.sec.pid": process or os.getpid()}
    kinds = [("Client", 1, {"application.name": manager}), ("Client", 2, client)]
    kinds += [("Node", 3 + index, {"node.name": name, "client.id": 2}) for index, name in enumerate(nodes)]
    objects = [
        {"id": number, "type": f"PipeWire:Interface:{kind}", "info": {"props": props}} for kind, number, props in kinds
    ]
    return json.dumps([*objects, {"id": 0, "type": "PipeWire:Interface:Metadata", "metadata": []}])


class TestWhatIsMissing:
    def test_gstreamer(self, stand_in: StandIn) -> None:
        assert stand_in.refusal() == (
            "gst-launch-1.0 is not installed: "
            "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-pipewire"
        )

    @pytest.mark.parametrize("plugin", ["pipewire", "plugins-base"])
    def test_a_plugin(self, stand_in: StandIn, plugin: str) -> None:
        element = {"pipewire": "pipewiresink", "plugins-base": "rawvideoparse"}[plugin]
        stand_in.program("gst-launch-1.0", "exit 0")
        stand_in.program("gst-inspect-1.0", f'case "$*" in *{element}*) exit 1;; esac')
        assert stand_in.refusal() == f"GStreamer's {element} is not installed: sudo apt install gstreamer1.0-{plugin}"

    def test_a_session(self, stand_in: StandIn) -> None:
        stand_in.program("gst-launch-1.0", "exit 0")
        stand_in.environment["PIPEWIRE_REMOTE"] = "pipewire-9"
        message = stand_in.refusal()
        assert message.startswith("no PipeWire answers at ")
        assert message.endswith(
            "/pipewire-9 (No such file or directory): "
            "log in to a desktop that has it, or systemctl --user start pipewire wireplumber"
        )

    @pytest.mark.parametrize("platform", ["win32", "darwin"])
    def test_the_system(self, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
        monkeypatch.setattr(sys, "platform", platform)
        assert stand_in.refusal() == "PipeWire is part of Linux: give no name to use the virtual camera of OBS Studio"

    def test_a_loopback_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only then is PipeWire mentioned, and nothing is chosen."""
        monkeypatch.setattr(virtual_camera, "virtual_cameras", list)
        monkeypatch.setattr(virtual_camera, "pyvirtualcam_installed", lambda: False)
        for available, mentioned in ((True, True), (False, False)):
            found = Availability("PipeWire camera", available, "")
            monkeypatch.setattr(virtual_camera, "pipewire_available", lambda found=found: found)
            with pytest.raises(OutputError, match="v4l2loopback") as raised:
                VirtualCameraSink(None, width=WIDTH, height=HEIGHT, fps=None)
            assert ("--virtual-camera pipewire" in str(raised.value)) is mentioned
            assert ("--virtual-camera pipewire" in virtual_camera_available().reason) is mentioned


@pytest.mark.parametrize(
    ("answer", "label", "notes"),
    [
        ("no JSON", "rtsod", 0),
        ("[null]", "rtsod", 0),
        ("[]", "rtsod", 1),
        (_dump("WirePlumber", "camera"), "rtsod", 0),
        (_dump("WirePlumber", "rtsod"), "rtsod 2", 1),
        (_dump("WirePlumber", "rtsod", "rtsod-2"), "rtsod 3", 1),
        (_dump("WirePlumber", "rtsod", process=1 << 30), "rtsod", 0),
        (_dump("pw-cli", "rtsod"), "rtsod 2", 2),
    ],
)
def test_what_the_daemon_says_of_itself(stand_in: StandIn, answer: str, label: str, notes: int) -> None:
    """A node whose program has ended is about to go: a camera that is opened again keeps its name."""
    stand_in.program("gst-launch-1.0", "exec cat >/dev/null")
    stand_in.program("pw-dump", f"echo '{answer}'")
    device = stand_in.open()
    assert (device.label, len(device.notes)) == (label, notes)


class TestTheChild:
    PLAYS = "echo 'Setting pipeline to PLAYING ...'"
    PICTURE = yuy2_from_bgr(patches(), WIDTH, HEIGHT)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            ("stream error: no more input formats", r"GStreamer ended \(no more input formats\)"),
            ("all buffers have been removed", "the program that read it left"),
        ],
    )
    def test_its_error_is_the_reason(self, stand_in: StandIn, error: str, reason: str) -> None:
        said = f"ERROR: from element /GstPipeline:pipeline0/GstPipeWireSink:pipewiresink0: {error}"
        stand_in.program(
            "gst-launch-1.0", f"{self.PLAYS}; head -c {self.PICTURE.size} >/dev/null; echo '{said}'; exit 1"
        )
        device = stand_in.open()
        with pytest.raises(OSError, match=reason):
            _send_until_refused(device, self.PICTURE)

    def test_its_exit_code_is_the_reason_if_it_says_nothing(self, stand_in: StandIn) -> None:
        stand_in.program("gst-launch-1.0", "exit 3")
        device = stand_in.open()
        with pytest.raises(OSError, match=r"GStreamer ended \(exit code 3\)"):
            _send_until_refused(device, self.PICTURE)
        device.close()
        with pytest.raises(OSError, match="closed"):
            device.send(self.PICTURE)

    def test_one_that_reads_nothing_is_given_up_and_killed(
        self, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipewire, "STALL_SECONDS", 0.05)
        monkeypatch.setattr(pipewire, "END_SECONDS", 0.05)
        stand_in.program("gst-launch-1.0", f"trap '' TERM; {self.PLAYS}; while :; do sleep 60; done")
        device = stand_in.open()
        assert device._child is not None
        child = device._child.pid
        with pytest.raises(OSError, match="takes no picture"):
            _send_until_refused(device, self.PICTURE)
        device.close()
        assert not _exists(child)

    def test_one_that_is_slow_still_gets_the_last_picture(
        self, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipewire, "STALL_SECONDS", PATIENCE)
        gate, taken, last = tmp_path / "gate", tmp_path / "taken", np.full_like(self.PICTURE, 7)
        os.mkfifo(gate)
        stand_in.program("gst-launch-1.0", f"{self.PLAYS}; read go <{gate}; exec cat >{taken}")
        device = stand_in.open()
        device.send(self.PICTURE)
        device.send(last)
        closing = threading.Thread(target=device.close)
        closing.start()
        gate.write_text("go\n")
        closing.join(PATIENCE)
        assert taken.read_bytes() == self.PICTURE.tobytes() + last.tobytes()

    def test_one_that_never_plays_is_given_up(self, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pipewire, "START_SECONDS", 0.05)
        stand_in.program("gst-launch-1.0", "exec cat >/dev/null")
        device = stand_in.open()
        with pytest.raises(OSError, match="PipeWire does not take the camera"):
            device.send(self.PICTURE)

    def test_the_daemons_end_is_noticed(self, stand_in: StandIn) -> None:
        stand_in.program("gst-launch-1.0", f"{self.PLAYS}; exec cat >/dev/null")
        device = stand_in.open()
        device.send(self.PICTURE)
        connection, _ = stand_in.socket.accept()
        connection.close()
        with pytest.raises(OSError, match="PipeWire ended"):
            device.send(self.PICTURE)
        device.close()
        device.close()


def _send_until_refused(device: PipeWireCamera, picture: Image) -> None:
    while True:
        device.send(picture)
        threading.Event().wait(0.001)
