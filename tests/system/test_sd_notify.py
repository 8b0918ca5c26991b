"""What a service tells systemd: one datagram for each message, to a path or an abstract name, and never an error."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtsod.system import sd_notify
from rtsod.system.sd_notify import ServiceManager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        yield listening


def test_a_message_arrives_at_a_path(listener: socket.socket, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    listener.bind(address)
    ServiceManager(address).tell("READY=1", "WATCHDOG_USEC=5")
    assert listener.recv(100) == b"READY=1\nWATCHDOG_USEC=5"


@linux
def test_a_message_arrives_at_an_abstract_name(listener: socket.socket) -> None:
    name = f"rtsod-test-{os.getpid()}"
    listener.bind(f"\0{name}")
    ServiceManager(f"@{name}").tell("STOPPING=1")
    assert listener.recv(100) == b"STOPPING=1"


def test_a_manager_that_is_gone_is_logged_once_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager(str(tmp_path / "nothing"))
    with caplog.at_level(logging.WARNING):
        manager.tell("READY=1")
        manager.tell("WATCHDOG=1")
    (line,) = caplog.messages
    assert line.startswith("the service manager cannot be told that READY=1: ")


def test_a_manager_that_does_not_read_delays_nobody_for_long(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sd_notify, "SEND_SECONDS", 0.01)
    address = str(tmp_path / "notify")
    listener.bind(address)
    manager = ServiceManager(address)
    for _ in range(10_000):
        manager.tell("WATCHDOG=1")
        if caplog.messages:
            break
    assert "WATCHDOG=1" in caplog.messages[0]


def test_an_address_that_is_too_long_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager("/" + "x" * 200).tell("READY=1")
    assert caplog.messages


@pytest.mark.parametrize("address", [None, "", "@", "relative", "vsock:2:1234"])
def test_there_is_no_manager_where_no_usable_address_is_named(address: str | None) -> None:
    assert ServiceManager.from_environment({} if address is None else {"NOTIFY_SOCKET": address}) is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_the_watchdog_is_the_one_that_is_meant_for_this_process(
    variables: dict[str, str], seconds: float | None
) -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", **variables, "HOME": "/"}
    manager = ServiceManager.from_environment(environment)
    assert manager is not None
    assert manager.watchdog_seconds == seconds
    assert environment == {"HOME": "/"}, "processes that this one starts do not speak for it"
