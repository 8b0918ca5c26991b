"""Counts and times what a run does, from any thread and in constant memory."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypedDict

import numpy as np

from rtsod.frames import Compositable, PropagatedFrame
from rtsod.interfaces import Clock

MAX_SAMPLES: Final = 65_536
"""Percentiles are computed over this many pictures, the latest: 36 minutes at 30 per second."""


class Drop(StrEnum):
    """Why a captured frame was not composited."""

    BEFORE_INFERENCE = "before_inference"
    """A newer frame arrived before inference was free."""
    BEFORE_COMPOSITING = "before_compositing"
    """A newer frame arrived before the compositor was free."""
    INVALID_MASK = "invalid_mask"
    """The mask was not finite or out of range. A slate was shown instead."""
    DOUBTED = "doubted"
    """The network was known to be out of its depth, and there was no mask of another one yet. A slate was shown
    instead."""
    NO_MASK = "no_mask"
    """There was no mask yet to propagate. A slate was shown instead."""
    MASK_TOO_OLD = "mask_too_old"
    """The mask was older than the limit. A slate was shown instead."""
    UNTRACKED = "untracked"
    """No reliable flow reached the frame. The picture before it stayed."""
    PAUSED = "paused"
    """The run was paused. A slate was shown instead."""
    STOPPED = "stopped"
    """The frame was in flight when the run stopped."""


class Event(StrEnum):
    """A device or a network failed, or recovered."""

    SOURCE_FAILED = "source_failed"
    """Reading or opening failed; most often the camera was unplugged."""
    SOURCE_GONE = "source_gone"
    """The source could not be reopened because it is not there."""
    SOURCE_BUSY = "source_busy"
    """The source could not be reopened because another program uses it."""
    SOURCE_SILENT = "source_silent"
    """No frame came in time."""
    SOURCE_FROZEN = "source_frozen"
    """The same bytes came again and again."""
    SOURCE_BROKEN = "source_broken"
    """A series of frames was unusable; ``unreadable`` counts the frames."""
    SOURCE_RESIZED = "source_resized"
    """Frames changed size."""
    SOURCE_SLOW = "source_slow"
    """The source delivers far fewer frames than it promised."""
    SOURCE_RECOVERED = "source_recovered"
    ENGINE_FAILED = "engine_failed"
    ENGINE_STUCK = "engine_stuck"
    """An inference did not end."""
    NETWORK_DOUBTED = "network_doubted"
    """A small network did not know what it saw, so another one took over; see :mod:`rtsod.masking.watch`."""
    NETWORK_TRUSTED = "network_trusted"
    """It knew again, and took over again."""
    TEACHER_FAILED = "teacher_failed"
    """Nobody can look any more whether a small network knows what it sees."""
    NETWORK_IMPROVED = "network_improved"
    """A network of one's own had learned beside the run, and the better one took over."""
    LEARNING_FAILED = "learning_failed"
    """Nothing is learned any more beside the run."""
    OUTPUT_FAILED = "output_failed"
    """The virtual camera refused a picture."""
    OUTPUT_RECOVERED = "output_recovered"
    OUTPUT_STARVED = "output_starved"
    """Nothing was written to the virtual camera in time, not even a slate; another output may be blocked."""
    OUTPUT_BEHIND = "output_behind"
    """A recording of live input was behind, and this picture is missing in it."""


class Stage(StrEnum):
    """The steps of a frame, in order."""

    CAPTURE = "capture"
    """Waiting for the source, and decoding."""
    PREPROCESS = "preprocess"
    """Scaling to the network's input."""
    INFER = "infer"
    TRACK = "track"
    """Stabilizing a mask, or propagating one to another frame."""
    COMPOSE = "compose"
    """Scaling the mask to the frame, rendering the background, blending."""
    WRITE = "write"
    """All sinks together."""


class Work(StrEnum):
    """What inference did. Skipped and propagated masks are not counted as masks."""

    MASKS = "masks"
    """Masks computed and handed on."""
    FULL_FRAME_REFRESHES = "looks"
    """Additional inferences of the full frame, to relocate the subject."""
    CHECKS = "checks"
    """Looks of a teacher at whole frames, to see whether a small network knows what it sees."""
    EXAMPLES = "examples"
    """Looks that were handed to the process that learns beside the run."""
    EXAMPLES_MISSED = "examples_missed"
    """Looks that were not, because it did not read in time."""
    STATIC = "still"
    """Frames that were due for a mask and got none, because the picture was static."""


@dataclass(slots=True)
class Span:
    """One timed pass of a stage."""

    stage: Stage
    frame: int | None
    """``Frame.index``; None where no frame resulted; -1 for a slate that stands for no frame."""
    started: float
    """In seconds of the metrics' clock."""
    ended: float


class Percentiles(TypedDict):
    """In milliseconds."""

    p50: float
    p95: float
    p99: float


class Snapshot(TypedDict):
    """All numbers at one moment, ready for JSON."""

    captured: int
    missed: int
    """Frames of live input that nobody fetched in time; they are not among the captured ones."""
    starting: int
    """Frames that were due before the first picture and passed without one, because no mask was ready yet."""
    composited: int
    carried: int
    """How many of the composited frames had a propagated mask."""
    invalid_masks: int
    slates: int
    unreadable: int
    dropped: dict[str, int]
    events: dict[str, int]
    work: dict[str, int]
    rung: str | None
    """The latest way to make masks."""
    steps: int
    """How many times it changed."""
    seconds: float
    """From the first capture to the last picture."""
    output_fps: float
    """Pictures per second, from the intervals between them; 0 for fewer than two."""
    latency_ms: Percentiles | None
    mask_age_ms: Percentiles | None
    stage_ms: dict[str, float]
    stage_cpu_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether the run keeps up, as viewers see it. Counts since its start."""

    due: int
    """Frames that the source had, including those that nobody fetched in time."""
    lost: int
    """Frames that were not shown because something took too long."""
    latency: float | None
    """95th percentile of the latest pictures' time from capture to sink, in seconds; None before the first."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a progress bar shows: counts since the run's start, which cost nothing to take."""

    captured: int
    done: int
    """Captured frames that were shown or dropped."""
    held: int
    """Captured frames in whose place the picture froze, because no reliable motion led to them."""
    output_fps: float
    """As in :class:`Snapshot`."""


_LOST: Final = (Drop.BEFORE_INFERENCE, Drop.BEFORE_COMPOSITING, Drop.MASK_TOO_OLD)
"""Drops whose cause is a lack of time."""
_STARTING: Final = (*_LOST, Drop.NO_MASK)
"""Drops that are due to the start alone if they come before the first picture."""
_PACE_PICTURES: Final = 30
"""The latest pictures, whose latency makes the pace."""


class Metrics:
    """Collects the numbers of one run. Thread-safe.

    Args:
        clock: monotonic time in seconds.
        trace: how many of the latest spans to keep for :meth:`spans`.
    """

    def __init__(self, clock: Clock = time.perf_counter, *, trace: int = 0) -> None:
        self._clock = clock
        self._spans: deque[Span] = deque(maxlen=trace)
        self._lock = threading.Lock()
        self._captured = self._composited = self._carried = self._invalid_masks = self._slates = self._unreadable = 0
        self._missed = self._starting = 0
        self._dropped: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._last_event: Event | None = None
        self._work: Counter[str] = Counter()
        self._rung: str | None = None
        self._steps = 0
        self._first: float | None = None
        self._first_out = self._last = 0.0
        self._latency: deque[float] = deque(maxlen=MAX_SAMPLES)
        self._mask_age: deque[float] = deque(maxlen=MAX_SAMPLES)
        self._stages: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])  # passes, seconds, CPU seconds

    def captured(self) -> None:
        """Count a frame that came from the source."""
        with self._lock:
            self._captured += 1
            if self._first is None:
                self._first = self._clock()

    def missed(self, count: int) -> None:
        """Count frames of live input that nobody fetched in time, so that newer ones displaced them in the source."""
        with self._lock:
            self._missed += count

    def composited(self, shown: Compositable, composed_at: float) -> None:
        """Count a picture that was given to every sink.

        Args:
            shown: the frame and the map it was made from.
            composed_at: when composing began, in seconds of the clock; the mask's age is measured up to here.
        """
        now = self._clock()
        with self._lock:
            self._composited += 1
            self._carried += isinstance(shown, PropagatedFrame)
            if self._composited == 1:
                self._first_out = now
                self._starting = self._missed + sum(self._dropped[reason] for reason in _STARTING)
            self._last = now
            self._latency.append(now - shown.frame.captured_at)
            self._mask_age.append(composed_at - shown.origin.captured_at)

    def invalid_mask(self) -> None:
        """Count a map that is not a valid mask."""
        with self._lock:
            self._invalid_masks += 1

    def slate(self) -> None:
        """Count a slate."""
        with self._lock:
            self._slates += 1

    def pictures(self) -> int:
        """How many pictures and slates went to the sinks so far."""
        with self._lock:
            return self._composited + self._slates

    def dropped(self, reason: Drop, count: int = 1) -> None:
        """Count captured frames that will not be composited."""
        with self._lock:
            self._dropped[reason] += count

    def event(self, event: Event) -> None:
        """Count a failure or a recovery."""
        with self._lock:
            self._events[event] += 1
            self._last_event = event

    @property
    def last_event(self) -> Event | None:
        """The latest failure, recovery or change; None before the first."""
        return self._last_event

    def worked(self, work: Work) -> None:
        """Count what inference did."""
        with self._lock:
            self._work[work] += 1

    def on_rung(self, rung: str) -> None:
        """Note how masks are made from now on."""
        with self._lock:
            self._steps += self._rung not in (None, rung)
            self._rung = rung

    def unreadable(self, count: int) -> None:
        """Set the number of pieces of the input, in all, that could not be decoded and never became frames."""
        with self._lock:
            self._unreadable = count

    @contextmanager
    def stage(self, stage: Stage, frame: int | None = None) -> Iterator[Span]:
        """Time the body as one pass of a stage, whether or not it raises: wall time, and this thread's CPU time.

        Args:
            stage: the step.
            frame: ``Frame.index``; a body that learns it on the way sets it on the yielded span.
        """
        now = self._clock()
        span, cpu = Span(stage, frame, now, now), time.thread_time()
        try:
            yield span
        finally:
            span.ended, cpu_seconds = self._clock(), time.thread_time() - cpu
            with self._lock:
                self._spans.append(span)
                total = self._stages[stage]
                total[0] += 1
                total[1] += span.ended - span.started
                total[2] += cpu_seconds

    def spans(self) -> list[Span]:
        """The latest spans of all stages, in the order they ended."""
        with self._lock:
            return list(self._spans)

    def latencies(self) -> list[float]:
        """Seconds from capture to sink, for the latest pictures. The percentiles are computed from these."""
        with self._lock:
            return list(self._latency)

    def pace(self) -> Pace:
        """Whether the run keeps up."""
        with self._lock:
            latest = sorted(self._latency[index] for index in range(-min(_PACE_PICTURES, len(self._latency)), 0))
            return Pace(
                due=self._captured + self._missed,
                lost=self._missed + sum(self._dropped[reason] for reason in _LOST),
                latency=latest[int(0.95 * (len(latest) - 1))] if latest else None,
            )

    def counts(self) -> Counts:
        """The numbers for a progress bar. Cheap enough for every tick of the main thread."""
        with self._lock:
            return Counts(
                captured=self._captured,
                done=self._composited + self._dropped.total(),
                held=self._dropped[Drop.UNTRACKED],
                output_fps=self._output_fps(),
            )

    def snapshot(self) -> Snapshot:
        """All numbers so far. Their percentiles take milliseconds in a long run, for which no other thread waits."""
        with self._lock:
            numbers, latency, mask_age = self._numbers(), list(self._latency), list(self._mask_age)
        numbers["latency_ms"], numbers["mask_age_ms"] = _percentiles(latency), _percentiles(mask_age)
        return numbers

    def _output_fps(self) -> float:
        between = self._last - self._first_out
        return round((self._composited - 1) / between, 3) if between > 0 else 0.0

    def _numbers(self) -> Snapshot:
        """All numbers but the percentiles. The caller holds the lock."""
        seconds = self._last - self._first if self._first is not None and self._composited else 0.0
        means = {
            stage: (wall / count * 1e3, cpu / count * 1e3)
            for stage in Stage
            if (total := self._stages.get(stage)) is not None
            for count, wall, cpu in [total]
        }
        return Snapshot(
            captured=self._captured,
            missed=self._missed,
            starting=self._starting,
            composited=self._composited,
            carried=self._carried,
            invalid_masks=self._invalid_masks,
            slates=self._slates,
            unreadable=self._unreadable,
            dropped={str(reason): count for reason in Drop if (count := self._dropped[reason])},
            events={str(event): count for event in Event if (count := self._events[event])},
            work={str(work): count for work in Work if (count := self._work[work])},
            rung=self._rung,
            steps=self._steps,
            seconds=round(seconds, 4),
            output_fps=self._output_fps(),
            latency_ms=None,
            mask_age_ms=None,
            stage_ms={str(stage): round(wall, 3) for stage, (wall, _) in means.items()},
            stage_cpu_ms={str(stage): round(cpu, 3) for stage, (_, cpu) in means.items()},
        )


def _percentiles(samples: Sequence[float]) -> Percentiles | None:
    if not samples:
        return None
    p50, p95, p99 = (round(float(value) * 1e3, 2) for value in np.percentile(samples, [50, 95, 99]))
    return Percentiles(p50=p50, p95=p95, p99=p99)
