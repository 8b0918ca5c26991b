"""The pipeline's promises, driven through fake edges: order, drops, fail-closed, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Compositor
from rtsod.config import Sync
from rtsod.errors import EngineError, OutputError, SourceError
from rtsod.frames import Alpha, Composited
from rtsod.interfaces import Transparent
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.pipeline.pipeline import Pipeline
from rtsod.pipeline.stall import STALL_SECONDS
from tests.support.fakes import (
    CollectingSink,
    FakeEngine,
    FakeSource,
    Ticks,
    picture,
    pipeline_of,
    right_half,
    shows_watermark,
)  # fmt: skip

GREEN = "#00FF00"
SYNCS: tuple[Sync, ...] = ("locked", "tracked")
both_syncs = pytest.mark.parametrize("sync", SYNCS)


def _pipeline(
    source: FakeSource,
    engine: FakeEngine | None = None,
    *sinks: CollectingSink,
    clock: Callable[[], float] | None = None,
    **options: Any,
) -> tuple[Pipeline, Metrics]:
    clock = clock or Ticks()
    metrics = Metrics(clock)
    compositor = Compositor(ColourBackground(GREEN))
    masker = WholeFrame(engine or FakeEngine(), metrics)
    return pipeline_of(source, masker, compositor, sinks, metrics, clock=clock, **options), metrics


def _accounted(metrics: Metrics) -> bool:
    numbers = metrics.snapshot()
    return numbers["captured"] == numbers["composited"] + sum(numbers["dropped"].values())


@given(
    count=st.integers(0, 40),
    slow=st.sampled_from(["source", "engine", "sink", "none"]),
    sync=st.sampled_from(SYNCS),
    mask_interval=st.integers(1, 6),
)
@settings(max_examples=40)
def test_every_frame_of_a_file_is_shown_in_order_with_its_own_time_stamp(
    count: int, slow: str, sync: Sync, mask_interval: int
) -> None:
    def pause(_: int) -> None:
        threading.Event().wait(0.0005)

    def nothing(_: int) -> None: ...

    source = FakeSource(count, before=pause if slow == "source" else nothing)

    def answer(call: int) -> Alpha:
        if slow == "engine":
            pause(call)
        return right_half(64)

    sink = CollectingSink(before=pause if slow == "sink" else nothing)
    engine = FakeEngine(answer)
    pipeline, metrics = _pipeline(source, engine, sink, sync=sync, mask_interval=mask_interval)
    pipeline.run(interval=0.001)
    if sync == "tracked":
        assert engine.calls == -(-count // mask_interval)
    assert [p.index for p in sink.pictures] == list(range(count))
    assert [p.pts for p in sink.pictures] == [Fraction(index, 30) for index in range(count)]
    assert not any(p.is_slate for p in sink.pictures)
    assert metrics.snapshot()["dropped"] == {}
    assert metrics.snapshot()["composited"] == count


def test_live_input_uses_the_newest_frame_and_counts_the_others() -> None:
    inferring, captured_all, first_shown = threading.Event(), threading.Event(), threading.Event()

    def before(index: int) -> None:
        if index == 1:
            assert inferring.wait(10)  # frame 0 is with the engine

    def answer(call: int) -> Alpha:
        inferring.set()
        assert (captured_all if call == 0 else first_shown).wait(10)
        return right_half(64)

    source = FakeSource(10, live=True, before=before, at_end=captured_all.set)
    sink = CollectingSink(before=lambda count: first_shown.set())
    pipeline, metrics = _pipeline(source, FakeEngine(answer), sink)
    pipeline.run(interval=0.001)
    assert [p.index for p in sink.pictures] == [0, 9]
    assert metrics.snapshot()["dropped"] == {"before_inference": 8}
    assert _accounted(metrics)


@both_syncs
def test_a_mask_is_composited_with_the_frame_it_was_computed_from(sync: Sync) -> None:
    images = [picture() for _ in range(20)]
    for index, image in enumerate(images):
        image[:, 32:] = index * 10  # the subject says which frame it is

    def answer(call: int) -> Alpha:
        alpha = np.zeros((64, 64), np.float32)
        alpha[:, 63 - call :] = 1.0  # and so does the mask, by its width
        return alpha

    sink = CollectingSink()
    pipeline, _ = _pipeline(FakeSource(20, images=images), FakeEngine(answer), sink, sync=sync)
    pipeline.run(interval=0.001)
    assert len(sink.pictures) == 20
    for index, shown in enumerate(sink.pictures):
        assert (shown.image[24, 63] == index * 10).all()
        assert int((shown.image[24] == index * 10).all(axis=1).sum()) == pytest.approx(index + 1, abs=1)


@both_syncs
def test_viewers_see_a_slate_first_and_last_and_a_recording_holds_only_frames(sync: Sync) -> None:
    watching, recording = CollectingSink(live=True), CollectingSink()
    pipeline, _ = _pipeline(FakeSource(3), None, watching, recording, sync=sync)
    pipeline.run(interval=0.001)
    assert [p.is_slate for p in watching.pictures] == [True, False, False, False, True]
    assert [p.is_slate for p in recording.pictures] == [False] * 3


BAD_MAPS: dict[str, Callable[[], Alpha]] = {
    "nan": lambda: np.full((64, 64), np.nan, np.float32),
    "inf": lambda: np.full((64, 64), np.inf, np.float32),
    "above": lambda: np.full((64, 64), 1.5, np.float32),
    "below": lambda: np.full((64, 64), -0.5, np.float32),
    "one nan": lambda: np.where(np.eye(64) > 0, np.nan, right_half(64)).astype(np.float32),
}


@pytest.mark.parametrize("kind", BAD_MAPS)
@pytest.mark.parametrize(("sync", "live"), [("locked", False), ("locked", True), ("tracked", False)])
def test_a_frame_with_an_invalid_mask_becomes_a_slate_and_the_run_continues(kind: str, sync: Sync, live: bool) -> None:
    waiting = threading.Semaphore(1)

    def before(index: int) -> None:
        assert waiting.acquire(timeout=10)  # one frame at a time, so that live input drops none

    sink = CollectingSink(before=lambda count: waiting.release())
    engine = FakeEngine(lambda call: BAD_MAPS[kind]() if call % 2 else right_half(64))
    pipeline, metrics = _pipeline(FakeSource(6, live=live, before=before), engine, sink, sync=sync)
    pipeline.run(interval=0.001)
    assert [p.is_slate for p in sink.pictures] == [False, True] * 3
    assert [p.index for p in sink.pictures] == list(range(6))
    assert not any(shows_watermark(p.image) for p in sink.pictures)
    assert metrics.snapshot()["dropped"] == {"invalid_mask": 3}
    assert _accounted(metrics)


@both_syncs
def test_an_engine_that_never_returns_a_valid_mask_is_an_error(sync: Sync) -> None:
    sink = CollectingSink()
    pipeline, _ = _pipeline(FakeSource(4), FakeEngine(lambda call: BAD_MAPS["nan"]()), sink, sync=sync)
    with pytest.raises(EngineError, match="no valid mask"):
        pipeline.run(interval=0.001)
    assert all(p.is_slate for p in sink.pictures)


def test_a_live_mask_that_is_too_old_is_not_shown() -> None:
    clock = Ticks()

    def answer(call: int) -> Alpha:
        clock.now += 5.0  # inference took five seconds
        return right_half(64)

    sink = CollectingSink()
    pipeline, metrics = _pipeline(
        FakeSource(1, live=True, clock=clock), FakeEngine(answer), sink, clock=clock, max_mask_age=1.0
    )
    pipeline.run(interval=0.001)
    assert [p.is_slate for p in sink.pictures] == [True]
    assert metrics.snapshot()["dropped"] == {"mask_too_old": 1}


@both_syncs
def test_a_file_may_take_its_time(sync: Sync) -> None:
    clock = Ticks()

    def answer(call: int) -> Alpha:
        clock.now += 100.0
        return right_half(64)

    sink = CollectingSink()
    pipeline, _ = _pipeline(
        FakeSource(2, clock=clock), FakeEngine(answer), sink, clock=clock, max_mask_age=1.0, sync=sync
    )
    pipeline.run(interval=0.001)
    assert [p.is_slate for p in sink.pictures] == [False, False]


def test_viewers_of_a_stalled_live_input_see_a_slate() -> None:
    shown = threading.Event()

    def before(count: int) -> None:
        if count == 1:  # the slate at the start comes first
            shown.set()

    def wait(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        """No time passes before the picture is shown, so that a slow machine shows no slate in between."""
        return condition.wait_for(ready, 0.001 if shown.is_set() and timeout is not None else None)

    watching = CollectingSink(live=True, before=before)
    source = FakeSource(1, live=True, block=True)
    pipeline, _ = _pipeline(source, None, watching, max_mask_age=0.02, wait=wait)
    pipeline.run(tick=lambda: len(watching.pictures) >= 3, interval=0.001)
    assert [p.is_slate for p in watching.pictures[:3]] == [True, False, True]
    assert not any(shows_watermark(p.image) for p in watching.pictures)


@both_syncs
def test_in_a_stall_all_sinks_get_slates_at_the_rate_of_the_output(sync: Sync) -> None:
    watching, recording = CollectingSink(live=True), CollectingSink()
    waits: list[float | None] = []

    def wait(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        if timeout is None:
            return condition.wait_for(ready)
        waits.append(timeout)
        return condition.wait_for(ready, 0.01)

    source = FakeSource(1, live=True, block=True)
    pipeline, _ = _pipeline(source, None, watching, recording, max_mask_age=7.0, wait=wait, sync=sync)
    pipeline.run(tick=lambda: sum(p.is_slate for p in recording.pictures) >= 5, interval=0.001)
    assert [p.is_slate for p in recording.pictures].count(False) <= 1
    stalled = 7.0 if sync == "locked" else STALL_SECONDS  # a mask of each frame may take its time
    assert set(waits) == {stalled, float(Fraction(1, 30))}


@both_syncs
def test_live_input_that_stalls_ends_with_its_duration(sync: Sync) -> None:
    clock = Ticks()
    pipeline, _ = _pipeline(FakeSource(1, live=True, block=True, clock=clock), clock=clock, duration=5.0, sync=sync)

    def tick() -> bool:
        clock.now += 1.0
        return False

    pipeline.run(tick=tick, interval=0.001)
    assert 30.0 < clock.now < 60.0  # five seconds, and the age that a mask may have


class _Boom(EngineError):
    pass


def _failing(kind: str) -> tuple[FakeSource, FakeEngine, CollectingSink, BaseException]:
    if kind == "source":
        error: BaseException = SourceError("unplugged")
        return FakeSource(3, then=error), FakeEngine(), CollectingSink(), error
    if kind == "engine":
        error = _Boom("the GPU fell out")

        def answer(call: int) -> Alpha:
            if call == 3:
                raise error
            return right_half(64)

        return FakeSource(1000), FakeEngine(answer), CollectingSink(), error
    error = OutputError("disk full") if kind == "sink" else ValueError("a bug")
    return FakeSource(1000), FakeEngine(), CollectingSink(fail_at=3, error=error), error


@both_syncs
@pytest.mark.parametrize("kind", ["source", "engine", "sink", "bug"])
def test_an_error_in_any_thread_ends_the_run_and_reaches_the_caller(kind: str, sync: Sync) -> None:
    source, engine, sink, error = _failing(kind)
    watching = CollectingSink(live=True)
    pipeline, metrics = _pipeline(source, engine, watching, sink, sync=sync)
    with pytest.raises(type(error)) as caught:
        pipeline.run(interval=0.001)
    assert caught.value is error
    assert len(sink.pictures) == 3, "what came before the error is kept"
    assert source.closed.is_set()
    assert _accounted(metrics)
    assert watching.pictures[-1].is_slate, "the last picture does not stay visible"


@both_syncs
@pytest.mark.parametrize("where", ["blocked source", "slow engine", "slow sink", "file"])
def test_stopping_ends_every_thread_wherever_it_waits(where: str, sync: Sync) -> None:
    release = threading.Event()
    arrived = threading.Event()

    def hold(_: int) -> None:
        arrived.set()
        release.wait(10)

    source = FakeSource(0 if where == "blocked source" else 10_000, live=where != "file", block=True)
    if where == "blocked source":
        arrived = source.blocked

    def answer(call: int) -> Alpha:
        if where == "slow engine":
            hold(call)
        if where == "file" and call == 5:
            arrived.set()
        return right_half(64)

    sink = CollectingSink(before=hold if where == "slow sink" else lambda count: None)

    def tick() -> bool:
        if arrived.is_set():
            release.set()
            return True
        return False

    pipeline, metrics = _pipeline(source, FakeEngine(answer), sink, sync=sync)
    pipeline.run(tick=tick, interval=0.001)
    assert arrived.is_set()
    assert source.closed.is_set()
    assert _accounted(metrics)


@both_syncs
def test_limits_are_kept_exactly(sync: Sync) -> None:
    for options, expected in (({"max_frames": 7}, 7), ({"duration": 0.5}, 15), ({"duration": 0.01}, 1)):
        sink = CollectingSink()
        pipeline, _ = _pipeline(FakeSource(100), None, sink, **options, sync=sync)
        pipeline.run(interval=0.001)
        assert len(sink.pictures) == expected


def test_pausing_live_input_shows_slates_and_infers_nothing() -> None:
    watching = CollectingSink(live=True)
    engine = FakeEngine()
    go_on = threading.Semaphore(0)

    def before(index: int) -> None:
        if index in (1, 2):
            assert go_on.acquire(timeout=10)

    pipeline, metrics = _pipeline(FakeSource(3, live=True, before=before), engine, watching)
    seen: list[int] = []

    def tick() -> bool:
        pictures = len(watching.pictures)
        if pictures == 2 + len(seen) < 5:  # a slate at the start, and frame 0
            seen.append(pictures)
            if pictures == 2:
                pipeline.pause()
            elif pictures == 3:  # the pause's slate: had frame 1 come before it, there would be one slate for both
                go_on.release()
            else:
                pipeline.resume()
                go_on.release()
        return False

    pipeline.run(tick=tick, interval=0.001)
    assert [p.is_slate for p in watching.pictures] == [True, False, True, True, False, True]
    assert [p.index for p in watching.pictures] == [-1, 0, -1, 1, 2, -1]  # a slate at once, and one for the frame
    assert engine.calls == 2
    assert metrics.snapshot()["dropped"] == {"paused": 1}


@both_syncs
def test_pausing_a_file_holds_it_and_loses_nothing(sync: Sync) -> None:
    watching, recording = CollectingSink(live=True), CollectingSink()
    pipeline, metrics = _pipeline(FakeSource(30), None, watching, recording, sync=sync)
    pipeline.pause()
    ticks = 0

    def tick() -> bool:
        nonlocal ticks
        if len(watching.pictures) >= 2:
            ticks += 1
        if ticks == 5:
            assert not recording.pictures
            pipeline.resume()
        return False

    pipeline.run(tick=tick, interval=0.001)
    assert [p.index for p in recording.pictures] == list(range(30))
    assert not any(p.is_slate for p in recording.pictures)
    assert _accounted(metrics)


@both_syncs
def test_stopping_while_paused_ends(sync: Sync) -> None:
    watching = CollectingSink(live=True)
    pipeline, metrics = _pipeline(FakeSource(30), None, watching, sync=sync)
    pipeline.pause()
    pipeline.run(tick=lambda: len(watching.pictures) >= 2, interval=0.001)
    assert all(p.is_slate for p in watching.pictures)
    assert _accounted(metrics)


@given(
    faults=st.lists(st.sampled_from(["good", "nan", "above", "late"]), min_size=1, max_size=25),
    live=st.booleans(),
    transparent=st.booleans(),
    sync=st.sampled_from(SYNCS),
    mask_interval=st.integers(1, 4),
)
@settings(max_examples=120)
def test_no_pixel_of_the_room_is_ever_shown(
    faults: list[str], live: bool, transparent: bool, sync: Sync, mask_interval: int
) -> None:
    """Whatever the engine does, in every interleaving of the threads that occurs here."""
    clock = Ticks()

    def answer(call: int) -> Alpha:
        fault = faults[call % len(faults)]
        if fault == "late":
            clock.now += 10
        return BAD_MAPS[fault]() if fault in BAD_MAPS else right_half(64)

    sinks = [CollectingSink(live=True), CollectingSink()]
    backdrop = Transparent() if transparent else ColourBackground(GREEN)
    metrics = Metrics(clock)
    pipeline = pipeline_of(
        FakeSource(len(faults), live=live, clock=clock),
        WholeFrame(FakeEngine(answer), metrics),
        Compositor(backdrop),
        sinks,
        metrics,
        sync=sync,
        mask_interval=mask_interval,
        max_mask_age=1.0,
        clock=clock,
    )
    with suppress(EngineError):  # no valid mask in the whole run
        pipeline.run(interval=0.001)
    for sink in sinks:
        for shown in sink.pictures:
            assert isinstance(shown, Composited)
            assert not shows_watermark(shown.image)
    assert _accounted(metrics)
