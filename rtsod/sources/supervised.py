"""A live source that survives the failures of its camera.

It is itself a source, so the pipeline need not know about it: while the camera is away it delivers no frames, and live
outputs show slates.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rtsod.errors import SourceBusy, SourceError, SourceGone
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.interfaces import Clock, Source, Wait
from rtsod.metrics import Event
from rtsod.sources.fault_report import FaultReport
from rtsod.sources.recovery import (
    POLL_INTERVAL_SECONDS,
    SILENCE_SECONDS,
    RecoveryPolicy,
    State,
    Step,
    Verdict,
)

_log = logging.getLogger(__name__)


class SupervisedSource:
    """Opens a live source again whenever it fails, falls silent or freezes.

    :class:`~rtsod.sources.recovery.RecoveryPolicy` decides; this class carries its decisions out on two threads: the
    reader's, and a supervisor's that it starts. Frame indexes keep counting up across reopenings. ``info`` stays that
    of the first opening; frames of another size are passed on, because outputs fit them. A frozen source is still
    read, but its frames are withheld until they change.

    Args:
        first: the source, open already, so that a mistake shows at the start.
        reopen: opens it again; called on the supervisor's thread.
        on_event: called once for every event.
        may_freeze: treat byte-identical frames as a fault. False for streams: video coding repeats a static picture
            exactly.
        demand: whether anybody is watching the output; None means always.
        clock: seconds, the same clock that stamps the frames.
        wait: waits on a condition, for seconds of that clock.
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
        self._reopen, self._demand, self._clock, self._wait = reopen, demand, clock, wait
        silence_seconds = max(SILENCE_SECONDS, 2.5 / float(first.info.fps)) if first.info.fps else SILENCE_SECONDS
        self._policy = RecoveryPolicy(clock(), silence_seconds=silence_seconds, may_freeze=may_freeze)
        self._report = FaultReport(first.info.name, on_event)
        self._count = _FrameCount()
        self._last_image: Image | None = None

        self._changed = threading.Condition()  # guards the state that both threads use
        self._source: Source | None = first
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._supervise, name="rtsod-supervisor", daemon=True)
        self._thread.start()

    @property
    def info(self) -> SourceInfo:
        """What the source delivered when it was first opened."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many frames were undecodable, across reopenings."""
        return self._count.skipped

    @property
    def state(self) -> State:
        """What the source is doing now."""
        return self._policy.state

    def read(self) -> Frame | None:
        """The next frame, however long the source is away; None after ``close``."""
        while (source := self._await_source()) is not None:
            try:
                frame = source.read()
            except SourceError as error:
                self._give_up(source, _event_of(error), str(error))
                continue
            if frame is None:
                self._give_up(source, Event.SOURCE_FAILED, f"{self._info.name} ended")
            elif (accepted := self._accept(source, frame)) is not None:
                return accepted
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
        self._thread.join(POLL_INTERVAL_SECONDS)  # a supervisor that is opening a device closes it once it is open

    # The reader's thread.

    def _await_source(self) -> Source | None:
        with self._changed:
            self._wait(self._changed, lambda: self._closed or self._source is not None, None)
            self._policy.read_started(self._clock())
            return None if self._closed else self._source

    def _give_up(self, source: Source, event: Event, reason: str) -> None:
        with self._changed:
            if source is not self._source or self._closed:
                return  # the supervisor was faster
            self._source = None
            self._policy.failed(self._clock())
            self._report.fault(event, reason)
        source.close()

    def _accept(self, source: Source, frame: Frame) -> Frame | None:
        """The frame with its index across reopenings; None if it must not be shown."""
        name = self._info.name
        with self._changed:
            if source is not self._source:
                self._policy.read_discarded()
                return None
            now = self._clock()
            if self._count.add_skipped(source.skipped):
                self._report.broken_frame(now)
            last, self._last_image = self._last_image, frame.image
            if last is not None and last.shape != frame.image.shape:
                size = f"{frame.image.shape[1]}x{frame.image.shape[0]}"
                self._report.fault(Event.SOURCE_RESIZED, f"{name} now delivers {size}: it is fitted to the outputs")
            repeated = last is not None and _identical(last, frame.image)
            match self._policy.delivered(now, repeated=repeated):
                case Verdict.FROZEN:
                    self._report.fault(Event.SOURCE_FROZEN, f"{name} is frozen: live outputs show a slate")
                    self._count.withhold(frame)
                    return None
                case Verdict.WITHHOLD:
                    self._count.withhold(frame)
                    return None
                case Verdict.RECOVERED:
                    self._report.recovery()
            return replace(frame, index=self._count.index_of(frame))

    # The supervisor's thread.

    def _supervise(self) -> None:
        try:
            while not self._closed:
                self._ask_for_demand()
                self._take_step()
        except BaseException as error:  # a bug, or out of memory: the reader raises it
            with self._changed:
                self._error, self._closed = error, True
                self._changed.notify_all()

    def _ask_for_demand(self) -> None:
        now = self._clock()
        if self._demand is None or not self._policy.demand_due(now):
            return
        watched = self._demand()
        with self._changed:
            if not self._policy.demand(now, watched=watched):
                return
            source, self._source = self._source, None
        _log.info("%s is closed: nobody is watching", self._info.name)
        if source is not None:
            source.close()

    def _take_step(self) -> None:
        with self._changed:
            self._wait(self._changed, lambda: self._closed, self._policy.pause(self._clock()))
            if self._closed:
                return
            now = self._clock()
            silence = self._policy.silence(now)
            step = self._policy.step(now)
            if step is Step.NOTHING:
                return
            source, self._source = self._source, None
            if step is Step.GIVE_UP:
                self._report.fault(Event.SOURCE_SILENT, f"{self._info.name} has delivered no frame for {silence:.1f} s")
        if source is not None:
            source.close()
        if step is Step.REOPEN:
            self._open_again()

    def _open_again(self) -> None:
        try:
            source = self._reopen()
        except SourceError as error:
            with self._changed:
                self._policy.reopen_failed(self._clock())
                self._report.fault(_event_of(error), str(error))
            return
        with self._changed:
            if not self._closed:
                self._count.restart()
                self._policy.reopened(self._clock())
                self._source = source
                self._changed.notify_all()
                return
        source.close()


class _FrameCount:
    """Frame indexes and skipped frames across reopenings, each of which counts from 0."""

    def __init__(self) -> None:
        self.skipped = 0
        self._skipped_before = 0
        self._offset = 0
        self._next_index = 0

    def restart(self) -> None:
        """The source was opened again."""
        self._offset, self._skipped_before = self._next_index, self.skipped

    def index_of(self, frame: Frame) -> int:
        """The frame's index across reopenings."""
        index = self._offset + frame.index
        self._next_index = index + 1
        return index

    def withhold(self, frame: Frame) -> None:
        """Leave a frame out of the count: a gap would stand for frames that nobody fetched in time."""
        self._next_index = self.index_of(frame)
        self._offset -= 1

    def add_skipped(self, skipped: int) -> bool:
        """Take the open source's own count; return whether it has grown."""
        before, self.skipped = self.skipped, self._skipped_before + skipped
        return self.skipped > before


def _identical(a: Image, b: Image) -> bool:
    # Compare a few rows first: they differ unless the source is frozen.
    return a.shape == b.shape and np.array_equal(a[::16], b[::16]) and np.array_equal(a, b)


def _event_of(error: SourceError) -> Event:
    match error:
        case SourceGone():
            return Event.SOURCE_GONE
        case SourceBusy():
            return Event.SOURCE_BUSY
    return Event.SOURCE_FAILED
