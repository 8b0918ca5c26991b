"""A source that outlives its camera.

It is itself a source, so the pipeline knows nothing of it: while the camera is away no frame comes, and those who
watch get slates.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np

from rtsod.errors import SourceBusy, SourceError, SourceGone
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.interfaces import Clock, Source, Wait
from rtsod.metrics import Event

_log = logging.getLogger(__name__)

BACK_OFF: Final = (1.0, 5.0, 10.0, 60.0)
"""Seconds before each attempt to open a source again; the last one repeats."""
STEADY_SECONDS: Final = 5.0
"""A source that has delivered for so long starts the next back-off from its beginning."""
FRAME_AGE: Final = 0.7
"""Seconds without a frame after which a source counts as silent; with ``POLL_SECONDS`` it is noticed within one."""
POLL_SECONDS: Final = 0.2
SAME_PICTURE_SECONDS: Final = 2.0
"""Bytes that repeat for so long are not a quiet room: no sensor is without noise."""
DEMAND_SECONDS: Final = 0.5
"""How often it is asked whether anybody looks, which may mean a look at every process of the user."""
IDLE_SECONDS: Final = 3.0
"""How long nobody must look before a source that runs on demand is closed: a page that reloads looks again at once."""


class State(StrEnum):
    """Of a supervised source."""

    RUNNING = "running"
    RETRYING = "retrying"
    IDLE = "idle"
    """On demand, and nobody looks."""


class SupervisedSource:
    """A live source that is opened again whenever it fails, falls silent or freezes.

    Frames keep counting up over all its lives. ``info`` stays that of the first one; frames of another size are
    passed on, since outputs fit them. A frozen source is still read, but what it gives is withheld until it changes.

    Args:
        first: opened already, so that a mistake shows at the start.
        reopen: opens it again; called from a thread of this object.
        on_event: told of every event, once.
        may_freeze: bytes that repeat are a fault; False for streams, whose coding repeats a quiet picture exactly.
        demand: whether anybody looks at the output; None means always.
        clock: seconds that only grow, the one that stamps the frames.
        wait: waits on a condition for so many seconds of that clock.
    """

    def __init__(
        self,
        first: Source,
        reopen: Callable[[], Source],
        *,
        on_event: Callable[[Event], None],
        may_freeze: bool = True,
        demand: Callable[[], bool] | None = None,
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
    ) -> None:
        self._info = first.info
        self._reopen, self._on_event, self._may_freeze, self._demand = reopen, on_event, may_freeze, demand
        self._clock, self._wait = clock, wait
        self._limit = max(FRAME_AGE, 2.5 / float(first.info.fps)) if first.info.fps else FRAME_AGE

        self._changed = threading.Condition()
        self._source: Source | None = first
        self._state = State.RUNNING
        self._reason = ""
        self._error: BaseException | None = None
        self._closed = False
        self._tries = 0
        self._retry_at: float | None = None
        self._reading_since: float | None = None
        self._running_since = self._fresh_at = self._wanted_at = self._ask_at = clock()
        self._frozen = False
        self._last: Image | None = None
        self._next_index = self._offset = 0
        self._skipped = self._skipped_before = 0
        self._broken_at: float | None = None
        self._thread = threading.Thread(target=self._supervise, name="rtsod-supervisor", daemon=True)
        self._thread.start()

    @property
    def info(self) -> SourceInfo:
        """What the source gave when it was opened first."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many frames came broken, in all its lives."""
        return self._skipped

    @property
    def state(self) -> State:
        """What it is doing now."""
        return self._state

    def read(self) -> Frame | None:
        """The next frame, however long the source is away; None after ``close``."""
        while (source := self._await_source()) is not None:
            try:
                frame = source.read()
            except SourceError as error:
                self._fail(source, _kind(error), str(error))
                continue
            if frame is None:
                self._fail(source, Event.SOURCE_FAILED, f"{self._info.name} ended")
            elif (judged := self._judge(source, frame)) is not None:
                return judged
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        """Release the device. Idempotent; from any thread."""
        with self._changed:
            self._closed = True
            source, self._source = self._source, None
            self._changed.notify_all()
        if source is not None:
            source.close()
        self._thread.join(POLL_SECONDS)  # one that is opening a device closes it as soon as it is open

    # ------------------------------------------------- the reader's thread

    def _await_source(self) -> Source | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._source is not None)
            self._reading_since = self._clock()
            return None if self._closed else self._source

    def _judge(self, source: Source, frame: Frame) -> Frame | None:
        """The frame, counted on; None if it must not be shown."""
        with self._changed:
            self._reading_since = None
            if source is not self._source:
                return None  # given up meanwhile
            now = self._clock()
            self._note_broken(source, now)
            if self._repeats(frame.image, now):
                return None
            if self._state is State.RETRYING:
                self._on_event(Event.SOURCE_RECOVERED)
                self._reason = ""
                _log.warning("%s delivers again", self._info.name)
            if self._state is not State.RUNNING:
                self._state, self._running_since, self._retry_at = State.RUNNING, now, None
            if now - self._running_since > STEADY_SECONDS:
                self._tries = 0
            index = self._offset + frame.index
            self._next_index = index + 1
        return replace(frame, index=index)

    def _note_broken(self, source: Source, now: float) -> None:
        skipped = self._skipped_before + source.skipped
        if skipped > self._skipped:
            if self._broken_at is None or now - self._broken_at > STEADY_SECONDS:
                self._note(Event.SOURCE_BROKEN, f"{self._info.name} delivers broken pictures: they are left out")
            self._broken_at = now
        self._skipped = skipped

    def _repeats(self, image: Image, now: float) -> bool:
        """Whether the picture has been the very same for too long."""
        last, self._last = self._last, image
        if last is not None and last.shape != image.shape:
            size = f"{image.shape[1]}x{image.shape[0]}"
            self._note(Event.SOURCE_RESIZED, f"{self._info.name} now gives {size}: it is fitted to the outputs")
        if not self._may_freeze or last is None or not _same(last, image):
            self._fresh_at, self._frozen = now, False
            return False
        if now - self._fresh_at <= SAME_PICTURE_SECONDS:
            return False
        if not self._frozen:
            self._frozen = True
            self._note(Event.SOURCE_FROZEN, f"{self._info.name} repeats the very same picture: a slate is shown")
            self._state = State.RETRYING
        if self._retry_at is None:
            self._schedule()
        return True

    # --------------------------------------------- the supervisor's thread

    def _supervise(self) -> None:
        try:
            while not self._closed:
                self._look_after()
        except BaseException as error:  # a bug, or memory ran out: the reader raises it
            with self._changed:
                self._error, self._closed = error, True
                self._changed.notify_all()

    def _look_after(self) -> None:
        self._mind_demand()
        with self._changed:
            now = self._clock()
            pause = POLL_SECONDS if self._retry_at is None else min(POLL_SECONDS, max(0.0, self._retry_at - now))
            self._wait(self._changed, lambda: self._closed, pause)
            if self._closed:
                return
            now, source, since = self._clock(), self._source, self._reading_since
            due = self._retry_at is not None and now >= self._retry_at
        if source is not None and since is not None and now - since > self._limit:
            self._fail(source, Event.SOURCE_SILENT, f"{self._info.name} has given no picture for {now - since:.1f} s")
        elif due:
            self._open_again()

    def _mind_demand(self) -> None:
        if self._demand is None:
            return
        now = self._clock()
        if now < self._ask_at:
            return
        self._ask_at, wanted = now + DEMAND_SECONDS, self._demand()
        with self._changed:
            if wanted:
                self._wanted_at = now
                if self._state is State.IDLE and self._source is None and self._retry_at is None:
                    self._tries, self._retry_at = 0, now
                return
            if self._state is State.IDLE and self._source is None:
                self._retry_at = None
                return
            if now - self._wanted_at <= IDLE_SECONDS:
                return
            source, self._source = self._source, None
            self._state, self._retry_at, self._reading_since = State.IDLE, None, None
        _log.info("%s is closed: nobody is looking", self._info.name)
        if source is not None:
            source.close()

    def _open_again(self) -> None:
        with self._changed:
            old, self._source, self._retry_at = self._source, None, None
        if old is not None:
            old.close()
        try:
            source = self._reopen()
        except SourceError as error:
            with self._changed:
                self._note(_kind(error), str(error))
                self._schedule()
            return
        with self._changed:
            if not self._closed:
                self._offset, self._skipped_before = self._next_index, self._skipped
                if not self._frozen:
                    self._fresh_at = self._clock()
                self._reading_since = None
                self._source = source
                self._changed.notify_all()
                return
        source.close()

    # ------------------------------------------------------------- either

    def _fail(self, source: Source, event: Event, reason: str) -> None:
        """Give a source up, and try again later; one that was given up before changes nothing."""
        with self._changed:
            if source is not self._source or self._closed:
                return
            self._source = self._reading_since = None
            self._state = State.RETRYING
            self._note(event, reason)
            self._schedule()
        source.close()

    def _schedule(self) -> None:
        self._retry_at = self._clock() + BACK_OFF[min(self._tries, len(BACK_OFF) - 1)]
        self._tries += 1

    def _note(self, event: Event, reason: str) -> None:
        """Count it; say it, unless it was the last thing said since it ran."""
        self._on_event(event)
        if reason != self._reason:
            _log.warning("%s", reason)
        self._reason = reason


def _same(a: Image, b: Image) -> bool:
    # A few rows first: they differ in all but the frozen.
    return a.shape == b.shape and np.array_equal(a[::16], b[::16]) and np.array_equal(a, b)


def _kind(error: SourceError) -> Event:
    match error:
        case SourceGone():
            return Event.SOURCE_GONE
        case SourceBusy():
            return Event.SOURCE_BUSY
    return Event.SOURCE_FAILED
