"""The watchdog is fed while pictures or slates go out, and only then."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtsod.app.heartbeat import LOADING_SECONDS, Heartbeat
from rtsod.metrics import Metrics
from rtsod.system.sd_notify import ServiceManager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")

FED = "WATCHDOG=1"


class Run:
    """A run of 30 s of watchdog on a clock of its own, and what its manager heard."""

    def __init__(self, folder: Path, watchdog: float | None = 30.0) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self.heartbeat = Heartbeat(ServiceManager(str(folder / "notify"), watchdog), lambda: self.now)

    def tick(self, seconds: float = 0.0, *, slate: bool = False, waits: bool = False) -> list[str]:
        """Let time pass, show a slate or not, and serve the watchdog. Returns what the manager hears."""
        self.now += seconds
        if slate:
            self.metrics.slate()
        self.heartbeat.beat(self.metrics, waits=waits)
        return self.heard()

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(200).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


def test_the_network_has_its_own_time_to_load_and_the_first_slate_ends_it(run: Run) -> None:
    run.heartbeat.ready()
    assert run.heard() == [f"READY=1\nWATCHDOG_USEC={LOADING_SECONDS * 1_000_000}"]
    assert run.tick(60) == [], "nothing went out"
    assert run.tick(60, slate=True) == [f"{FED}\nWATCHDOG_USEC=30000000"]


def test_it_is_fed_some_times_within_its_limit_and_not_with_every_picture(run: Run) -> None:
    run.tick(slate=True)
    fed = [bool(run.tick(0.05, slate=True)) for _ in range(1200)]  # a minute
    assert 6 <= sum(fed) <= 9


def test_it_starves_when_no_picture_goes_out_and_recovers_with_the_next(run: Run) -> None:
    run.tick(slate=True)
    assert run.tick(10, slate=True) == [FED]
    assert [run.tick(1) for _ in range(40)] == [[]] * 40
    assert run.tick(0.05, slate=True) == [FED], "at once"


def test_a_paused_file_shows_nothing_new_and_lives(run: Run) -> None:
    run.tick(slate=True)
    assert sum(bool(run.tick(1, waits=True)) for _ in range(60)) >= 6


def test_without_a_watchdog_only_the_ends_are_told(tmp_path: Path) -> None:
    run = Run(tmp_path, watchdog=None)
    run.heartbeat.ready()
    assert [run.tick(10, slate=True) for _ in range(3)] == [["READY=1"], [], []]
    run.heartbeat.stopping()
    assert run.heard() == ["STOPPING=1"]
    run.close()
