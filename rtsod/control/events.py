"""The state of a run as server-sent events: at once when something changes, and else twice a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from rtsod.control.messages import state_message
from rtsod.control.threads import in_thread
from rtsod.errors import RtsodError
from rtsod.live import LiveControls

PERIOD_SECONDS: Final = 0.5
"""How old the numbers on the page may be. It is also how long the thread that waits may outlive the server."""


class StateEvents:
    """Hands each new state to all who listen. While nobody does, nothing runs.

    Args:
        controls: of the run.
        period: seconds between two events without a change.
    """

    def __init__(self, controls: LiveControls, *, period: float = PERIOD_SECONDS) -> None:
        self._controls = controls
        self._period = period
        self._listeners: set[_Listener] = set()
        self._watching: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def close(self) -> None:
        """End all streams. Call it on the event loop."""
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
        for listener in self._listeners:
            listener.give(None)

    async def messages(self) -> AsyncIterator[bytes]:
        """The states as events, beginning with the current one, until :meth:`close`."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            listener.give(_event(state_message(await in_thread(self._controls.state))))
            if self._watching is None or self._watching.done():
                self._watching = asyncio.create_task(self._watch())
            if self._closed:
                return
            while (message := await listener.take()) is not None:
                yield message
        finally:
            self._listeners.discard(listener)

    async def _watch(self) -> None:
        revision = -1
        try:
            while self._listeners:
                state = await in_thread(partial(self._controls.wait_for_change, revision, self._period))
                revision = state.revision
                message = _event(state_message(state))
                for listener in self._listeners:
                    listener.give(message)
        except RtsodError:  # the run is over
            for listener in self._listeners:
                listener.give(None)


class _Listener:
    """Holds the newest message for one viewer; older ones are of no use to it."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._ended = False
        self._given = asyncio.Event()

    def give(self, message: bytes | None) -> None:
        self._newest = message
        self._ended = self._ended or message is None
        self._given.set()

    async def take(self) -> bytes | None:
        await self._given.wait()
        self._given.clear()
        return None if self._ended else self._newest


def _event(state: dict[str, object]) -> bytes:
    return f"event: state\nid: {state['revision']}\ndata: {json.dumps(state)}\n\n".encode()
