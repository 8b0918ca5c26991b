"""Looks at whole frames beside the masks of a live ROI: no mask waits for one, and each of them counts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from rtsod.errors import EngineError, MaskError
from rtsod.frames import Alpha, Frame, Image, Mask
from rtsod.imaging.network_input import shrink
from rtsod.masking.refresh import BackgroundRefresher, InPlaceRefresher, Refresh
from rtsod.masking.roi_masker import FULL_FRAME_REFRESH_SECONDS, RoiMasker
from rtsod.metrics import Metrics
from tests.masking.test_roi_masker import FPS, HERE, PART, THERE, WHOLE, Counting, Scene, overlap, see_white


class Held(Counting):
    """Answers when it may."""

    def __init__(self) -> None:
        super().__init__(WHOLE)
        self.may_answer = threading.Event()
        self.fails: BaseException | None = None

    def infer(self, image: Image) -> Alpha:
        assert self.may_answer.wait(10)
        if self.fails is not None:
            raise self.fails
        return super().infer(image)


class Live(Scene):
    """As :class:`Scene`, but whole frames are looked at in the background."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.opened = Held(), True
        self.refresher = BackgroundRefresher(lambda: self.held if self.opened else None, self.metrics)
        self.masker = RoiMasker(WHOLE, self.part, self.refresher, self.metrics)

    def close(self) -> None:
        self.held.may_answer.set()
        self.refresher.close()

    def finish(self) -> None:
        """Let a pending look end."""
        self.held.may_answer.set()
        pending = self.refresher._pending
        if pending is not None:
            pending.exception(10)


def doubt(image: Image) -> Alpha:
    """Half of what is seen is doubtful."""
    seen = see_white(image)
    seen[:, PART // 2 :] *= 0.4
    return seen


@pytest.fixture
def live() -> Iterator[Live]:
    with closing(Live()) as scene:
        yield scene


def test_no_mask_waits_for_a_look(live: Live) -> None:
    """Neither for one at the whole frame's size nor for a small one."""
    for _ in range(5 * FPS):
        before = len(live.part.shown)
        mask = live.masker.mask(live.frame(HERE))
        assert len(live.part.shown) == before + 1
        assert overlap(mask, HERE) > 0.9
        live.masker.run_deferred()
    assert live.held.shown == []
    live.finish()
    assert len(live.held.shown) == 1


def test_before_the_network_for_whole_frames_is_open_the_small_one_sees_them(live: Live) -> None:
    live.opened = False
    coming = [overlap(live.mask(HERE), HERE) for _ in range(5)]
    assert min(coming) > 0.9
    for _ in range(round(FULL_FRAME_REFRESH_SECONDS * FPS) + 2):
        found = live.mask(HERE, THERE)
    assert overlap(found, HERE, THERE) > 0.85


def test_somebody_who_enters_during_a_look_is_found_by_the_small_network(live: Live) -> None:
    for _ in range(5):
        live.mask(HERE)
    found = [overlap(live.mask(HERE, THERE), HERE, THERE) for _ in range(8)]
    assert live.held.shown == []
    assert found[-1] > 0.85


def test_what_a_small_look_sees_is_not_shown(live: Live) -> None:
    """It sees the whole frame coarsely: here, it misses what fills less than a quarter of the picture."""

    def see_large(image: Image) -> Alpha:
        seen = see_white(image)
        return seen if seen.mean() > 0.25 else np.zeros_like(seen)

    for _ in range(5):
        live.mask(HERE)
    live.part.see = see_large
    changed = [live.mask(HERE, (300, 10, 318, 60)) for _ in range(8)]
    assert len(live.part.shown) > 13, "it looked"
    assert min(overlap(mask, HERE) for mask in changed) > 0.9


@pytest.mark.parametrize(("seconds", "looks_again"), [(0.01, True), (0.2, False)])
def test_a_small_look_that_takes_long_is_left_to_the_refreshes(live: Live, seconds: float, looks_again: bool) -> None:
    ticks = (seconds * each for each in itertools.count())
    live.masker._small_look = InPlaceRefresher(lambda: live.part, live.metrics, clock=lambda: next(ticks))
    live.mask(HERE)
    live.finish()
    live.mask(HERE)  # the end of the look is noticed
    live.held.may_answer.clear()
    while live.refresher._pending is None:  # the next one does not end, so that only small looks are possible
        live.mask(HERE)

    def looks(*subjects: tuple[int, int, int, int]) -> int:
        before = len(live.part.shown)
        for _ in range(8):
            live.mask(HERE, *subjects)
        return len(live.part.shown) - before - 8

    right, left = (300, 10, 318, 60), (2, 10, 20, 60)
    assert looks(right) >= 1, "the first one tells how long one takes"
    assert (looks(right, left) >= 1) is looks_again


def test_a_jump_is_followed_in_the_same_frame(live: Live) -> None:
    for _ in range(3):
        live.mask(HERE)
    assert overlap(live.mask(THERE), THERE) > 0.9


def test_a_look_corrects_the_masks_that_follow(live: Live) -> None:
    """The network doubts half of the subject when it sees the ROI alone."""

    live.part.see = doubt
    before = live.mask(HERE)
    live.finish()
    after = [live.mask(HERE) for _ in range(3)][-1]
    truth = see_white(np.asarray(live.held.shown[0]))
    assert np.abs(after.alpha - truth).mean() < 0.5 * np.abs(before.alpha - truth).mean()


def test_an_invalid_look_forgets_the_roi_and_the_next_mask_is_valid(live: Live) -> None:
    live.held.see = lambda image: np.full((WHOLE, WHOLE), np.nan, np.float32)
    live.mask(HERE)
    live.finish()
    with pytest.raises(MaskError):
        live.mask(HERE)
    live.held.see = see_white
    assert overlap(live.mask(HERE), HERE) > 0.9


def test_who_takes_over_learns_from_the_former_masker(live: Live) -> None:
    """The network doubts half of the subject when it sees the ROI alone; its first mask is right all the same."""

    frame = live.frame(HERE)
    mask = Mask(see_white(shrink(frame.image, WHOLE)), frame.index, frame.captured_at)
    live.part.see = doubt
    live.masker.learn(frame, mask)
    assert overlap(live.mask(HERE), HERE) > 0.9
    assert live.held.shown == []


def test_a_look_begun_for_another_masker_says_where_to_look_first(live: Live) -> None:
    live.mask(HERE)
    live.masker = RoiMasker(WHOLE, Counting(PART), live.refresher, live.metrics)  # another rung
    live.finish()
    assert overlap(live.mask(HERE), HERE) > 0.9
    assert live.masker._roi.box is not None


def test_a_network_that_fails_ends_the_run(live: Live) -> None:
    live.held.fails = EngineError("gone")
    live.mask(HERE)
    live.finish()
    with pytest.raises(EngineError, match="gone"):
        live.mask(HERE)


def test_a_look_in_place_is_finished_when_it_begins() -> None:
    whole, metrics = Counting(WHOLE), Metrics()
    refresher = InPlaceRefresher(lambda: whole, metrics)
    frame = Frame(np.full((60, 80, 3), 250, np.uint8), 7, 0.5)
    assert refresher.finished() is None
    assert refresher.begin(frame, None)
    refresh = refresher.finished()
    assert isinstance(refresh, Refresh)
    assert (refresh.frame, refresh.whole.frame_index, refresh.roi) == (frame, 7, None)
    assert refresher.finished() is None


def test_one_look_at_a_time(live: Live) -> None:
    frame = live.frame(HERE)
    assert live.refresher.begin(frame, None)
    assert not live.refresher.begin(frame, None)
    assert live.refresher.finished() is None
    live.finish()
    assert live.refresher.finished() is not None
    assert live.refresher.begin(frame, None)
