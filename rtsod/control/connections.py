"""What ends connections that ask for nothing, so that they cannot keep others from asking."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS: Final = 128
"""At once: some pages with the six connections that a browser opens, programs beside them, and room for a crowd of
silent ones until they are let go."""
REQUEST_SECONDS: Final = 2.0
"""How long a request's head may take to come. On one machine that takes a millisecond."""


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 by uvicorn; a connection that opens, or begins to send, has ``REQUEST_SECONDS`` to make a request.

    Nobody needs a secret to connect. Without this, silent connections and half requests could use up
    ``MAX_CONNECTIONS``, and the slate could not be asked for. How long a body may take is up to who reads it.
    """

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        super().data_received(data)  # which ends the wait for another request, also if this is but one byte of it
        if self._answers:
            self._expect_nothing()
        else:
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._expect_nothing()
        super().connection_lost(exc)

    @property
    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_request(self) -> None:
        if self._due is None:  # more bytes give no more time
            self._due = self.loop.call_later(REQUEST_SECONDS, self._end_if_silent)

    def _expect_nothing(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _end_if_silent(self) -> None:
        self._due = None
        if not self._answers:
            self.transport.close()
