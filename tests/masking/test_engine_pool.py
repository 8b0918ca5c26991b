"""Engines opened in the background: no error and no engine is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from rtsod.errors import EngineError, EngineUnavailable
from rtsod.interfaces import Engine
from rtsod.masking import engine_pool
from rtsod.masking.engine_pool import EnginePool
from tests.support.fakes import FakeEngine


class Closable(FakeEngine):
    def __init__(self, size: int, fails: BaseException | None = None) -> None:
        super().__init__(size=size)
        self.closed = threading.Event()
        self._fails = fails

    def close(self) -> None:
        self.closed.set()
        if self._fails is not None:
            raise self._fails


class Opener:
    """Opens engines when it is told to, and fails when it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.asked: list[int] = []
        self.opening, self.may_open = threading.Event(), threading.Event()
        self.engine = Closable(64)
        self.error = error

    def __call__(self, size: int) -> Engine:
        self.asked.append(size)
        self.opening.set()
        assert self.may_open.wait(10)
        if self.error is not None:
            raise self.error
        return self.engine


def pool_with(opener: Callable[[int], Engine] | None = None) -> tuple[EnginePool, Closable]:
    first = Closable(128)
    return EnginePool(first, opener), first


def wait_for_opener(pool: EnginePool) -> None:
    assert pool._opener is not None
    pool._opener.join(10)
    assert not pool._opener.is_alive()


def test_an_engine_is_opened_once_in_the_background() -> None:
    opener = Opener()
    pool, first = pool_with(opener)
    assert pool.ready(128) is first
    assert pool.ready(64) is None
    assert opener.opening.wait(10)
    assert pool.ready(64) is None
    assert pool.is_opening(64)
    opener.may_open.set()
    wait_for_opener(pool)
    assert pool.ready(64) is pool.open(64) is opener.engine
    assert not pool.is_opening(64)
    assert opener.asked == [64]
    pool.close()
    assert opener.engine.closed.is_set()
    assert first.closed.is_set()


def test_an_engine_that_is_not_available_is_reported_once_and_not_retried(caplog: pytest.LogCaptureFixture) -> None:
    opener = Opener(EngineUnavailable("no GPU"))
    opener.may_open.set()
    pool, _ = pool_with(opener)
    for _ in range(3):
        assert pool.ready(64) is None
        wait_for_opener(pool)
        assert not pool.is_opening(64)
    assert opener.asked == [64]
    assert caplog.text.count("cannot open the network at 64x64") == 1
    assert "no GPU" in caplog.text
    pool.close()


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), MemoryError(), KeyboardInterrupt()])
def test_any_other_error_reaches_the_run_and_is_not_retried(error: BaseException) -> None:
    opener = Opener(error)
    opener.may_open.set()
    pool, first = pool_with(opener)
    assert pool.ready(64) is None
    wait_for_opener(pool)
    with pytest.raises(type(error)) as caught:
        pool.ready(128)
    assert caught.value is error
    for _ in range(3):
        assert pool.ready(64) is None, "raised once"
    assert not pool.is_opening(64)
    assert opener.asked == [64]
    pool.close()
    assert first.closed.is_set()


def test_an_error_that_nobody_asked_for_is_raised_when_the_pool_closes() -> None:
    opener = Opener(ZeroDivisionError("a bug"))
    pool, first = pool_with(opener)
    assert pool.ready(64) is None
    opener.may_open.set()
    wait_for_opener(pool)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        pool.close()
    assert first.closed.is_set(), "the engines are closed all the same"
    pool.close()


def test_an_engine_that_opens_after_the_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_pool, "CLOSE_TIMEOUT_SECONDS", 0.0)
    opener = Opener()
    pool, first = pool_with(opener)
    assert pool.ready(64) is None
    assert opener.opening.wait(10)
    pool.close()
    assert first.closed.is_set()
    assert not opener.engine.closed.is_set()
    opener.may_open.set()
    assert opener.engine.closed.wait(10)
    wait_for_opener(pool)
    assert pool.ready(64) is None
    assert opener.asked == [64]


def test_an_error_after_the_end_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run is left to raise it in; the fixture that forbids logged errors is kept out by a logger of its own."""
    monkeypatch.setattr(engine_pool, "CLOSE_TIMEOUT_SECONDS", 0.0)
    log, lines = logging.Logger("separate"), list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    monkeypatch.setattr(engine_pool, "_log", log)
    opener = Opener(ZeroDivisionError("a bug"))
    pool, _ = pool_with(opener)
    assert pool.ready(64) is None
    assert opener.opening.wait(10)
    pool.close()
    opener.may_open.set()
    wait_for_opener(pool)
    assert lines == ["opening the network at 64x64 failed after the run had ended"]


def test_closing_closes_every_engine_even_if_one_fails() -> None:
    failing = Closable(64, fails=EngineError("the GPU fell out"))
    pool, first = pool_with(lambda size: failing)
    pool.open(64)
    with pytest.raises(EngineError, match="fell out"):
        pool.close()
    assert failing.closed.is_set()
    assert first.closed.is_set()


def test_a_pool_of_one_size_refuses_others() -> None:
    pool, first = pool_with()
    assert pool.open(128) is first
    with pytest.raises(EngineError, match="at 64x64: only one input size"):
        pool.open(64)
