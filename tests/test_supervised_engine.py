"""An engine that outlives a crash and a hang."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from rtsod.errors import EngineError, EngineUnavailable
from rtsod.meter import Event, Meter
from rtsod.supervised_engine import RESTART_SECONDS, RESTARTS, SupervisedEngine
from rtsod.types import Alpha, Image
from tests.fakes import FakeEngine, Ticks, hasten, right_half

PICTURE: Image = np.zeros((64, 64, 3), np.uint8)


class Crashing(FakeEngine):
    """Answers so often, then fails as it is told."""

    def __init__(self, good: int, then: Callable[[], None]) -> None:
        super().__init__(self._next)
        self._good, self._then = good, then
        self.closed = threading.Event()

    def _next(self, call: int) -> Alpha:
        if call >= self._good:
            self._then()
        return right_half(64)

    def close(self) -> None:
        self.closed.set()


def _fail() -> None:
    raise EngineError("the GPU fell out")


def _infer_often(engine: SupervisedEngine) -> None:
    for _ in range(100):
        engine.infer(PICTURE)


def test_a_crash_loses_no_picture() -> None:
    meter, engines = Meter(), [Crashing(3, _fail), Crashing(1000, _fail)]
    engine = SupervisedEngine(engines[0], lambda: engines[1], tell=meter.event)
    for _ in range(6):
        assert np.array_equal(engine.infer(PICTURE), right_half(64))
    engine.close()
    assert meter.snapshot()["events"] == {Event.ENGINE_FAILED: 1}
    assert engines[0].closed.is_set()
    assert engines[1].closed.is_set()
    assert engines[1].calls == 3


def test_a_hang_is_left_behind() -> None:
    let_go = threading.Event()

    def hang() -> None:
        let_go.wait(30)

    clock, wait = hasten(500)
    meter, stuck = Meter(), Crashing(2, hang)
    engine = SupervisedEngine(stuck, FakeEngine, tell=meter.event, clock=clock, wait=wait)
    for _ in range(4):
        assert np.array_equal(engine.infer(PICTURE), right_half(64))
    assert meter.snapshot()["events"] == {Event.ENGINE_STUCK: 1}
    assert not stuck.closed.is_set()
    let_go.set()
    assert stuck.closed.wait(10), "should it ever come back, it is closed"
    engine.close()


def test_the_budget_is_spent_once() -> None:
    clock, opened = Ticks(), 0

    def reopen() -> FakeEngine:
        nonlocal opened
        opened += 1
        return Crashing(1, _fail)

    engine = SupervisedEngine(Crashing(1, _fail), reopen, tell=lambda event: None, clock=clock)
    with pytest.raises(EngineError, match=r"the GPU fell out \(given up after 3 restarts\)"):
        _infer_often(engine)
    assert opened == RESTARTS
    engine.close()


def test_the_budget_grows_again_while_it_works() -> None:
    clock = Ticks()
    engine = SupervisedEngine(Crashing(2, _fail), lambda: Crashing(2, _fail), tell=lambda event: None, clock=clock)
    for _ in range(40):
        clock.now += RESTART_SECONDS / 4
        engine.infer(PICTURE)
    engine.close()


def test_what_cannot_be_opened_again_is_given_up() -> None:
    def refuse() -> FakeEngine:
        raise EngineUnavailable("there is no GPU any more")

    clock = Ticks()
    engine = SupervisedEngine(Crashing(1, _fail), refuse, tell=lambda event: None, clock=clock)
    engine.infer(PICTURE)
    with pytest.raises(EngineError, match=r"the GPU fell out \(given up.* no GPU any more"):
        engine.infer(PICTURE)
    engine.close()


def test_other_errors_are_bugs() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    engine = SupervisedEngine(Crashing(0, bug), FakeEngine, tell=lambda event: None)
    with pytest.raises(ZeroDivisionError):
        engine.infer(PICTURE)
    engine.close()
