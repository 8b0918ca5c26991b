"""The hand-over between two threads: a short queue that says what happens when it is full."""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum
from typing import Generic, Protocol, TypeVar

from rtsod.types import Wait

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
    """What a producer sees of a ring, or of several."""

    def put(self, item: T_in) -> None:
        """See :meth:`Ring.put`."""
        ...

    def close(self, *, discard: bool = False) -> None:
        """See :meth:`Ring.close`."""
        ...


class Ring(Generic[T]):
    """A queue of at most ``capacity`` items between one producer and one consumer. Order is kept.

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
        self._dropped = 0
        self._changed = threading.Condition()

    @property
    def dropped(self) -> int:
        """How many items ``put`` has pushed out so far."""
        with self._changed:
            return self._dropped

    def put(self, item: T) -> None:
        """Add the newest item, at once or, with :attr:`OnFull.WAIT`, when there is room.

        Raises:
            Closed: the ring was closed, before or while waiting; the item was not taken.
        """
        with self._changed:
            if self._on_full is OnFull.WAIT:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise Closed
            if len(self._items) == self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._changed.notify_all()

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


class Both(Generic[T]):
    """Two rings that are fed the same items."""

    def __init__(self, first: Ring[T], second: Ring[T]) -> None:
        self._rings = first, second

    def put(self, item: T) -> None:
        """Put into both; see :meth:`Ring.put`."""
        for ring in self._rings:
            ring.put(item)

    def close(self, *, discard: bool = False) -> None:
        """Close both. Idempotent."""
        for ring in self._rings:
            ring.close(discard=discard)
