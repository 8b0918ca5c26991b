"""Live and tracked: every frame is shown at once with the newest mask, propagated; and what is shown otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from rtsod.app.assembly import sync_that_ran
from rtsod.app.console import Reporter, frozen_picture_hint
from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Compositor
from rtsod.errors import MaskWithheld
from rtsod.frames import Alpha, Composited, Frame, Image, Mask, MaskedFrame, PropagatedFrame
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Drop, Metrics, Snapshot
from rtsod.motion.propagate import MaskPropagator
from rtsod.pipeline.mask_sync import Propagator
from tests.support.fakes import (
    CollectingSink,
    FakeEngine,
    FakeSource,
    Ticks,
    UnchangedPropagator,
    pipeline_of,
    right_half,
    shows_watermark,
)  # fmt: skip

FRAMES = 12
NOWHERE = np.full((64, 64), np.nan, np.float32)


class NoFlow:
    """Finds no reliable flow."""

    def observe(self, frame: Frame) -> None: ...

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        return None


class Stage:
    """One frame at a time, each read once the previous one is settled. The engine returns when it is told to.

    It infers frame 0, then frame 1, and only then is frame 2 read: frame 0's mask is known from there on.
    """

    def __init__(self, propagator: Propagator, images: list[Image] | None = None) -> None:
        self.clock = Ticks()
        self.metrics = Metrics(self.clock)
        self.sink = CollectingSink()
        self.cue: dict[int, Callable[[], None]] = {}
        """What happens just before a frame is read."""
        self.answers: dict[int, Alpha | MaskWithheld] = {}
        self._may_answer = threading.Semaphore(0)
        self._calls = threading.Semaphore(0)
        self._dealt_with = threading.Condition()
        source = FakeSource(FRAMES, live=True, clock=self.clock, before=self._before, at_end=self._end, images=images)
        masker = WholeFrame(FakeEngine(self._answer), self.metrics)
        self.pipeline = pipeline_of(
            source, masker, Compositor(ColourBackground("#00FF00")), [self.sink], self.metrics,
            sync="tracked", propagator=propagator, max_mask_age=1.0, clock=self.clock,
        )  # fmt: skip

    def run(self) -> Snapshot:
        self.pipeline.run(tick=self._tick, interval=0.001)
        numbers = self.metrics.snapshot()
        assert numbers["captured"] == numbers["composited"] + sum(numbers["dropped"].values()) == FRAMES
        return numbers

    def let_the_engine_answer(self) -> None:
        """Wait until the mask is known, which is when the next inference begins."""
        self._may_answer.release()
        assert self._calls.acquire(timeout=10)

    @property
    def shown(self) -> list[Composited]:
        return self.sink.pictures

    def _answer(self, call: int) -> Alpha:
        self._calls.release()
        assert self._may_answer.acquire(timeout=10)
        answer = self.answers.get(call, right_half(64))
        if isinstance(answer, MaskWithheld):
            raise answer
        return answer

    def _before(self, index: int) -> None:
        self._until_dealt_with(index)
        if index == 1:
            assert self._calls.acquire(timeout=10)
        elif index == 2:
            self.let_the_engine_answer()
        self.cue.get(index, lambda: None)()

    def _until_dealt_with(self, frames: int) -> None:
        with self._dealt_with:
            assert self._dealt_with.wait_for(lambda: self._done() >= frames, timeout=10)

    def _end(self) -> None:
        self._until_dealt_with(FRAMES)
        self._may_answer.release(FRAMES)

    def _done(self) -> int:
        numbers = self.metrics.snapshot()
        return numbers["composited"] + sum(numbers["dropped"].values())

    def _tick(self) -> bool:
        with self._dealt_with:
            self._dealt_with.notify_all()
        return False


def test_the_output_keeps_the_cameras_rate_whatever_inference_costs() -> None:
    stage = Stage(MaskPropagator())
    numbers = stage.run()
    assert [p.index for p in stage.shown] == list(range(FRAMES))
    assert [p.is_slate for p in stage.shown] == [True, True] + [False] * (FRAMES - 2)
    assert numbers["dropped"] == {"no_mask": 2}
    assert numbers["carried"] == numbers["composited"] == FRAMES - 2
    assert not any(shows_watermark(p.image) for p in stage.shown)


def test_a_mask_is_as_old_as_the_frame_it_was_computed_from() -> None:
    stage = Stage(UnchangedPropagator())

    def pass_time() -> None:
        stage.clock.now += 0.3

    stage.cue = dict.fromkeys(range(2, FRAMES), pass_time)
    numbers = stage.run()
    assert [p.is_slate for p in stage.shown] == [True, True, False, False, False] + [True] * (FRAMES - 5)
    assert numbers["dropped"] == {"no_mask": 2, "mask_too_old": FRAMES - 5}
    ages = numbers["mask_age_ms"]
    assert ages is not None
    assert ages["p50"] == pytest.approx(600)
    latency = numbers["latency_ms"]
    assert latency is not None
    assert latency["p99"] == 0, "the frame itself is new"


def test_the_newest_mask_is_used_as_soon_as_it_is_there() -> None:
    stage = Stage(UnchangedPropagator(), [np.full((48, 64, 3), 9, np.uint8)])
    stage.answers = {1: np.ones((64, 64), np.float32)}
    stage.cue = {6: stage.let_the_engine_answer}
    stage.run()
    assert [int((p.image == 9).all(axis=2).mean() > 0.9) for p in stage.shown] == [0] * 6 + [1] * (FRAMES - 6)


def test_an_invalid_mask_does_not_replace_a_valid_one() -> None:
    stage = Stage(UnchangedPropagator())
    stage.answers = {1: NOWHERE}
    stage.cue = {6: stage.let_the_engine_answer}
    numbers = stage.run()
    assert numbers["invalid_masks"] == 1
    assert numbers["composited"] == FRAMES - 2


def test_a_mask_that_is_withheld_withdraws_those_before_it() -> None:
    stage = Stage(UnchangedPropagator())
    stage.answers = {1: MaskWithheld("out of its depth")}
    stage.cue = {6: stage.let_the_engine_answer}
    numbers = stage.run()
    assert [p.is_slate for p in stage.shown] == [True] * 2 + [False] * 4 + [True] * (FRAMES - 6)
    assert numbers["dropped"] == {"no_mask": 2, "doubted": FRAMES - 6}
    assert numbers["invalid_masks"] == 0


def test_without_reliable_flow_the_newest_frame_with_its_own_mask_is_shown_once() -> None:
    images = [np.full((48, 64, 3), 10 * index, np.uint8) for index in range(FRAMES)]
    stage = Stage(NoFlow(), images)
    stage.cue = {6: stage.let_the_engine_answer}
    numbers = stage.run()
    pictures = [p for p in stage.shown if not p.is_slate]
    # Frame 0 in the place of frame 2; later frame 1 in that of 6, once its mask is there.
    assert [(p.index, int(p.image[24, 63, 0])) for p in pictures] == [(2, 0), (6, 10)]
    assert numbers["dropped"] == {"no_mask": 2, "untracked": FRAMES - 4}


def test_the_picture_never_goes_back_in_time() -> None:
    """Tracked up to frame 5, then lost: frame 1's own mask, known by then, does not bring frame 1 back."""

    class Then(UnchangedPropagator):
        def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
            return super().propagate(masked, frame) if frame.index <= 5 else None

    stage = Stage(Then())
    stage.cue = {6: stage.let_the_engine_answer}
    numbers = stage.run()
    assert [p.index for p in stage.shown if not p.is_slate] == [2, 3, 4, 5]
    assert numbers["dropped"] == {"no_mask": 2, "untracked": FRAMES - 6}


def test_pausing_shows_slates_at_once() -> None:
    stage = Stage(UnchangedPropagator())
    stage.cue = {6: stage.pipeline.pause, 9: stage.pipeline.resume}
    numbers = stage.run()
    assert [p.is_slate for p in stage.shown] == [True] * 2 + [False] * 4 + [True] * 3 + [False] * (FRAMES - 9)
    assert numbers["dropped"] == {"no_mask": 2, "paused": 3}


def test_a_frame_whose_mask_comes_in_time_is_locked_and_the_others_are_tracked() -> None:
    clock, metrics, sink, tracked = Ticks(), Metrics(), CollectingSink(), range(4, 8)
    may_answer, coming = threading.Semaphore(4), 0
    dealt_with = threading.Condition()

    def done() -> int:  # a slow machine may see a slate in between
        return sum(not picture.is_slate for picture in sink.pictures)

    def before(index: int) -> None:
        nonlocal coming
        with dealt_with:
            assert dealt_with.wait_for(lambda: done() >= index, timeout=10)
        coming = index
        if index == tracked.stop:
            may_answer.release(FRAMES)

    def tick() -> bool:
        with dealt_with:
            dealt_with.notify_all()
        return False

    def answer(call: int) -> Alpha:
        assert may_answer.acquire(timeout=10)
        return right_half(64)

    class Changing(WholeFrame):
        @property
        def mask_interval(self) -> int:
            return 2 if coming in tracked else 1

    pipeline = pipeline_of(
        FakeSource(FRAMES, live=True, clock=clock, before=before, at_end=lambda: before(FRAMES)),
        Changing(FakeEngine(answer), metrics), Compositor(ColourBackground("#00FF00")), [sink], metrics,
        sync="auto", propagator=UnchangedPropagator(), max_mask_age=1.0, clock=clock,
        wait=lambda condition, ready, timeout: condition.wait_for(ready, None if timeout is None else 10),
    )  # fmt: skip
    pipeline.run(tick=tick, interval=0.001)
    numbers = metrics.snapshot()
    assert [p.index for p in sink.pictures if not p.is_slate] == list(range(FRAMES))
    assert numbers["dropped"] == {}
    assert len(tracked) <= numbers["carried"] < FRAMES  # inference may still be busy when it ends
    assert sync_that_ran("auto", numbers) == "locked and tracked"
    assert not any(shows_watermark(p.image) for p in sink.pictures)


# ------------------------------------------------------------------------------------ what the user is told


@pytest.mark.parametrize(
    ("captured", "held", "told"),
    [(1000, 101, True), (1000, 100, False), (100, 29, False), (100, 30, True), (0, 0, False)],
)
def test_a_picture_that_often_freezes_is_worth_a_line(captured: int, held: int, told: bool) -> None:
    metrics = Metrics()
    for _ in range(captured):
        metrics.captured()
    metrics.dropped(Drop.UNTRACKED, held)
    assert (frozen_picture_hint(metrics.counts()) is not None) is told


def test_the_line_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics()
    for _ in range(100):
        metrics.captured()
    with Reporter().frames("camera 0", None, metrics) as bar:
        bar.poll()
        for _ in range(3):
            metrics.dropped(Drop.UNTRACKED, 20)
            bar.poll()
    assert capsys.readouterr().err.count("the picture froze") == 1


def test_a_bar_that_is_polled_at_every_tick_computes_no_percentiles(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()

    def refuse(*arguments: object) -> None:
        raise AssertionError("percentiles take milliseconds in a long run")

    frame = Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0)
    metrics.composited(MaskedFrame(frame, Mask(np.ones((2, 2), np.float32), 0, 0.0)), 0.0)
    monkeypatch.setattr(np, "percentile", refuse)
    with Reporter().frames("camera 0", None, metrics) as bar:
        bar.poll()
