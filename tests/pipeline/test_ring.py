from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from rtsod.pipeline.ring import Closed, OnFull, Ring, Woken


class RingModel(RuleBasedStateMachine):
    """A drop-oldest ring next to a plain list of what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.ring: Ring[int] = Ring(3, OnFull.DROP_OLDEST)
        self.expected: list[int] = []
        self.put_count = 0
        self.closed = self.woken = False

    @precondition(lambda self: not self.closed)
    @rule()
    def put(self) -> None:
        lost = self.expected.pop(0) if len(self.expected) == 3 else None
        assert self.ring.put(self.put_count) == lost
        self.expected.append(self.put_count)
        self.put_count += 1

    @precondition(lambda self: self.expected)
    @rule()
    def get(self) -> None:
        assert self.ring.get(timeout=0) == self.expected.pop(0)
        self.woken = False

    @precondition(lambda self: not self.expected)
    @rule()
    def get_nothing(self) -> None:
        if self.closed:
            with pytest.raises(Closed):
                self.ring.get(timeout=0)
        elif self.woken:
            with pytest.raises(Woken):
                self.ring.get()
        else:
            assert self.ring.get(timeout=0) is None
        self.woken = False

    @rule()
    def wake(self) -> None:
        self.ring.wake()
        self.woken = True

    @rule(discard=st.booleans())
    def close(self, discard: bool) -> None:
        assert self.ring.close(discard=discard) == (self.expected if discard else [])
        self.closed = True
        if discard:
            self.expected.clear()

    @precondition(lambda self: self.closed)
    @rule()
    def put_after_close(self) -> None:
        with pytest.raises(Closed):
            self.ring.put(-1)


def test_a_live_ring_behaves_like_its_model() -> None:
    run_state_machine_as_test(RingModel)


@given(count=st.integers(0, 200), capacity=st.integers(1, 5))
def test_a_waiting_ring_loses_nothing_and_keeps_order_between_threads(count: int, capacity: int) -> None:
    ring: Ring[int] = Ring(capacity, OnFull.WAIT)

    def produce() -> None:
        for item in range(count):
            assert ring.put(item) is None
        ring.close()

    producer = threading.Thread(target=produce)
    producer.start()
    received = []
    while True:
        try:
            received.append(ring.get())
        except Closed:
            break
    producer.join()
    assert received == list(range(count))


def test_closing_wakes_a_waiting_producer_and_its_item_is_not_taken() -> None:
    ring: Ring[int] = Ring(1, OnFull.WAIT)
    ring.put(0)
    refused = threading.Event()

    def produce() -> None:
        try:
            ring.put(1)
        except Closed:
            refused.set()

    producer = threading.Thread(target=produce)
    producer.start()
    ring.close()
    assert refused.wait(10)
    producer.join()
    assert ring.get() == 0
    with pytest.raises(Closed):
        ring.get()


def test_closing_wakes_a_waiting_consumer() -> None:
    ring: Ring[int] = Ring(1, OnFull.WAIT)
    ended = threading.Event()

    def consume() -> None:
        try:
            ring.get()
        except Closed:
            ended.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    ring.close()
    assert ended.wait(10)
    consumer.join()


def test_a_ring_without_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ring(0, OnFull.WAIT)
