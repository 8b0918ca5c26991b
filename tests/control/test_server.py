"""The server at a real socket: who may connect, who is let go, and that nobody keeps a run from going on or ending."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra control is not installed")

from rtsod.config import ControlConfig
from rtsod.control.client import RunClient
from rtsod.control.connections import MAX_CONNECTIONS
from rtsod.control.listening import listening
from rtsod.control.preview import PreviewStream, jpeg_of
from rtsod.control.running import RunningRun, announced, running_runs
from rtsod.control.server import control_server
from rtsod.errors import OutputError
from rtsod.frames import Composited
from tests.support.fake_controls import FakeControls, showing
from tests.support.sink_fixtures import composited


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@contextmanager
def _serving(address: str = "0") -> Iterator[tuple[RunningRun, FakeControls, PreviewStream]]:
    controls, preview = FakeControls(), PreviewStream()
    with (
        listening(ControlConfig(address)) as listener,
        control_server(listener, controls, preview, "scene", may_reveal=True),
    ):
        (run,) = running_runs()
        yield run, controls, preview


def _viewer(run: RunningRun, path: str = "/api/v1/preview.mjpg") -> socket.socket:
    """A connection that asked for a stream and has read nothing."""
    address = urlsplit(run.address)
    viewer = socket.create_connection((address.hostname, address.port), 10)
    viewer.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {run.token}\r\n\r\n".encode()
    )
    return viewer


def _get(run: RunningRun, path: str, host: str | None = None, token: str | None = None) -> tuple[int, Any]:
    address = urlsplit(run.address)
    connection = HTTPConnection(address.netloc, timeout=10)
    connection.request(
        "GET", path, headers={"Host": host or address.netloc, "Authorization": f"Bearer {token or run.token}"}
    )
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body)


def test_a_program_with_the_token_reads_the_state() -> None:
    with _serving() as (run, controls, _):
        assert run.pid == os.getpid()
        assert run.token not in run.address
        status, state = _get(run, "/api/v1/state")
        assert (status, state["settings"]["background"]) == (200, controls.settings.background)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are not bits there")
def test_the_token_is_in_a_file_that_only_its_user_can_read(runtime: Path) -> None:
    with _serving():
        (file,) = (runtime / "rtsod").glob("run-*")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list((runtime / "rtsod").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are not bits there")
def test_no_token_is_stored_where_others_can_look(runtime: Path) -> None:
    (runtime / "rtsod").mkdir(mode=0o755)
    (runtime / "rtsod").chmod(0o755)
    with pytest.raises(OutputError, match="only you can read"), _serving():
        pass


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
def test_dns_rebinding_at_the_socket(host: str) -> None:
    with _serving() as (run, _, _):
        port = urlsplit(run.address).port
        assert _get(run, "/api/v1/state", host if host == "127.0.0.1" else f"{host}:{port}")[0] == 421


def test_the_server_is_reached_at_the_other_loopback_address_only_if_asked() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with _serving("[::1]:0") as (run, _, _):
            assert run.address.startswith("http://[::1]:")
            assert _get(run, "/healthz")[0] == 200
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", urlsplit(run.address).port), 1)
    except OutputError as error:
        pytest.skip(str(error))


def test_an_address_that_is_taken_is_an_error_that_says_so() -> None:
    with _serving() as (run, _, _):
        taken = urlsplit(run.address).netloc
        with pytest.raises(OutputError, match=f"--control {taken}: .*another port"), _serving(taken):
            pass
        assert len(running_runs()) == 1, "the first one goes on"


def test_where_no_port_is_asked_for_a_second_run_takes_another_one() -> None:
    with ExitStack() as opened:
        ports = {opened.enter_context(listening(ControlConfig("auto"))).getsockname()[1] for _ in range(2)}
        assert len(ports) == 2


def _read_pictures(viewer: socket.socket, count: int) -> None:
    seen = b""
    while seen.count(b"image/jpeg") < count:
        chunk = viewer.recv(65536)
        assert chunk
        seen += chunk


def test_slow_and_killed_viewers_delay_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three viewers read nothing, one of them dies, and a fourth one sees pictures as ever."""
    noise = composited(image=np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8))
    encoders: set[str] = set()

    def encode(picture: Composited) -> bytes:
        encoders.add(threading.current_thread().name)
        return jpeg_of(picture)

    monkeypatch.setattr("rtsod.control.preview.jpeg_of", encode)
    with _serving() as (run, _, preview), ExitStack() as opened:
        slow = [opened.enter_context(_viewer(run)) for _ in range(3)]
        ended = threading.Event()

        def compose() -> None:
            while not ended.wait(0.002):
                preview.write(noise)

        compositor = threading.Thread(target=compose)
        compositor.start()
        try:
            reading = opened.enter_context(_viewer(run))
            _read_pictures(reading, 3)
            slow.pop().close()
            _read_pictures(reading, 8)
            assert _get(run, "/healthz")[0] == 200
        finally:
            ended.set()
            compositor.join()
        assert encoders == {"rtsod-page-encoder"}, "the compositor's thread encodes nothing"


def test_the_server_ends_soon_with_viewers_that_read_and_viewers_that_do_not() -> None:
    with ExitStack() as opened:
        controls, preview = FakeControls(), PreviewStream()
        with (
            listening(ControlConfig("0")) as listener,
            control_server(listener, controls, preview, "scene", may_reveal=True),
            showing(controls, preview),
        ):
            (run,) = running_runs()
            for path in ("/api/v1/preview.mjpg", "/api/v1/preview.mjpg", "/api/v1/events"):
                assert opened.enter_context(_viewer(run, path)).recv(1) == b"H"
        assert not [thread for thread in threading.enumerate() if thread.name == "rtsod-control"]
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", urlsplit(run.address).port), 1)


def test_more_viewers_than_there_are_places_are_told_so() -> None:
    with _serving() as (run, controls, preview), ExitStack() as opened, showing(controls, preview):
        for _ in range(6):
            _read_pictures(opened.enter_context(_viewer(run)), 1)
        with _viewer(run) as refused:
            assert refused.recv(100).startswith(b"HTTP/1.1 503 ")


def test_a_header_without_end_is_not_read_forever() -> None:
    with _serving() as (run, _, _):
        address = urlsplit(run.address)
        with socket.create_connection((address.hostname, address.port), 10) as sender:
            sender.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 65536)
            assert sender.recv(100).startswith(b"HTTP/1.1 400 ")
        assert _get(run, "/healthz")[0] == 200


def test_files_of_runs_that_are_gone_are_deleted(runtime: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with announced(RunningRun(process.pid, "http://127.0.0.1:1", "0", "gone")) as file:
        (file.parent / "run-7.json").write_text("{")
        (file.parent / "run-8.json").write_text(json.dumps({"pid": 9, "address": "", "token": "", "source": ""}))
        assert running_runs() == []
        assert list(file.parent.iterdir()) == []


def test_a_file_that_its_run_deletes_meanwhile_is_gone(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with announced(RunningRun(os.getpid(), "http://127.0.0.1:1", "0", "stays")) as file:
        ended = file.parent / "run-7.json"
        monkeypatch.setattr(Path, "glob", lambda *_: iter([ended, file]))
        assert [run.source for run in running_runs()] == ["stays"]


def test_where_processes_cannot_be_looked_for_a_port_that_refuses_tells_that_a_run_is_gone(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtsod.control.running._HAS_SIGNAL_0", False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run = RunningRun(os.getpid(), f"http://127.0.0.1:{listener.getsockname()[1]}", "0", "here")
        with announced(run) as file:
            assert running_runs() == [run]
            listener.close()
            assert running_runs() == []
            assert not file.exists()


def test_a_process_that_has_the_number_of_a_run_that_is_gone_is_no_run(runtime: Path) -> None:
    with announced(RunningRun(os.getpid(), "http://127.0.0.1:1", "0", "before")) as file:
        assert len(running_runs()) == 1
        file.write_text(json.dumps(json.loads(file.read_text()) | {"began": "an hour ago"}))
        assert running_runs() == []
        assert not file.exists()


def test_connections_that_ask_for_nothing_are_let_go_and_keep_nobody_from_the_slate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rtsod.control.connections.REQUEST_SECONDS", 0.2)
    with _serving() as (run, controls, _), ExitStack() as opened:
        address = urlsplit(run.address)
        silent = [
            opened.enter_context(closing(socket.create_connection((address.hostname, address.port), 10)))
            for _ in range(MAX_CONNECTIONS + 8)
        ]
        silent[0].sendall(b"POST /api/v1/slate HTTP/1.1\r\nHost:")
        for connection in silent:
            assert b"200" not in connection.recv(100), "it is closed, or told that there are too many"
        RunClient(run).post("/api/v1/slate")
        assert controls.paused


@pytest.mark.parametrize("body", [b"", b'{"code": '], ids=["no body", "half a body"])
def test_a_body_that_never_comes_is_given_up(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtsod.control.answers.JSON_SECONDS", 0.2)
    with _serving() as (run, _, _), closing(_connected(run)) as half:
        half.sendall(_head(run, "POST", "/api/v1/session", "Content-Length: 40") + body)
        answer = _until_closed(half)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 0.2 seconds" in answer


@pytest.mark.parametrize("more", [b"G", b"GET / HTTP/1.1\r\nHost:"], ids=["one byte", "half a head"])
def test_half_a_second_request_is_given_up(more: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtsod.control.connections.REQUEST_SECONDS", 0.2)
    with _serving() as (run, _, _), closing(_connected(run)) as half:
        half.sendall(_head(run, "GET", "/healthz"))
        assert half.recv(1000).startswith(b"HTTP/1.1 200 ")
        half.sendall(more)
        assert b"200" not in _until_closed(half)


def test_more_bytes_of_half_a_request_give_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtsod.control.connections.REQUEST_SECONDS", 0.2)
    with _serving() as (run, _, _), closing(_connected(run)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX:")
        slow.settimeout(0.01)
        with suppress(ConnectionError):
            for _ in range(1000):
                with suppress(TimeoutError):
                    assert slow.recv(100) == b""
                    return
                slow.sendall(b"x")
            pytest.fail("it was never closed")


def test_a_connection_may_ask_again_and_again() -> None:
    """Also in halves, and twice at once: only a request that does not come is given up."""
    with _serving() as (run, _, _), closing(_connected(run)) as one:
        head = _head(run, "GET", "/healthz")
        for _ in range(3):
            one.sendall(head[:20])
            one.sendall(head[20:])
            _read_answers(one, 1)
        one.sendall(head * 2)
        _read_answers(one, 2)


def _read_answers(connection: socket.socket, count: int) -> None:
    received = b""
    while received.count(b'{"status":"ok"}') < count:
        data = connection.recv(1000)
        assert data != b"", "it is closed"
        received += data
    assert received.count(b"HTTP/1.1 200 ") == count


def _connected(run: RunningRun) -> socket.socket:
    address = urlsplit(run.address)
    return socket.create_connection((address.hostname, address.port), 10)


def _head(run: RunningRun, method: str, path: str, *headers: str) -> bytes:
    """As our page would send it."""
    host = urlsplit(run.address).netloc
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Origin: http://{host}", "Content-Type: application/json"]
    return "\r\n".join([*lines, "X-Rtsod: 1", *headers, "", ""]).encode()


def _until_closed(connection: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := connection.recv(4096):
            received += data
    return bytes(received)
