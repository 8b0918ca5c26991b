"""What takes a moment to open is opened once, beside everything else, and closed whatever happens."""

from __future__ import annotations

import threading

import pytest

from rtsod.errors import EngineError
from rtsod.masking.opening import Opening


class Slow:
    """Opens when it may."""

    def __init__(self) -> None:
        self.may_open, self.closed_one = threading.Event(), threading.Event()
        self.opened = 0
        self.opening = Opening(self._open, self._close)

    def _open(self) -> str:
        assert self.may_open.wait(10)
        self.opened += 1
        return "open"

    def _close(self, opened: str) -> None:
        assert opened == "open"
        assert not self.closed_one.is_set()
        self.closed_one.set()

    def wait(self) -> None:
        assert self.opening._thread is not None
        self.opening._thread.join(10)


def test_nobody_waits_for_it_and_it_is_opened_once() -> None:
    slow = Slow()
    assert [slow.opening.ready() for _ in range(3)] == [None] * 3
    slow.may_open.set()
    slow.wait()
    assert [slow.opening.ready() for _ in range(3)] == ["open"] * 3
    assert slow.opened == 1
    slow.opening.close()
    slow.opening.close()
    assert slow.closed_one.is_set()
    assert slow.opening.ready() is None


def test_what_is_closed_while_it_is_opened_is_closed_by_its_thread() -> None:
    slow = Slow()
    slow.opening.ready()
    slow.opening.close()
    assert not slow.closed_one.is_set()
    slow.may_open.set()
    slow.wait()
    assert slow.closed_one.is_set()
    assert slow.opening.ready() is None


def test_what_was_never_asked_for_is_never_opened() -> None:
    slow = Slow()
    slow.opening.close()
    assert slow.opening.ready() is None
    assert slow.opened == 0


def test_in_place_it_is_waited_for() -> None:
    opening = Opening(lambda: "open", lambda opened: None, in_place=True)
    assert opening.ready() == "open"


def test_an_error_is_raised_each_time() -> None:
    def fail() -> str:
        raise EngineError("no network")

    opening = Opening(fail, lambda opened: None, in_place=True)
    for _ in range(2):
        with pytest.raises(EngineError, match="no network"):
            opening.ready()
    opening.close()
