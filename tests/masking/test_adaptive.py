"""Masks by the rung of the ladder, and the engines they need."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

from rtsod.backends.constant import ConstantEngine
from rtsod.frames import Alpha, Frame, Image
from rtsod.mask_plan import Budget, InferenceCost, Rung
from rtsod.masking.adaptive import AdaptiveMasker
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.ladder import Ladder
from rtsod.masking.refresh import InPlaceRefresher
from rtsod.metrics import Drop, Metrics
from tests.support.fakes import Ticks

PERIOD = 1 / 30
BUDGET = Budget(PERIOD, 2.0, InferenceCost(PERIOD, 0.0))
RUNGS = (Rung(80), Rung(40, region=True, cost=0.3), Rung(40, region=True, mask_interval=2, cost=0.3))


class Machine:
    """Engines that take time on a fake clock, in proportion to their pixels."""

    def __init__(self, seconds: float) -> None:
        self.clock, self.seconds = Ticks(), seconds
        self.opened: list[int] = []
        self.may_open = threading.Event()
        self.may_open.set()
        self.metrics = Metrics(self.clock)
        self.pool = EnginePool(self._engine(80), self._open)
        self.refresher = InPlaceRefresher(lambda: self.pool.open(80), self.metrics, clock=self.clock)
        self.masker = AdaptiveMasker(
            Ladder(RUNGS, BUDGET), self.pool, self.refresher, self.metrics,
            clock=self.clock, cpu_clock=lambda: 0.0,
        )  # fmt: skip
        self.frames = 0
        self.picture = np.zeros((48, 64, 3), np.uint8)
        self.picture[12:36, 16:48] = 255

    def _engine(self, size: int) -> ConstantEngine:
        def answer(image: Image) -> Alpha:
            self.clock.now += self.seconds * (size / 80) ** 2
            return np.asarray((image[..., 0] > 128).astype(np.float32))

        return ConstantEngine(size, answer)

    def _open(self, size: int) -> ConstantEngine:
        self.opened.append(size)
        assert self.may_open.wait(10)
        return self._engine(size)

    def live(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            before = self.clock.now
            frame = Frame(self.picture, self.frames, before)
            mask = self.masker.mask(frame)
            assert (mask.frame_index, mask.alpha.shape) == (self.frames, (80, 80))
            self.masker.run_deferred()
            self.clock.now = max(self.clock.now, before + PERIOD * self.masker.mask_interval)
            self.metrics.captured()
            self.frames += 1

    def wait_for_opening(self) -> None:
        assert self.pool._opener is not None
        self.pool._opener.join(10)


def test_a_machine_that_keeps_up_opens_nothing() -> None:
    machine = Machine(0.5 * PERIOD)
    machine.live(60)
    assert machine.opened == []
    assert machine.metrics.snapshot()["rung"] == "the whole frame at 80x80"


def test_masks_continue_while_an_engine_is_opened_and_its_rung_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rtsod.masking.adaptive")
    machine = Machine(1.5 * PERIOD)
    machine.may_open.clear()
    machine.live(10)
    assert machine.opened == [40]
    assert machine.metrics.snapshot()["rung"] == "the whole frame at 80x80"
    assert machine.masker.mask_interval == 2  # as few as it comes to at the worst: opening takes all of the machine
    machine.may_open.set()
    machine.wait_for_opening()
    machine.live(1)
    numbers = machine.metrics.snapshot()
    assert numbers["rung"] == "the subject's region at 40x40"
    assert numbers["steps"] == machine.masker.mask_interval == 1
    assert caplog.messages == ["quality: the subject's region at 40x40, because masks took 150% of the time available"]


def test_it_steps_back_up() -> None:
    machine = Machine(1.5 * PERIOD)
    machine.live(3)
    machine.wait_for_opening()
    machine.live(3)
    machine.seconds = 0.3 * PERIOD
    machine.live(30)
    assert machine.metrics.snapshot()["rung"] == "the whole frame at 80x80"
    assert machine.metrics.snapshot()["steps"] == 2
    assert machine.opened == [40]


def test_the_mask_rate_is_a_rung_too() -> None:
    machine = Machine(1.5 * PERIOD)
    machine.live(3)
    machine.wait_for_opening()
    machine.live(3)
    assert machine.masker.mask_interval == 1
    machine.metrics.dropped(Drop.BEFORE_COMPOSITING, 3)
    machine.live(1)
    assert machine.masker.mask_interval == 2
    assert machine.metrics.snapshot()["steps"] == 2
