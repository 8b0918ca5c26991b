"""Connections to a server that a live stream is published to, in a process that can be ended at any time.

PyAV keeps the interpreter's lock while it connects for output, and knows no timeout there: within this process, a
server that accepts a connection and stays silent would stop everything, signals included, until it goes away.
"""

from __future__ import annotations

import errno
import threading
from contextlib import suppress
from fractions import Fraction
from typing import Final, Protocol

from rtsod.errors import OutputError
from rtsod.frames import Image
from rtsod.interfaces import Wait
from rtsod.sinks.colours import EncoderInput
from rtsod.sinks.publisher import Request, publish
from rtsod.system.worker_process import WorkerEnded, WorkerProcess
from rtsod.system.worker_thread import WorkerThread

_LEAVE_SECONDS: Final = 1.0
"""How long to wait for a call whose process was killed."""


class Connection(Protocol):
    """A connection on which pictures are sent. One thread at a time may use it; :meth:`kill` is for all."""

    def open(self) -> None:
        """Connect, again if need be.

        Raises:
            OutputError: the server does not answer, or refuses. :meth:`open` can be called again.
            OSError: the connection cannot be used any more.
        """
        ...

    def send(self, image: Image, index: int) -> None:
        """Send one picture.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, of the announced size.
            index: of the picture at the announced rate; larger than that of the one before it.

        Raises:
            OutputError: the connection is broken. :meth:`open` can be called again.
            OSError: it cannot be used any more.
        """
        ...

    def finish(self) -> None:
        """End the stream and the connection, whatever state it is in; however long the server takes."""
        ...

    def kill(self) -> None:
        """Drop the connection at once, for good. A pending call ends. Idempotent; from any thread."""
        ...


class PublisherProcess:
    """Has a process encode pictures as H.264 and send them; see :class:`rtsod.sinks.publisher.Publisher`.

    The process starts at once, and stays for every :meth:`open`.

    Args:
        url: of the stream, with whatever login it needs.
        width: pixels, even.
        height: pixels, even.
        fps: pictures per second.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, url: str, width: int, height: int, fps: Fraction) -> None:
        self._input: EncoderInput | None = None
        self._sent: Image | None = None
        self._process = WorkerProcess(publish, url, width, height, fps)

    def open(self) -> None:
        """Connect; see :meth:`Connection.open`."""
        self._input = self._input or EncoderInput()
        self._ask(Request.OPEN)

    def send(self, image: Image, index: int) -> None:
        """Send one picture; see :meth:`Connection.send`."""
        assert self._input is not None
        planes = None
        if image is not self._sent:  # the process still has the last one
            planes = [bytes(plane) for plane in self._input.i420(image).planes]
            self._sent = image
        self._ask(Request.SEND, index, planes)

    def finish(self) -> None:
        """End the stream; see :meth:`Connection.finish`."""
        self._ask(Request.FINISH)

    def kill(self) -> None:
        """Kill the process; see :meth:`Connection.kill`."""
        self._process.close()

    def _ask(self, request: Request, index: int = 0, planes: list[bytes] | None = None) -> None:
        """Have the process do something, and wait until it has."""
        self._process.send((request, index, planes))
        try:
            self._process.receive()
        except WorkerEnded as error:
            raise OSError(errno.EPIPE, str(error)) from None


class Link:
    """A connection on a thread of its own, for which nobody waits too long: it is killed if it hangs.

    Args:
        connection: not open yet; owned by the link.
        wait: waits on a condition, with a timeout in seconds of the program's clock.
    """

    def __init__(self, connection: Connection, *, wait: Wait = threading.Condition.wait_for) -> None:
        self._connection = connection
        self._worker = WorkerThread("rtsod-publisher", wait=wait)

    def open(self, timeout: float) -> None:
        """Connect.

        Raises:
            OutputError: the server does not answer, or refuses. It can be tried again.
            OSError: the connection cannot be used any more.
            CallTimeout: not within this many seconds; neither can it then.
            WorkerStopped: :meth:`close` was called.
        """
        self._worker.call(self._connection.open, timeout)

    def send(self, image: Image, index: int, timeout: float) -> None:
        """Send a picture; see :meth:`Connection.send`. Raises what :meth:`open` does."""
        self._worker.call(lambda: self._connection.send(image, index), timeout)

    def close(self, timeout: float) -> None:
        """End the connection: for up to ``timeout`` seconds in good order. Idempotent; from any thread."""
        self._worker.stop(self._finish if timeout > 0 else lambda: None)
        self._worker.join(timeout)
        self._connection.kill()
        self._worker.join(_LEAVE_SECONDS)

    def _finish(self) -> None:
        with suppress(OutputError, OSError):  # it is often closed because it is broken
            self._connection.finish()
