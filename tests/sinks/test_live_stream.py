"""Live streams: servers that come late, die and come back, with fakes and with a real one."""

from __future__ import annotations

import logging
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest

from rtsod.config import OutputConfig
from rtsod.errors import OutputError, UsageError
from rtsod.frames import Image
from rtsod.metrics import Event
from rtsod.sinks import LiveStreamSink, live_stream, open_sinks, publisher
from rtsod.sinks.publisher import Request, check_protocol
from rtsod.sinks.publisher_process import PublisherProcess
from rtsod.system.names import server_name
from rtsod.system.worker_process import Mailbox, WorkerEnded, WorkerProcess
from tests.support.fakes import Ticks, hasten
from tests.support.sink_fixtures import HEIGHT, WIDTH, FakeDevice, FakeServer, composited, info, patches

SPEED = 50.0
SECRET = "rtmp://me:password@localhost:19/live/streamkey?token=secret"
SLATE = np.full((HEIGHT, WIDTH, 3), (200, 20, 20), np.uint8)


PATIENT: Final = 1000.0
"""Hastened seconds in which every fake server answers, however busy the machine is."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "ANSWER_SECONDS", PATIENT)


def _doze(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
    """Wait for an answer as long as it takes, and for everything else a moment."""
    return condition.wait_for(ready, 60 if timeout is None or timeout >= PATIENT else 0.001)


def publish_impatiently(mailbox: Mailbox, *stream: Any) -> None:
    """The work of a publisher's process that ends itself soon."""
    publisher.HANGS_SECONDS = 0.5  # type: ignore[misc]
    publisher.publish(mailbox, *stream)


class Servers:
    """Lets streams connect, or refuses them while ``error`` is set."""

    def __init__(self) -> None:
        self.made: list[FakeServer] = []
        self.error: Exception | None = None
        self.tried = threading.Semaphore(0)
        self.events: list[Event] = []
        self.event = threading.Condition()

    def __call__(self, url: str, width: int, height: int, fps: Fraction) -> FakeServer:
        def opened() -> None:
            self.tried.release()
            if self.error is not None:
                raise self.error
            with self.event:
                self.made.append(server)
                self.event.notify_all()

        server = FakeServer(FakeDevice(None, width, height, fps), opened)
        return server

    def await_server(self, count: int = 1) -> FakeServer:
        """The ``count``-th server that a stream has reached."""
        with self.event:
            assert self.event.wait_for(lambda: len(self.made) >= count, 60)
        return self.made[count - 1]

    def on_event(self, event: Event) -> None:
        with self.event:
            self.events.append(event)
            self.event.notify_all()

    def await_event(self, event: Event, count: int = 1) -> None:
        with self.event:
            assert self.event.wait_for(lambda: self.events.count(event) >= count, 60)


def _sink(servers: Servers, url: str = SECRET, **options: Any) -> LiveStreamSink:
    clock, wait = hasten(SPEED)
    known: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "fps": Fraction(30), "clock": clock, "wait": wait}
    return LiveStreamSink(url, connection=servers, on_event=servers.on_event, **{**known, **options})


def _slate(index: int = -1) -> Any:
    return composited(index, image=SLATE, is_slate=True)


def test_the_newest_picture_is_repeated_at_the_rate_and_slates_end_the_stream() -> None:
    servers = Servers()
    sink = _sink(servers)
    sink.write(_slate())
    server = servers.await_server()
    sink.write(composited(0))
    server.device.wait_for(10)
    sink.close()
    assert np.array_equal(server.device.shown[-1], SLATE)
    assert any(np.array_equal(image, patches()) for image in server.device.shown)
    assert server.indexes == sorted(set(server.indexes))
    assert server.device.closed == 1
    assert servers.events == []
    with pytest.raises(OutputError, match="already closed"):
        sink.write(composited(1))


def test_the_size_is_fixed_and_even() -> None:
    servers = Servers()
    sink = _sink(servers, width=95, height=63)
    sink.write(composited(0, image=patches(95, 63)))
    servers.await_server().device.wait_for(1)
    sink.write(composited(1, image=np.full((200, 50, 3), 200, np.uint8)))
    sink.close()
    assert {image.shape for server in servers.made for image in server.device.shown} == {(64, 96, 3)}


def test_a_server_that_comes_late_and_dies_is_connected_again(caplog: pytest.LogCaptureFixture) -> None:
    servers = Servers()
    servers.error = ConnectionRefusedError(111, "Connection refused")
    sink = _sink(servers)
    sink.write(_slate())
    for _ in range(4):
        assert servers.tried.acquire(timeout=20)
    sink.write(composited(0))  # which waits for nobody
    servers.error = None
    servers.await_event(Event.OUTPUT_RECOVERED)
    first = servers.made[0]
    first.device.wait_for(2)
    assert np.array_equal(first.device.shown[0], patches())  # nothing that waited meanwhile
    first.device.broken = BrokenPipeError(32, "Broken pipe")
    servers.await_event(Event.OUTPUT_RECOVERED, 2)
    servers.made[1].device.wait_for(2)
    assert first.killed.is_set()
    sink.close()
    assert servers.made[1].killed.is_set()
    failed, back = Event.OUTPUT_FAILED, Event.OUTPUT_RECOVERED
    assert servers.events == [failed, back, failed, back]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == [
        "live stream rtmp://localhost:19/...: Connection refused: trying again until it works",
        "live stream rtmp://localhost:19/... works again",
    ]
    assert len(lines) == 4


def test_nothing_secret_is_ever_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    servers = Servers()
    servers.error = OutputError("Forbidden")  # what a process makes of FFmpeg's errors
    sink = _sink(servers)
    sink.write(composited(0))
    servers.await_event(Event.OUTPUT_FAILED)
    sink.close()
    said = caplog.text + sink.name
    assert "Forbidden" in said
    for secret in ("me:", "password", "streamkey", "token", "secret"):
        assert secret not in said


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtmp://a:b@h:1/live/key", "rtmp://h:1/..."),
        ("rtsp://[::1]:8554/x", "rtsp://[::1]:8554/..."),
        ("srt://h?passphrase=x", "srt://h/..."),
        ("rtmp://a:b@[h/x", "rtmp://..."),
        ("rtmp://a:b@h:port/x", "rtmp://..."),
        ("rtmp://me:12/word@h/x", "rtmp://..."),
    ],
)
def test_a_servers_name_is_all_that_is_shown_of_an_address(url: str, name: str) -> None:
    assert server_name(url) == name


def test_a_server_that_hangs_delays_nobody() -> None:
    """Neither the pictures, nor the end: the connection that hangs is killed."""
    hangs = threading.Event()

    def connect(*_: Any) -> FakeServer:
        def hang() -> None:
            hangs.set()
            server.killed.wait(60)
            raise OSError(110, "Connection timed out")

        server = FakeServer(FakeDevice(None, WIDTH, HEIGHT, Fraction(30)), hang)
        return server

    sink = LiveStreamSink("rtmp://h/x", width=WIDTH, height=HEIGHT, fps=Fraction(30), connection=connect)
    sink.write(_slate())
    assert hangs.wait(20)
    for index in range(100):
        sink.write(composited(index))
    sink.close()
    names = [thread.name for thread in threading.enumerate()]
    assert "rtsod-live-stream" not in names
    assert "rtsod-publisher" not in names


def test_a_stream_that_never_reached_its_server_knows_why() -> None:
    servers = Servers()
    servers.error = OutputError("Connection refused")
    sink = _sink(servers)
    assert sink.unpublished is None, "there was nothing to publish"
    sink.write(_slate())
    servers.await_event(Event.OUTPUT_FAILED)
    assert sink.unpublished == "live stream rtmp://localhost:19/...: nothing was published: Connection refused"
    servers.error = None
    servers.await_server().device.wait_for(2)
    sink.close()
    assert sink.unpublished is None


def test_a_server_that_takes_no_picture_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "ANSWER_SECONDS", 25.0)
    servers = Servers()
    sink = _sink(servers)
    sink.write(composited(0))
    first = servers.await_server()
    first.send = lambda image, index: first.killed.wait(60)  # type: ignore[method-assign,assignment]
    servers.await_event(Event.OUTPUT_RECOVERED)
    assert first.killed.is_set()
    servers.made[1].device.wait_for(1)
    sink.close()
    assert servers.events[0] is Event.OUTPUT_FAILED


def test_a_picture_that_is_too_old_gives_way_to_the_slate() -> None:
    servers, clock = Servers(), Ticks()
    sink = _sink(servers, clock=clock, wait=_doze)
    sink.limit_age(1.0)
    sink.write(_slate())
    sink.write(composited(0))
    server = servers.await_server()
    clock.now = 5.0
    server.device.wait_for(len(server.device.shown) + 2)
    assert np.array_equal(server.device.shown[-1], SLATE)
    sink.close()
    assert Event.OUTPUT_STARVED in servers.events


def test_a_file_is_published_at_its_own_speed() -> None:
    """One that is late is not hurried afterwards."""
    servers, clock, waits = Servers(), Ticks(), []

    def wait(condition: threading.Condition, ready: Any, timeout: float | None) -> bool:
        if threading.current_thread() is threading.main_thread() and timeout is not None:
            waits.append(round(timeout, 3))
            clock.now += max(0.0, timeout)
            return bool(ready())
        return _doze(condition, ready, timeout)

    sink = _sink(servers, clock=clock, wait=wait, paced=True)
    for index, late in enumerate((0, 0, 3, 0)):
        clock.now += late
        sink.write(composited(index, pts=Fraction(index)))
    sink.close()
    assert waits == [0, 1, 0, 1]


def test_a_picture_that_is_due_much_later_does_not_hold_up_the_end() -> None:
    sink = _sink(Servers(), clock=time.perf_counter, wait=threading.Condition.wait_for, paced=True)
    sink.write(composited(0, pts=Fraction(0)))
    writing = threading.Thread(target=sink.write, args=[composited(1, pts=Fraction(86400))])
    writing.start()
    sink.hurry()
    writing.join(60)
    assert not writing.is_alive()
    sink.close()


@pytest.mark.parametrize(
    ("config", "transparent", "fields", "says"),
    [
        (OutputConfig(publish=("rtmp://h/x",)), True, {}, "live streams cannot be transparent"),
        (OutputConfig(publish=("rtmp://h/x",)), False, {"stills": True}, "photographs make no live stream"),
    ],
)
def test_what_cannot_be_published_is_refused(
    config: OutputConfig, transparent: bool, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        open_sinks(config, info(**fields), transparent=transparent)


@pytest.mark.parametrize("url", ["file:///x", "http://h/x", "rtmp://", "x"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"rtmp, rtsp, srt"):
        OutputConfig(publish=(url,))


def test_a_protocol_that_ffmpeg_lacks_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: Any, **__: Any) -> Any:
        raise av.error.ProtocolNotFoundError(1, "Protocol not found", "srt://127.0.0.1:0/x")

    check_protocol("rtmp://h/x")
    check_protocol("rtsp://h/x")
    monkeypatch.setattr(av, "open", lacks)
    with pytest.raises(OutputError, match=r"^--output srt://: the FFmpeg within PyAV was built without it: use rtmp"):
        check_protocol("srt://user:secret@h:1")


# ------------------------------------------------------------------ a real server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _receiver(url: str, into: Path) -> Iterator[subprocess.Popen[bytes]]:
    """FFmpeg as the server: it takes one stream, and ends with it."""
    listen = ["-rtsp_flags", "listen"] if url.startswith("rtsp") else ["-listen", "1"]
    command = ["ffmpeg", "-nostdin", "-v", "error", *listen, "-i", url, "-c", "copy", "-y", str(into)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg, which is the server of this test")
@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_a_real_server_that_comes_late_dies_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(live_stream, "BACK_OFF_SECONDS", (0.1,))
    url = f"{scheme}://127.0.0.1:{_free_port()}/live/x"
    servers, sent = Servers(), threading.Semaphore(0)

    class Counted(PublisherProcess):
        def send(self, image: Image, index: int) -> None:
            super().send(image, index)
            sent.release()

    sink = LiveStreamSink(
        url, width=WIDTH, height=HEIGHT, fps=Fraction(30), on_event=servers.on_event, connection=Counted
    )
    sink.write(_slate())
    servers.await_event(Event.OUTPUT_FAILED)
    with _receiver(url, tmp_path / "first.mkv"):
        sink.write(composited(0))
        servers.await_event(Event.OUTPUT_RECOVERED)
    servers.await_event(Event.OUTPUT_FAILED, 2)
    second = tmp_path / "second.mkv"
    with _receiver(url, second) as process:
        servers.await_event(Event.OUTPUT_RECOVERED, 2)
        while sent.acquire(blocking=False):
            pass  # by the first one
        for _ in range(20):
            assert sent.acquire(timeout=30)
        sink.write(_slate())
        sink.close()
        assert process.wait(30) == 0
    with av.open(str(second)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        assert (video.codec_context.name, video.width, video.height) == ("h264", WIDTH, HEIGHT)
        assert not video.codec_context.has_b_frames
    shown = [frame.to_ndarray(format="bgr24") for frame in frames]
    assert np.abs(shown[0].astype(int) - patches()).mean() < 12
    assert np.abs(shown[-1].astype(int) - SLATE).mean() < 12
    times = [float(frame.time or 0) for frame in frames]
    assert np.median(np.diff(times)) == pytest.approx(1 / 30, abs=0.002)


_SILENT: Final = """
import socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
client.settimeout(30)
print(len(client.recv(1)), flush=True)
try:
    while client.recv(65536):
        pass
    print("left", flush=True)
except TimeoutError:
    pass
"""
"""A server that accepts a connection, reads, and answers nothing. It gives up after 30 s, so that a test fails then."""


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_a_real_server_that_accepts_and_stays_silent_stops_nothing(scheme: str) -> None:
    """PyAV keeps the interpreter's lock while it waits for such a server, so it must not wait in this process."""
    server = subprocess.Popen([sys.executable, "-c", _SILENT], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server, server.stdout as says:
        url = f"{scheme}://127.0.0.1:{int(says.readline())}/live/x"
        sink = LiveStreamSink(url, width=WIDTH, height=HEIGHT, fps=Fraction(30))
        other = FakeDevice(None, WIDTH, HEIGHT, Fraction(30))
        sink.write(_slate())
        assert says.readline() == "1\n"  # it has been greeted, and does not answer
        before = time.monotonic()
        for index in range(100):
            sink.write(composited(index))
            other.send(patches())
        sink.close()
        assert time.monotonic() - before < live_stream.CLOSE_TIMEOUT_SECONDS + live_stream.LEAVE_SECONDS
        assert says.readline() == "left\n"
    assert len(other.shown) == 100
    assert "rtsod-publisher" not in [thread.name for thread in threading.enumerate()]


def test_a_real_server_that_stays_silent_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "ANSWER_SECONDS", 3.0)
    monkeypatch.setattr(live_stream, "BACK_OFF_SECONDS", (0.0,))
    servers = Servers()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"rtmp://127.0.0.1:{listener.getsockname()[1]}/live/x"
        sink = LiveStreamSink(url, width=WIDTH, height=HEIGHT, fps=Fraction(30), on_event=servers.on_event)
        sink.write(_slate())
        for _ in range(2):
            listener.accept()[0].detach()
        sink.close()
    assert servers.events == [Event.OUTPUT_FAILED]


def test_a_process_that_hangs_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner may have been killed, and the interpreter's lock is taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rtmp://127.0.0.1:{listener.getsockname()[1]}/live/x"
        process = WorkerProcess(publish_impatiently, url, WIDTH, HEIGHT, Fraction(30))
        process.send((Request.OPEN, 0, None))
        with pytest.raises(WorkerEnded, match="exit code 1"):
            process.receive()
        process.close()


def test_an_unknown_server_is_called_that(caplog: pytest.LogCaptureFixture) -> None:
    servers = Servers()
    sink = LiveStreamSink(
        "rtmp://nosuchhost.invalid/live/streamkey", width=WIDTH, height=HEIGHT, fps=Fraction(30),
        on_event=servers.on_event,
    )  # fmt: skip
    sink.write(_slate())
    servers.await_event(Event.OUTPUT_FAILED)
    sink.close()
    assert re.search(
        r"rtmp://nosuchhost.invalid/...: (there is no server of that name|its name cannot be)", caplog.text
    )
    assert "streamkey" not in caplog.text
