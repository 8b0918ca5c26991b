"""Blocking calls from an event loop, on threads that nobody has to wait for at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run a call on a daemon thread of its own and wait for it.

    ``asyncio.to_thread`` waits for its threads when the program ends; opening a camera can take longer than that may.

    Raises:
        Exception: whatever ``work`` raised.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            finish = partial(_set_result, answer, work())
        except Exception as error:
            finish = partial(_set_error, answer, error)
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(finish)

    threading.Thread(target=run, name="rtsod-control-call", daemon=True).start()
    return await answer


def _set_result(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _set_error(answer: asyncio.Future[T], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
