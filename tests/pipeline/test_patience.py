"""A live frame waits for its own mask only while that delays no other frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from rtsod.frames import Frame
from rtsod.pipeline.patience import PATIENCE_SHARE, Patience
from tests.support.fakes import Ticks

FPS = Fraction(25)
LIMIT = PATIENCE_SHARE / 25
IMAGE = np.zeros((4, 4, 3), np.uint8)


class Waiting:
    """A patience whose waits are recorded, and end when something happens or, in the end, by time."""

    def __init__(self, fps: Fraction | None = FPS) -> None:
        self.clock = Ticks()
        self.waits: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.patience = Patience(fps, clock=self.clock, wait=self._wait)

    def _wait(self, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        if ready():
            return True
        assert timeout is not None
        self.waits.append(timeout)
        self.meanwhile()
        if not ready():
            self.clock.now += timeout
        return ready()

    def frame(self, index: int) -> Frame:
        return Frame(IMAGE, index, self.clock.now)

    def mask(self, frame: Frame, seconds: float) -> None:
        """Inference makes a mask."""
        self.patience.began(frame)
        self.clock.now += seconds
        self.patience.ended(frame)


def test_a_frame_waits_until_its_mask_is_there() -> None:
    waiting = Waiting()
    frame = waiting.frame(0)
    waiting.meanwhile = lambda: waiting.mask(frame, 0.01)
    waiting.patience.await_mask(frame)
    assert waiting.clock.now == pytest.approx(0.01)
    assert waiting.waits == [pytest.approx(LIMIT)]


def test_it_never_waits_longer_than_its_share_of_the_time_to_the_next_frame() -> None:
    waiting = Waiting()
    frame = waiting.frame(0)
    waiting.patience.began(frame)
    waiting.clock.now += 0.004  # the compositor was busy
    waiting.patience.await_mask(frame)
    assert waiting.clock.now == pytest.approx(LIMIT)


@pytest.mark.parametrize("other", [3, 5])
def test_it_does_not_wait_while_inference_is_busy_with_another_frame(other: int) -> None:
    waiting = Waiting()
    waiting.patience.began(waiting.frame(other))
    waiting.patience.await_mask(waiting.frame(4))
    assert waiting.waits == []


@pytest.mark.parametrize("settled", [4, 6])
def test_it_does_not_wait_once_inference_is_done_with_it(settled: int) -> None:
    waiting = Waiting()
    waiting.patience.ended(waiting.frame(settled))  # no mask was due
    waiting.patience.await_mask(waiting.frame(4))
    assert waiting.waits == []


def test_it_does_not_wait_in_vain_where_masks_take_longer() -> None:
    waiting = Waiting()
    for index in range(3):
        waiting.mask(waiting.frame(index), 2 * LIMIT)
    frame = waiting.frame(3)
    waiting.patience.began(frame)
    waiting.patience.await_mask(frame)
    assert waiting.waits == []
    for index in range(3, 8):  # the machine is free again
        waiting.mask(waiting.frame(index), LIMIT / 2)
    frame = waiting.frame(8)
    waiting.patience.began(frame)
    waiting.patience.await_mask(frame)
    assert len(waiting.waits) == 1


def test_without_a_known_rate_no_frame_waits() -> None:
    waiting = Waiting(None)
    frame = waiting.frame(0)
    waiting.patience.began(frame)
    waiting.patience.await_mask(frame)
    assert waiting.clock.now == 0
