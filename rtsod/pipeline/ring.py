"""The hand-over between two threads: a short queue that says what happens when it is full."""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum
from typing import Generic, Protocol, TypeVar

from rtsod.interfaces import Wait

T = TypeVar("T")
T_in = TypeVar("T_in", contravariant=True)


class OnFull(Enum):
    """What ``put`` does when the ring is full."""

    DROP_OLDEST = "drop oldest"
    """Live input: the newest matters, the oldest goes and is counted."""
    WAIT = "wait"
    """Files: nothing is lost, the producer is slowed down."""


class Closed(Exception):
    """The ring was closed and, for ``get``, is empty."""


class Puttable(Protocol[T_in]):
    """Where a producer leaves what it makes: a ring, or the place where its ways part."""

    def put(self, item: T_in) -> object:
        """See :meth:`Ring.put`."""
        ...

    def close(self, *, discard: bool = False) -> None:
        """See :meth:`Ring.close`."""
        ...


class Ring(Generic[T]):
    """A queue of at most ``capacity`` items between producers and one consumer. Order is kept.

    Args:
        capacity: at least 1.
        on_full: the policy of ``put``.
        wait: for ``get`` with a timeout.
    """

    def __init__(self, capacity: int, on_full: OnFull, wait: Wait = threading.Condition.wait_for) -> None:
        if capacity < 1:
            raise ValueError("a ring holds at least one item")
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._on_full = on_full
        self._wait = wait
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> T | None:
        """Add the newest item, at once or, with :attr:`OnFull.WAIT`, when there is room.

        Returns:
            What had to go for it, if anything: it is the caller's to count.

        Raises:
            Closed: the ring was closed, before or while waiting; the item was not taken.
        """
        with self._changed:
            if self._on_full is OnFull.WAIT:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise Closed
            lost = self._items.popleft() if len(self._items) == self._capacity else None
            self._items.append(item)
            self._changed.notify_all()
            return lost

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item.

        Args:
            timeout: seconds to wait for one; None waits for ever.

        Returns:
            The item, or None when the time is over.

        Raises:
            Closed: there is nothing left and nothing will come.
        """
        with self._changed:
            self._wait(self._changed, lambda: self._closed or bool(self._items), timeout)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._closed:
                raise Closed
            return None

    def close(self, *, discard: bool = False) -> None:
        """No more items come. Wakes everybody who waits. Idempotent.

        Args:
            discard: also throw away what is still in it (shutting down), instead of letting it be fetched (the end).
        """
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()
