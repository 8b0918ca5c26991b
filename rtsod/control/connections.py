"""What ends connections that ask for nothing, so that they cannot keep others from asking."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS: Final = 128
"""At once: some pages with the six connections that a browser opens, programs beside them, and room for a crowd of
silent ones until they are let go."""
REQUEST_SECONDS: Final = 2.0
"""How long a connection may take to send its first request's head. On one machine that takes a millisecond."""


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 by uvicorn; a connection without a request is closed after ``REQUEST_SECONDS``.

    Nobody needs a secret to connect. Without this, silent connections could use up ``MAX_CONNECTIONS``, and the slate
    could not be asked for.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._due = self.loop.call_later(REQUEST_SECONDS, self._end_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._due.cancel()
        super().connection_lost(exc)

    def _end_if_silent(self) -> None:
        if self.cycle is None:  # no request yet
            self.transport.close()
