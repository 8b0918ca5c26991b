"""A recording of live input, or a pipe: written by a thread of its own, so that no viewer waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from rtsod.errors import OutputError
from rtsod.frames import Composited
from rtsod.interfaces import Sink, Wait
from rtsod.metrics import Event
from rtsod.sinks.pipe import PipeSink
from rtsod.sinks.pixels import require_composited
from rtsod.system.priority import give_way

_log = logging.getLogger(__name__)

MAX_WAITING: Final = 8
"""Pictures that may wait: a quarter of a second of a camera, enough for a slow disk or a busy moment."""
MAX_WAITING_BYTES: Final = 48 * 2**20
"""Of the waiting pictures' BGR pixels; their masks need a third more again. Two pictures may always wait."""
NICENESS: Final = 5
"""The thread's nice value: the frames that viewers wait for come first."""


class QueuedSink:
    """Hands pictures to another sink on a thread of its own, in order.

    If that sink is slower than the input, :meth:`write` waits a little when the queue is full, which slows the pipeline
    down before pictures are lost. A picture that then still finds no room is missing in this output alone: it is
    counted, and a warning says so once.

    Args:
        sink: takes the pictures; closed together with this one.
        patience: how long :meth:`write` waits for room, in seconds. Less than a frame's duration, so that the other
            sinks still get every picture.
        on_event: receives :attr:`rtsod.metrics.Event.OUTPUT_BEHIND` for each missing picture.
        wait: waits on a condition, with a timeout in seconds.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        patience: float,
        on_event: Callable[[Event], None] = lambda event: None,
        wait: Wait = threading.Condition.wait_for,
    ) -> None:
        self._sink = sink
        self.name = sink.name
        self.live = sink.live
        self._patience = patience
        self._on_event = on_event
        self._wait = wait
        self._changed = threading.Condition()
        self._waiting: deque[Composited] = deque()
        self._missing = 0
        self._error: Exception | None = None
        self._reported = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def write(self, picture: Composited) -> None:
        """Take one picture; see :meth:`rtsod.interfaces.Sink.write`. Raises what an earlier picture led to."""
        require_composited(picture)
        room = max(2, min(MAX_WAITING, MAX_WAITING_BYTES // picture.image.nbytes))
        with self._changed:
            if self._closed:
                raise OutputError(f"{self.name}: is already closed")
            self._wait(self._changed, lambda: len(self._waiting) < room or self._error is not None, self._patience)
            if self._error is not None:
                self._reported = True
                raise self._error
            if len(self._waiting) >= room:
                self._miss()
                return
            self._waiting.append(picture)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="rtsod-recorder", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def hurry(self) -> None:
        """Let the reader of a pipe hold up the end no longer than :meth:`PipeSink.hurry` says. From any thread."""
        if isinstance(self._sink, PipeSink):
            self._sink.hurry()

    def close(self) -> None:
        """Wait until every picture is written, then close the sink; see :meth:`rtsod.interfaces.Sink.close`.

        Raises:
            OutputError: a picture could not be written, which no :meth:`write` has raised yet; or the output could not
                be finished.
        """
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if isinstance(self._sink, PipeSink):
            self._sink.limit_silence()
        if self._thread is not None:
            self._thread.join()
        self._sink.close()
        if self._error is not None and not self._reported:
            raise self._error

    def _miss(self) -> None:
        self._missing += 1
        self._on_event(Event.OUTPUT_BEHIND)
        if self._missing == 1:
            _log.warning(
                "%s is written more slowly than pictures come, so some are missing in it: a smaller --size or --fps, "
                "or %s, may help",
                self.name,
                "a faster reader" if isinstance(self._sink, PipeSink) else ".mp4",
            )

    def _write_all(self) -> None:
        """The thread. After an error it writes nothing more; what was written before stays usable."""
        give_way(NICENESS)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                picture = self._waiting.popleft()
                self._changed.notify_all()
            try:
                self._sink.write(picture)
            except Exception as error:  # the next write or close raises it
                with self._changed:
                    self._error = error
                    self._waiting.clear()
                    self._changed.notify_all()
                return
            del picture  # the thread must not keep a picture alive until the next one
