"""The hand-over between two threads: a short queue that defines what happens when it is full."""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

from rtsod.interfaces import Wait

T = TypeVar("T")


class OnFull(Enum):
    """What ``put`` does when the ring is full."""

    DROP_OLDEST = "drop oldest"
    """Live input: the newest item matters; the oldest is displaced and returned."""
    WAIT = "wait"
    """Files: nothing is lost; the producer waits."""


class Closed(Exception):
    """The ring is closed and, for ``get``, empty."""


class Woken(Exception):
    """Somebody called :meth:`Ring.wake`, and there is no item."""


class Ring(Generic[T]):
    """A first-in, first-out queue between producers and one consumer.

    Args:
        capacity: the most items it holds, at least 1.
        on_full: what :meth:`put` does when it is full.
        wait: waits in :meth:`get` with a timeout; tests use a fake clock.

    Raises:
        ValueError: ``capacity`` is less than 1.
    """

    def __init__(self, capacity: int, on_full: OnFull, wait: Wait = threading.Condition.wait_for) -> None:
        if capacity < 1:
            raise ValueError("a ring holds at least one item")
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._on_full = on_full
        self._wait = wait
        self._closed = self._woken = False
        self._changed = threading.Condition()

    @property
    def capacity(self) -> int:
        """The most items it holds."""
        return self._capacity

    def put(self, item: T) -> T | None:
        """Add an item, at once or, with :attr:`OnFull.WAIT`, when there is room.

        Returns:
            The displaced item, if any: the caller must account for it.

        Raises:
            Closed: the ring was closed, before or while waiting. The item was not added.
        """
        with self._changed:
            if self._on_full is OnFull.WAIT:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise Closed
            displaced = self._items.popleft() if len(self._items) == self._capacity else None
            self._items.append(item)
            self._changed.notify_all()
            return displaced

    def get(self, timeout: float | None = None) -> T | None:
        """Remove and return the oldest item.

        Args:
            timeout: seconds to wait for an item; None waits without limit.

        Returns:
            The item, or None on timeout.

        Raises:
            Closed: the ring is empty and closed.
            Woken: it is empty, and was woken.
        """
        with self._changed:
            self._wait(self._changed, lambda: self._closed or self._woken or bool(self._items), timeout)
            woken, self._woken = self._woken, False
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._closed:
                raise Closed
            if woken:
                raise Woken
            return None

    def wake(self) -> None:
        """End the waiting of the consumer, or else its next one."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self, *, discard: bool = False) -> list[T]:
        """Accept no more items, and wake all waiting threads. Idempotent.

        Args:
            discard: also remove the items still in the ring, instead of letting them be fetched.

        Returns:
            The removed items: the caller must account for them.
        """
        with self._changed:
            self._closed = True
            discarded = list(self._items) if discard else []
            if discard:
                self._items.clear()
            self._changed.notify_all()
            return discarded
