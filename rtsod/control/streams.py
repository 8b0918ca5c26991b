"""Responses without an end: the picture and the events, until the viewer leaves or stops reading, or the run ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STALLED_SECONDS: Final = 10.0
"""A viewer that takes nothing for so long is let go, so that it holds no place that another one could have."""


class StreamResponse(Response):
    """Sends chunks as they come.

    Args:
        chunks: to send. Closed at the end, whoever ended it.
        media_type: of the body.
        stalled: seconds that one chunk may take to be sent.
    """

    def __init__(self, chunks: AsyncIterator[bytes], *, media_type: str, stalled: float = STALLED_SECONDS) -> None:
        super().__init__(media_type=media_type, headers={"connection": "close"})
        del self.headers["content-length"]
        self._chunks = chunks
        self._stalled = stalled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the chunks end, or nobody takes them any more."""
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        try:
            with suppress(TimeoutError, OSError):
                head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await asyncio.wait_for(send(head), self._stalled)
                async for chunk in self._chunks:
                    body = {"type": "http.response.body", "body": chunk, "more_body": True}
                    await asyncio.wait_for(send(body), self._stalled)
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), self._stalled)
        finally:
            if hasattr(self._chunks, "aclose"):
                await self._chunks.aclose()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
