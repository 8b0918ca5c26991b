"""The control server: one thread that serves the routes at an address of this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from rtsod.control.access import Access, Role
from rtsod.control.connections import MAX_CONNECTIONS, PunctualProtocol
from rtsod.control.events import StateEvents
from rtsod.control.preview import PreviewStream
from rtsod.control.routes import Server, application
from rtsod.control.running import RunningRun, announced
from rtsod.errors import internal_error
from rtsod.live import LiveControls

_log = logging.getLogger(__name__)

MAX_HEADER_BYTES: Final = 16_384
GRACE_SECONDS: Final = 0.5
"""How long answers may still take when the run ends."""
JOIN_SECONDS: Final = 0.5
"""How long the run waits after that for the server to end."""


@contextmanager
def control_server(
    listener: socket.socket, controls: LiveControls, preview: PreviewStream, source: str, *, may_reveal: bool
) -> Iterator[str]:
    """Serve until the end of the block.

    Args:
        listener: listens at the address; closed at the end.
        controls: of the run.
        preview: one of the run's sinks. It is closed at the end.
        source: what the run shows, for the list of runs.
        may_reveal: whether the controls let remote changes show more; for the page, which says what is locked.

    Yields:
        The link that signs one browser in, once.

    Raises:
        OutputError: the token cannot be stored for its user alone.
    """
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    access, events = Access(), StateEvents(controls)
    with announced(RunningRun(os.getpid(), address, access.token, source)) as file:
        server = Server(controls, preview, events, access, address, port, may_reveal, file.parent)
        thread = _ServerThread(server, listener)
        thread.start()
        try:
            yield server.link(Role.CONTROL)
        finally:
            thread.stop()


class _ServerThread:
    """uvicorn on a thread of its own, where it leaves signals alone."""

    def __init__(self, server: Server, listener: socket.socket) -> None:
        self._server = server
        self._listener = listener
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                application(server),
                loop="asyncio",
                http=PunctualProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="rtsod-control", daemon=True)

    def start(self) -> None:
        """Begin to serve. Connections that come earlier wait in the socket's queue."""
        self._thread.start()

    def stop(self) -> None:
        """Let everybody go and end, also those who do not read."""
        self._uvicorn.should_exit = True
        self._server.preview.close()
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._server.events.close)
        self._thread.join(GRACE_SECONDS)
        if self._thread.is_alive():
            self._uvicorn.force_exit = True  # somebody has sent half a request
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            _log.warning("the control server ended, the run goes on: %s", internal_error(error))
            _log.debug("internal error", exc_info=True)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._uvicorn.serve([self._listener])
