"""Every captured frame is accounted for exactly once, and a pipeline that loses one or counts one twice says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Compositor
from rtsod.config import Sync
from rtsod.errors import EngineError
from rtsod.frames import Frame, Mask, MaskedFrame
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Drop, Metrics
from rtsod.pipeline.ledger import AccountingError, FrameLedger
from rtsod.pipeline.mask_sync import Decision
from rtsod.pipeline.pipeline import READ_AHEAD_FRAMES, Pipeline
from rtsod.pipeline.presenter import Presenter
from rtsod.pipeline.ring import Ring
from rtsod.pipeline.router import FrameRouter
from tests.support.fakes import CollectingSink, FakeEngine, FakeSource, Ticks, picture, pipeline_of, right_half

BAD_FRAME = 2


def pipeline_over(source: FakeSource, *sinks: CollectingSink, **options: Any) -> tuple[Pipeline, Metrics]:
    metrics = Metrics(Ticks())
    masker = WholeFrame(FakeEngine(), metrics)
    compositor = Compositor(ColourBackground("#00FF00"))
    return pipeline_of(source, masker, compositor, sinks, metrics, clock=Ticks(), **options), metrics


# ------------------------------------------------------------------- mutants: each breaks one hand-over in the pipeline


def router_swallows(monkeypatch: pytest.MonkeyPatch) -> None:
    put = FrameRouter.put

    def swallowing(self: FrameRouter, frame: Frame) -> None:
        if frame.index != BAD_FRAME:
            put(self, frame)

    monkeypatch.setattr(FrameRouter, "put", swallowing)


def ring_swallows(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Ring.put

    def swallowing(self: Ring[Any], item: Any) -> Any:
        frame = item if isinstance(item, Frame) else item.frame
        return None if frame.index == BAD_FRAME else put(self, item)

    monkeypatch.setattr(Ring, "put", swallowing)


def presenter_swallows(monkeypatch: pytest.MonkeyPatch) -> None:
    show = Presenter.show

    def swallowing(self: Presenter, decision: Decision) -> None:
        if decision.frame.index != BAD_FRAME:
            show(self, decision)

    monkeypatch.setattr(Presenter, "show", swallowing)


def router_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a tracked frame's request, displaced on its way to inference, were counted as the frame itself."""
    put = FrameRouter.put

    def counting(self: FrameRouter, frame: Frame) -> None:
        put(self, frame)
        if frame.index == BAD_FRAME:
            self._ledger.dropped(frame, Drop.BEFORE_INFERENCE)

    monkeypatch.setattr(FrameRouter, "put", counting)


def presenter_counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    show = Presenter.show

    def counting(self: Presenter, decision: Decision) -> None:
        show(self, decision)
        if decision.frame.index == BAD_FRAME:
            self._ledger.dropped(decision.frame, Drop.UNTRACKED)

    monkeypatch.setattr(Presenter, "show", counting)


ways = pytest.mark.parametrize(
    ("sync", "live"), [("locked", False), ("tracked", False), ("locked", True), ("tracked", True)]
)


def one_at_a_time(live: bool, count: int) -> tuple[FakeSource, CollectingSink]:
    """A source that reads a live frame only when the one before was shown, so that none is displaced."""
    shown = threading.Semaphore(1)

    def before(index: int) -> None:
        if index > 0:
            assert shown.acquire(timeout=10)

    source = FakeSource(count, live=live, before=before if live else lambda index: None)
    shown.acquire()
    return source, CollectingSink(before=lambda pictures: shown.release())


@ways
@pytest.mark.parametrize("mutate", [router_swallows, ring_swallows, presenter_swallows])
def test_a_lost_frame_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None], sync: Sync, live: bool
) -> None:
    mutate(monkeypatch)
    source, sink = one_at_a_time(live, BAD_FRAME + 1)
    pipeline, metrics = pipeline_over(source, sink, sync=sync)
    with pytest.raises(AccountingError, match=f"a frame was lost: frame {BAD_FRAME} in flight after the run"):
        pipeline.run(interval=0.001)
    numbers = metrics.snapshot()
    assert numbers["captured"] - numbers["composited"] - sum(numbers["dropped"].values()) == 1


@ways
@pytest.mark.parametrize("mutate", [router_counts_too, presenter_counts_twice])
def test_a_frame_counted_twice_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None], sync: Sync, live: bool
) -> None:
    mutate(monkeypatch)
    source, sink = one_at_a_time(live, BAD_FRAME + 1)
    pipeline, metrics = pipeline_over(source, sink, sync=sync)
    with pytest.raises(AccountingError, match=f"frame {BAD_FRAME} was counted twice"):
        pipeline.run(interval=0.001)
    assert all(count >= 0 for count in metrics.snapshot()["dropped"].values())


def test_a_pipeline_that_loses_every_frame_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameRouter, "put", lambda self, frame: None)
    pipeline, metrics = pipeline_over(FakeSource(100_000))
    with pytest.raises(AccountingError, match=r"a frame was lost: .* capacity 8"):
        pipeline.run(interval=0.001)
    assert metrics.snapshot()["captured"] == 9


# ------------------------------------------------------------------------------------- what is in flight at the end


def test_frames_in_flight_at_a_stop_are_counted_one_by_one() -> None:
    """A blocked sink fills the pipeline: its capacity, no more and no less, is in flight when the run stops."""
    stopped = threading.Event()

    def before(count: int) -> None:
        if count == 0:
            assert stopped.wait(10)

    sink = CollectingSink(before=before)
    pipeline, metrics = pipeline_over(FakeSource(10_000), sink)
    capacity = READ_AHEAD_FRAMES + 1 + 3
    close = pipeline._to_show.close

    def close_and_tell(**options: Any) -> Any:
        closed = close(**options)
        stopped.set()
        return closed

    pipeline._to_show.close = close_and_tell  # type: ignore[method-assign]
    pipeline.run(tick=lambda: metrics.snapshot()["captured"] == capacity, interval=0.001)
    numbers = metrics.snapshot()
    assert numbers["captured"] == capacity
    assert numbers["composited"] == 2, "the frame being written, and the mask that was ready"
    assert numbers["dropped"] == {"stopped": capacity - 2}


@pytest.mark.parametrize("sync", ["locked", "tracked"])
def test_frames_left_behind_by_a_failed_engine_are_counted(sync: Sync) -> None:
    full = threading.Event()

    def answer(call: int) -> Any:
        assert full.wait(10)
        raise EngineError("the GPU fell out")

    metrics = Metrics(Ticks())
    masker = WholeFrame(FakeEngine(answer), metrics)
    source = FakeSource(READ_AHEAD_FRAMES + 1, at_end=full.set)
    pipeline = pipeline_of(source, masker, Compositor(ColourBackground("#00FF00")), [], metrics, sync=sync)
    with pytest.raises(EngineError, match="the GPU fell out"):
        pipeline.run(interval=0.001)
    assert metrics.snapshot()["dropped"] == {"stopped": READ_AHEAD_FRAMES + 1}


@pytest.mark.parametrize("by_user", [True, False])
def test_a_step_that_takes_long_is_an_error_only_if_nobody_stopped_it(
    by_user: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rtsod.pipeline.pipeline.JOIN_TIMEOUT", 0.0)
    in_inference, let_go = threading.Event(), threading.Event()

    def answer(call: int) -> Any:
        in_inference.set()
        assert let_go.wait(10)
        return right_half(64)

    def tick() -> bool:
        if by_user:
            return in_inference.wait(10)
        assert in_inference.wait(10)
        clock.now += 1e6
        return False

    clock = Ticks()
    metrics = Metrics(clock)
    source = FakeSource(1, live=not by_user, block=True)
    masker = WholeFrame(FakeEngine(answer), metrics)
    pipeline = pipeline_of(
        source, masker, Compositor(ColourBackground("#00FF00")), [], metrics, duration=1.0, clock=clock
    )
    try:
        if by_user:
            pipeline.run(tick=tick, interval=0.001)
            assert any("did not end within" in message for message in caplog.messages)
        else:
            with pytest.raises(EngineError, match="did not end within"):
                pipeline.run(tick=tick, interval=0.001)
        with pytest.raises(EngineError, match=r"did not end within .*inference"):
            pipeline.check_ended()  # so no other source follows
    finally:
        let_go.set()
        for thread in pipeline._threads:
            thread.join(10)
        pipeline._capture.join(10)


def test_further_errors_are_notes_of_the_first() -> None:
    in_inference = threading.Event()

    def answer(call: int) -> Any:
        in_inference.set()
        assert source.closed.wait(10)
        raise EngineError("the GPU fell out")

    def fail() -> None:
        assert in_inference.wait(10)
        raise EngineError("the source failed")

    metrics = Metrics(Ticks())
    source = FakeSource(1, at_end=fail)
    masker = WholeFrame(FakeEngine(answer), metrics)
    pipeline = pipeline_of(source, masker, Compositor(ColourBackground("#00FF00")), [], metrics)
    with pytest.raises(EngineError, match="the source failed") as caught:
        pipeline.run(tick=lambda: pipeline._capture.error is not None, interval=0.001)
    assert caught.value.__notes__ == ["also: EngineError: the GPU fell out"]


# ----------------------------------------------------------------------------------------------------- the ledger alone


def frame(index: int) -> Frame:
    return Frame(picture(), index, float(index))


def masked(one: Frame) -> MaskedFrame:
    return MaskedFrame(one, Mask(right_half(8), one.index, one.captured_at))


def test_a_frame_is_settled_once() -> None:
    metrics = Metrics(Ticks())
    ledger, first, second = FrameLedger(metrics, 2), frame(0), frame(1)
    ledger.captured(first)
    ledger.captured(second)
    ledger.composited(first, masked(first), 0.0)
    ledger.dropped(second, Drop.PAUSED)
    with pytest.raises(AccountingError, match="frame 0 was counted twice"):
        ledger.dropped(first, Drop.PAUSED)
    with pytest.raises(AccountingError, match="frame 1 was counted twice"):
        ledger.composited(second, masked(second), 0.0)
    ledger.close()
    numbers = metrics.snapshot()
    assert (numbers["captured"], numbers["composited"], numbers["dropped"]) == (2, 1, {"paused": 1})


def fail_while_holding(ledger: FrameLedger, one: Frame) -> None:
    with ledger.holding(one):
        raise ZeroDivisionError


def test_a_frame_that_a_failing_thread_holds_is_stopped_unless_it_was_settled() -> None:
    metrics = Metrics(Ticks())
    ledger, first, second = FrameLedger(metrics, 2), frame(0), frame(1)
    ledger.captured(first)
    ledger.captured(second)
    ledger.dropped(second, Drop.PAUSED)
    for one in (first, second):
        with pytest.raises(ZeroDivisionError):
            fail_while_holding(ledger, one)
    ledger.close()
    assert metrics.snapshot()["dropped"] == {"paused": 1, "stopped": 1}


def test_a_stuck_thread_holds_at_most_one_frame_and_is_not_heard_later() -> None:
    metrics = Metrics(Ticks())
    ledger, first, second = FrameLedger(metrics, 2), frame(0), frame(1)
    ledger.captured(first)
    ledger.captured(second)
    with pytest.raises(AccountingError, match="frames 0, 1 in flight after the run"):
        ledger.close(stuck_threads=1)
    assert metrics.snapshot()["dropped"] == {"stopped": 1}
    ledger.dropped(first, Drop.PAUSED)
    assert metrics.snapshot()["dropped"] == {"stopped": 1}
