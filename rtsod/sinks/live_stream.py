"""A live stream that a server receives, fed by its own thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import Final

from rtsod.errors import OutputError
from rtsod.frames import Composited, Image
from rtsod.interfaces import Clock, Wait
from rtsod.metrics import Event
from rtsod.sinks.newest_picture import NewestPicture
from rtsod.sinks.pixels import bring_to, even, opaque, require_composited
from rtsod.sinks.publisher_process import Connection, Link, PublisherProcess
from rtsod.system.names import server_name
from rtsod.system.worker_thread import CallTimeout, WorkerStopped

_log = logging.getLogger(__name__)

BACK_OFF_SECONDS: Final = (1.0, 2.0, 5.0)
"""Delay before each attempt to connect again; the last one repeats."""
STABLE_SECONDS: Final = 5.0
"""A connection that has lasted this long restarts the back-off from its shortest delay."""
ANSWER_SECONDS: Final = 10.0
"""How long a server may take to let us begin, or to take a picture."""
CLOSE_TIMEOUT_SECONDS: Final = 3.0
"""How long ``close`` waits for the server to take the end."""
LEAVE_SECONDS: Final = 1.0
"""How long it waits after that, when the connection was dropped."""
LAST_SLATES: Final = 3
"""Slates at the end: a player that lacks the last picture still shows a slate."""


class LiveStreamSink:
    """Publishes the newest picture at a fixed size and rate, however the server behaves.

    It never delays live input: the server is served by a thread of its own, and no picture waits for it, so what a
    viewer sees is never old. While there is no connection, it is opened again, forever: a server may come up late, and
    come back. If the writing thread stops writing, the last slate replaces a picture that has become too old: see
    :meth:`limit_age`. The stream ends with slates.

    Args:
        url: ``rtmp``, ``rtsp`` or ``srt``. No message shows more of it than the server's name.
        width: of the source, pixels. An odd side is made even by repeating the last row or column.
        height: of the source, pixels.
        fps: pictures per second.
        paced: the input is a file, which is published at its own speed: :meth:`write` waits until the picture is due.
        on_event: receives an event when the connection fails, when it is back, and when the writing thread hangs.
        clock: monotonic, in seconds.
        wait: waits on a condition, with a timeout in seconds of ``clock``.
        connection: makes a connection, not open yet; tests replace it.
    """

    live = True

    def __init__(
        self,
        url: str,
        *,
        width: int,
        height: int,
        fps: Fraction,
        paced: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
        connection: Callable[[str, int, int, Fraction], Connection] = PublisherProcess,
    ) -> None:
        self.name = f"live stream {server_name(url)}"
        self._size = even(width), even(height)
        self._fps = fps
        self._connection = partial(connection, url, *self._size, fps)
        self._paced, self._began = paced, -math.inf
        self._on_event, self._clock, self._wait = on_event, clock, wait
        self._newest = NewestPicture(self.name, clock, wait, on_event)
        self._prepared: tuple[Composited, Image] | None = None
        self._link_lock = threading.Lock()
        self._link: Link | None = None
        self._connected = self._failing = False
        self._attempts = 0
        self._published = False
        self._why = "the connection was not open yet"
        self._thread = threading.Thread(target=self._pump, name="rtsod-live-stream", daemon=True)
        self._thread.start()

    def write(self, picture: Composited) -> None:
        """Show this picture until the next one; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        if self._paced and picture.pts is not None:
            now, at = self._clock(), float(picture.pts)
            self._began = max(self._began, now - at)  # what came late is not made up for
            self._newest.sleep(self._began + at - now, lambda: not self._paced)
        self._newest.write(picture)

    def hurry(self) -> None:
        """Wait for no picture's time from now on. From any thread."""
        self._paced = False
        self._newest.wake()

    @property
    def unpublished(self) -> str | None:
        """Why nothing was published so far; None if something was, or if there was nothing to publish."""
        return (
            None if self._published or not self._newest.exists else f"{self.name}: nothing was published: {self._why}"
        )

    def limit_age(self, seconds: float) -> None:
        """Replace any picture but a slate this many seconds after it was written, even if the writing thread hangs."""
        self._newest.max_age = seconds

    def close(self) -> None:
        """Show slates, then end the stream. Idempotent."""
        self._newest.close()
        with self._link_lock:
            link = None if self._connected else self._link
        if link is not None:
            link.close(0.0)  # it is still being opened, which need not be waited for
        self._thread.join(CLOSE_TIMEOUT_SECONDS)
        if self._thread.is_alive() and (link := self._link) is not None:
            link.close(0.0)  # the server takes nothing more
            self._thread.join(LEAVE_SECONDS)

    # ------------------------------------------------------------- its thread

    def _pump(self) -> None:
        try:
            with suppress(OSError):  # which the next attempt tells
                self._link = self._new_link()
            self._newest.wait_for_first()
            while not self._newest.is_over:
                try:
                    self._stream()
                except (OutputError, OSError, CallTimeout) as error:
                    self._fail(error)
                except WorkerStopped:
                    return
        except BaseException as error:  # a bug, or out of memory: the next write raises it
            self._newest.fail(OutputError(f"{self.name}: {type(error).__name__}"))
        finally:
            if self._link is not None:
                self._link.close(0.0)

    def _new_link(self) -> Link:
        return Link(self._connection(), wait=self._wait)

    def _stream(self) -> None:
        """Connect, and send pictures until the sink is closed."""
        with self._link_lock:
            link = self._link = self._link or self._new_link()
            if self._newest.is_over:  # close() may have found no link to close
                return
        began, keep = None, False
        try:
            link.open(ANSWER_SECONDS)
            with self._link_lock:
                self._connected = True
            began = self._clock()
            self._recover()
            self._send_all(link, began)
        except OutputError:
            keep = True  # its process answered, and can try again
            raise
        finally:
            with self._link_lock:
                self._connected = False
                if not keep:
                    self._link = None
            if began is not None and self._clock() - began > STABLE_SECONDS:
                self._attempts = 0
            if not keep:
                link.close(CLOSE_TIMEOUT_SECONDS if self._newest.is_over and began is not None else 0.0)

    def _send_all(self, link: Link, began: float) -> None:
        index = 0
        while not self._newest.sleep(began + float(index / self._fps) - self._clock()):
            picture = self._newest.to_show()
            if picture is not None:
                link.send(self._image_of(picture), index, ANSWER_SECONDS)
                self._published = True
            # A late picture is not made up for: the next one has the time at which it is sent.
            index = max(index + 1, math.floor((self._clock() - began) * self._fps))
        slate = self._newest.slate
        for last in range(LAST_SLATES if slate is not None else 0):
            assert slate is not None
            link.send(self._image_of(slate), index + last, ANSWER_SECONDS)

    def _image_of(self, picture: Composited) -> Image:
        if self._prepared is None or self._prepared[0] is not picture:
            self._prepared = picture, bring_to(opaque(picture), *self._size)
        return self._prepared[1]

    def _recover(self) -> None:
        if self._failing:
            self._failing = False
            self._on_event(Event.OUTPUT_RECOVERED)
            _log.warning("%s works again", self.name)

    def _fail(self, error: Exception) -> None:
        """Say it once, then wait before the next attempt."""
        self._why = _why(error)
        if not self._failing:
            self._failing = True
            self._on_event(Event.OUTPUT_FAILED)
            _log.warning("%s: %s: trying again until it works", self.name, self._why)
        delay = BACK_OFF_SECONDS[min(self._attempts, len(BACK_OFF_SECONDS) - 1)]
        self._attempts += 1
        self._newest.sleep(delay)


def _why(error: Exception) -> str:
    match error:
        case CallTimeout():
            return f"no answer within {ANSWER_SECONDS:.0f} s"
        case OSError():
            return error.strerror or type(error).__name__
    return str(error)
