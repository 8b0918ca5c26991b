"""Time that passes only while every thread waits for it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType


@dataclass(eq=False, slots=True)
class _Waiter:
    condition: threading.Condition
    ready: Callable[[], bool]
    deadline: float


class VirtualTime:
    """A :data:`~rtsod.interfaces.Clock` and its :data:`~rtsod.interfaces.Wait`, for code that runs on several threads.

    Once as many threads wait as take part, and none of them has reason to continue, the clock jumps to the earliest of
    their deadlines. So hours pass in an instant, and computing takes no time, however busy the machine is. Leaving the
    context ends the clock's own thread.

    Args:
        threads: how many threads take part.
    """

    def __init__(self, threads: int) -> None:
        self.now = 0.0
        self._threads = threads
        self._waiters: list[_Waiter] = []
        self._state = threading.Condition()
        self._over = False
        self._ticker = threading.Thread(target=self._tick, name="virtual-time")

    def __enter__(self) -> VirtualTime:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._state:
            self._over = True
            self._state.notify_all()
        self._ticker.join()

    def __call__(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        """``condition.wait_for(ready, timeout)`` in virtual seconds."""
        waiter = _Waiter(condition, ready, math.inf if timeout is None else self.now + timeout)
        with self._state:
            self._waiters.append(waiter)
            self._state.notify_all()
        condition.wait_for(lambda: ready() or self.now >= waiter.deadline)
        with self._state:
            self._waiters.remove(waiter)
        return ready()

    def _next_deadline(self) -> float | None:
        if len(self._waiters) < self._threads or any(waiter.ready() for waiter in self._waiters):
            return None
        earliest = min(waiter.deadline for waiter in self._waiters)
        return earliest if self.now < earliest < math.inf else None

    def _tick(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._over or self._next_deadline() is not None)
                if self._over:
                    return
                self.now = self._next_deadline() or self.now
                due = [waiter for waiter in self._waiters if waiter.deadline <= self.now]
            for waiter in due:
                with waiter.condition:
                    waiter.condition.notify_all()
