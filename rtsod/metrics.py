"""What a run did, in numbers: counted as it happens, from any thread, in constant memory."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypedDict

import numpy as np

from rtsod.frames import Compositable, PropagatedFrame
from rtsod.interfaces import Clock

SAMPLES: Final = 65_536
"""Percentiles are of the last this many pictures: 36 minutes at 30 per second."""


class Drop(StrEnum):
    """Why a captured frame was not composited."""

    BEFORE_INFERENCE = "before_inference"
    """A newer frame came before inference was free."""
    BEFORE_COMPOSITING = "before_compositing"
    """A newer mask came before the compositor was free."""
    INVALID_MASK = "invalid_mask"
    """Not a number, or out of range. The frame became a slate."""
    NO_MASK = "no_mask"
    """There was none yet to carry to it. The frame became a slate."""
    MASK_TOO_OLD = "mask_too_old"
    """Older than the bound when its turn came. The frame became a slate."""
    UNTRACKED = "untracked"
    """No motion could be believed that leads to it. The picture before it was held."""
    PAUSED = "paused"
    STOPPED = "stopped"
    """Under way when the run was stopped."""


class Event(StrEnum):
    """Something went wrong with a device, or right again."""

    SOURCE_FAILED = "source_failed"
    """Reading or opening failed: unplugged, most often."""
    SOURCE_GONE = "source_gone"
    """It could not be opened again because it is not there."""
    SOURCE_BUSY = "source_busy"
    """It could not be opened again because another program has it."""
    SOURCE_SILENT = "source_silent"
    """No frame came in time."""
    SOURCE_FROZEN = "source_frozen"
    """The same bytes came over and over."""
    SOURCE_BROKEN = "source_broken"
    """A spell of frames that could not be used; ``unreadable`` counts the frames."""
    SOURCE_RESIZED = "source_resized"
    SOURCE_SLOW = "source_slow"
    """It delivers far less than it promised."""
    SOURCE_RECOVERED = "source_recovered"
    ENGINE_FAILED = "engine_failed"
    ENGINE_STUCK = "engine_stuck"
    OUTPUT_FAILED = "output_failed"
    """The virtual camera took no picture."""
    OUTPUT_RECOVERED = "output_recovered"
    OUTPUT_STARVED = "output_starved"
    """Nobody wrote to the virtual camera any more, not even a slate: another output hangs, say."""


class Stage(StrEnum):
    """The steps a frame takes, in order."""

    CAPTURE = "capture"
    """Waiting for the source and decoding."""
    PREPROCESS = "preprocess"
    INFER = "infer"
    TRACK = "track"
    """Steadying a mask in time, or carrying one to another frame."""
    COMPOSE = "compose"
    """Bringing the mask to the frame's size, the background, the blend."""
    WRITE = "write"
    """All sinks together."""


class Work(StrEnum):
    """What became of the frames inference was offered; a mask that was skipped or carried is no mask."""

    MASKS = "masks"
    """Masks computed and handed on."""
    LOOKS = "looks"
    """Further inferences of a whole frame, to see where the subject is."""
    STILL = "still"
    """Frames so much like the last one with a mask that none was computed."""


@dataclass(slots=True)
class Span:
    """One pass of a stage."""

    stage: Stage
    frame: int | None
    """``Frame.index``; None where no frame came of it; -1 for a slate that stands for none."""
    started: float
    """Of the clock, seconds."""
    ended: float


class Percentiles(TypedDict):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float


class Snapshot(TypedDict):
    """One moment's numbers, ready for JSON."""

    captured: int
    composited: int
    carried: int
    invalid_masks: int
    slates: int
    unreadable: int
    dropped: dict[str, int]
    events: dict[str, int]
    work: dict[str, int]
    rung: str | None
    """How masks are made, at last."""
    steps: int
    """So often it changed."""
    seconds: float
    """From the first capture to the last picture."""
    output_fps: float
    """Pictures per second, counted by the intervals between them: 0 for less than two."""
    latency_ms: Percentiles | None
    mask_age_ms: Percentiles | None
    stage_ms: dict[str, float]
    stage_cpu_ms: dict[str, float]


class Metrics:
    """See the module.

    Args:
        clock: seconds that only grow.
        trace: how many of the latest passes to keep for :meth:`spans`; none unless somebody wants to draw them.
    """

    def __init__(self, clock: Clock = time.perf_counter, *, trace: int = 0) -> None:
        self._clock = clock
        self._spans: deque[Span] = deque(maxlen=trace)
        self._lock = threading.Lock()
        self._captured = self._composited = self._carried = self._invalid_masks = self._slates = self._unreadable = 0
        self._dropped: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._work: Counter[str] = Counter()
        self._rung: str | None = None
        self._steps = 0
        self._first: float | None = None
        self._first_out = self._last = 0.0
        self._latency: deque[float] = deque(maxlen=SAMPLES)
        self._mask_age: deque[float] = deque(maxlen=SAMPLES)
        self._stages: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])  # times, seconds, CPU seconds

    def captured(self) -> None:
        """A frame came from the source."""
        with self._lock:
            self._captured += 1
            if self._first is None:
                self._first = self._clock()

    def composited(self, shown: Compositable, composed_at: float) -> None:
        """A picture with its mask reached every sink.

        Args:
            shown: what it was made of.
            composed_at: when the compositor took it up: the mask's age is counted to here.
        """
        now = self._clock()
        with self._lock:
            self._composited += 1
            self._carried += isinstance(shown, PropagatedFrame)
            if self._composited == 1:
                self._first_out = now
            self._last = now
            self._latency.append(now - shown.frame.captured_at)
            self._mask_age.append(composed_at - shown.origin.captured_at)

    def invalid_mask(self) -> None:
        """The network's answer was no mask."""
        with self._lock:
            self._invalid_masks += 1

    def slate(self) -> None:
        """A slate was shown."""
        with self._lock:
            self._slates += 1

    def dropped(self, reason: Drop, count: int = 1) -> None:
        """Frames were captured and not composited."""
        with self._lock:
            self._dropped[reason] += count

    def event(self, event: Event) -> None:
        """A device failed, or came back."""
        with self._lock:
            self._events[event] += 1

    def worked(self, work: Work) -> None:
        """Inference did something, or was spared it."""
        with self._lock:
            self._work[work] += 1

    def stands_on(self, rung: str) -> None:
        """From now on masks are made like this."""
        with self._lock:
            self._steps += self._rung not in (None, rung)
            self._rung = rung

    def unreadable(self, count: int) -> None:
        """So many pieces of the input, in all so far, could not be decoded and never became frames."""
        with self._lock:
            self._unreadable = count

    @contextmanager
    def stage(self, stage: Stage, frame: int | None = None) -> Iterator[Span]:
        """Time the body as one pass of a stage: by the clock, and this thread's share of the processor.

        Args:
            stage: which.
            frame: ``Frame.index``; a body that only learns it on its way sets it on the span it is given.
        """
        now = self._clock()
        span, cpu = Span(stage, frame, now, now), time.thread_time()
        yield span
        span.ended, cpu_seconds = self._clock(), time.thread_time() - cpu
        with self._lock:
            self._spans.append(span)
            total = self._stages[stage]
            total[0] += 1
            total[1] += span.ended - span.started
            total[2] += cpu_seconds

    def spans(self) -> list[Span]:
        """The latest passes of all stages, in the order they ended."""
        with self._lock:
            return list(self._spans)

    def latencies(self) -> list[float]:
        """Seconds from capture to sink of the latest pictures: what the percentiles are of."""
        with self._lock:
            return list(self._latency)

    def snapshot(self) -> Snapshot:
        """The numbers so far."""
        with self._lock:
            seconds = self._last - self._first if self._first is not None and self._composited else 0.0
            between = self._last - self._first_out
            means = {
                stage: (wall / count * 1e3, cpu / count * 1e3)
                for stage in Stage
                if (total := self._stages.get(stage)) is not None
                for count, wall, cpu in [total]
            }
            return Snapshot(
                captured=self._captured,
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
                output_fps=round((self._composited - 1) / between, 3) if between > 0 else 0.0,
                latency_ms=_percentiles(self._latency),
                mask_age_ms=_percentiles(self._mask_age),
                stage_ms={str(stage): round(wall, 3) for stage, (wall, _) in means.items()},
                stage_cpu_ms={str(stage): round(cpu, 3) for stage, (_, cpu) in means.items()},
            )


def _percentiles(samples: deque[float]) -> Percentiles | None:
    if not samples:
        return None
    p50, p95, p99 = (round(float(value) * 1e3, 2) for value in np.percentile(np.fromiter(samples, float), [50, 95, 99]))
    return Percentiles(p50=p50, p95=p95, p99=p99)
