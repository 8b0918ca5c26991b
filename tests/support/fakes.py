"""Fake edges, controlled by the test, to drive the pipeline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rtsod.config import Sync
from rtsod.frames import Alpha, Composited, EngineInfo, Frame, Image, MaskedFrame, PropagatedFrame, SourceInfo
from rtsod.interfaces import Clock, Masker, Sink, Source, Wait
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.frame_skip import FrameSkipPolicy
from rtsod.metrics import Metrics
from rtsod.motion.propagate import MaskPropagator
from rtsod.pipeline.mask_sync import Propagator
from rtsod.pipeline.pipeline import Pipeline
from rtsod.pipeline.presenter import Composing

WATERMARK = (7, 131, 249)
"""BGR of every background pixel of a fake frame: it must never appear in an output."""
SUBJECT = (200, 40, 90)


class Ticks:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def picture(width: int = 64, height: int = 48) -> Image:
    """A watermarked room with a subject in its right half."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = WATERMARK
    image[:, width // 2 :] = SUBJECT
    return image


def right_half(size: int) -> Alpha:
    """The subject's mask."""
    alpha = np.zeros((size, size), np.float32)
    alpha[:, size // 2 :] = 1.0
    return alpha


def shows_watermark(image: Image) -> bool:
    return bool((image == np.array(WATERMARK, np.uint8)).all(axis=2).any())


class FakeSource:
    """Delivers ``count`` frames, then ends, fails, or blocks until it is closed."""

    def __init__(
        self,
        count: int,
        *,
        live: bool = False,
        clock: Callable[[], float] = lambda: 0.0,
        then: BaseException | None = None,
        block: bool = False,
        before: Callable[[int], None] = lambda index: None,
        at_end: Callable[[], None] = lambda: None,
        images: Sequence[Image] | None = None,
    ) -> None:
        self.info = SourceInfo("fake", 64, 48, Fraction(30), live)
        self.skipped = 0
        self.closed = threading.Event()
        self.blocked = threading.Event()
        self._count, self._clock, self._then, self._block, self._before = count, clock, then, block, before
        self._images, self._at_end = images, at_end
        self._index = 0

    def read(self) -> Frame | None:
        if self.closed.is_set():
            return None
        if self._index >= self._count:
            self._at_end()
            if self._then is not None:
                raise self._then
            if self._block:
                self.blocked.set()
                self.closed.wait()
            return None
        index = self._index
        self._index += 1
        self._before(index)
        image = self._images[index % len(self._images)] if self._images else picture()
        pts = None if self.info.live else Fraction(index, 30)
        return Frame(image, index, self._clock(), pts)

    def close(self) -> None:
        self.closed.set()


class FakeEngine:
    """Returns ``answer(n)`` for its n-th inference, from 0."""

    def __init__(self, answer: Callable[[int], Alpha] | None = None, size: int = 64) -> None:
        self.info = EngineInfo("fake", "none", "fp32", "none", size, "none")
        self.calls = 0
        self._answer = answer or (lambda call: right_half(size))

    def infer(self, image: Image) -> Alpha:
        call = self.calls
        self.calls += 1
        return self._answer(call)

    def close(self) -> None: ...


class CollectingSink:
    """Keeps every picture, and fails or waits if told to."""

    def __init__(
        self,
        *,
        live: bool = False,
        fail_at: int | None = None,
        error: BaseException | None = None,
        before: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.name = "collecting"
        self.live = live
        self.pictures: list[Composited] = []
        self._fail_at, self._error, self._before = fail_at, error, before

    def write(self, picture: Composited) -> None:
        if not isinstance(picture, Composited):
            raise TypeError(picture)
        self._before(len(self.pictures))
        if self._fail_at == len(self.pictures) and self._error is not None:
            raise self._error
        self.pictures.append(picture)

    def close(self) -> None: ...


def hasten(factor: float) -> tuple[Clock, Wait]:
    """A clock that runs ``factor`` times as fast as the real one, and a way to wait in its seconds."""

    def wait(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        return condition.wait_for(ready, None if timeout is None else timeout / factor)

    return lambda: time.perf_counter() * factor, wait


class UnchangedPropagator:
    """Propagates masks unchanged, at no cost: right for scenes in which nothing moves."""

    def observe(self, frame: Frame) -> None: ...

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        return PropagatedFrame(frame, masked.alpha, masked.mask, frame.index, frame.captured_at)


def pipeline_of(
    source: Source,
    masker: Masker,
    compositor: Composing,
    sinks: Sequence[Sink],
    metrics: Metrics,
    *,
    sync: Sync = "locked",
    mask_interval: int = 1,
    max_mask_age: float = 30.0,
    propagator: Propagator | None = None,
    **options: Any,
) -> Pipeline:
    """A pipeline over fake edges. Static pictures are not skipped, so that a test decides which frames get a mask."""
    plan = MaskPlan((Rung(64),), max_mask_age=max_mask_age, sync=sync, mask_interval=mask_interval)
    if plan.propagates:
        options["propagator"] = propagator or MaskPropagator()
        options["skip_policy"] = FrameSkipPolicy(plan, masker, metrics, live=False)
    return Pipeline(source, masker, compositor, sinks, metrics, plan, **options)


class Card:
    """A background that is one picture, whatever the size."""

    def __init__(self, image: Image) -> None:
        self.image = image

    def picture(self, width: int, height: int, at: float) -> Image:
        return self.image

    def close(self) -> None: ...
