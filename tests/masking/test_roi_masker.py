"""Masks of the ROI, and when they are refreshed from the full frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.backends.constant import ConstantEngine
from rtsod.config import Fit
from rtsod.errors import MaskError
from rtsod.frames import Alpha, Fitting, Frame, Image, Mask
from rtsod.imaging.network_input import STRETCH
from rtsod.masking.refresh import InPlaceRefresher
from rtsod.masking.roi_masker import FULL_FRAME_REFRESH_SECONDS, SCENE_CHANGE_REFRESH_SECONDS, RoiMasker
from rtsod.metrics import Metrics, Work

WHOLE, PART = 80, 32
FPS = 30
ROOM = 60


def see_white(image: Image) -> Alpha:
    """What is brighter than grey is subject: the same whether the whole frame is seen or a part."""
    return np.asarray((image[..., 0] > 200).astype(np.float32))


class Counting(ConstantEngine):
    """Sees, and keeps what it was shown."""

    def __init__(self, size: int, see: Callable[[Image], Alpha] = see_white, fitting: Fitting = STRETCH) -> None:
        super().__init__(size, self._look)
        self._info = replace(self._info, fitting=fitting)
        self.see = see
        self.shown: list[Image] = []

    def _look(self, image: Image) -> Alpha:
        self.shown.append(image)
        return self.see(image)


class Scene:
    """Frames with white subjects in a grey room, and a masker for them."""

    def __init__(self, fitting: Fitting = STRETCH) -> None:
        self.whole, self.part = Counting(WHOLE, fitting=fitting), Counting(PART, fitting=fitting)
        self.metrics = Metrics()
        refresher = InPlaceRefresher(lambda: self.whole, self.metrics)
        self.masker = RoiMasker(WHOLE, self.part, refresher, self.metrics)
        self.index = 0

    def frame(self, *subjects: tuple[int, int, int, int], noise: int = 0, light: int = 0) -> Frame:
        image = np.full((240, 320, 3), ROOM + light, np.uint8)
        for left, top, right, bottom in subjects:
            image[top:bottom, left:right] = 250
        if noise:
            rough = np.random.default_rng(self.index).integers(-noise, noise + 1, image.shape)
            image = np.clip(image + rough, 0, 255).astype(np.uint8)
        self.index += 1
        return Frame(image, self.index - 1, (self.index - 1) / FPS)

    def mask(self, *subjects: tuple[int, int, int, int], noise: int = 0, light: int = 0) -> Mask:
        mask = self.masker.mask(self.frame(*subjects, noise=noise, light=light))
        self.masker.run_deferred()
        return mask

    def refreshes(self, masks: Iterable[object]) -> int:
        """Count the full-frame refreshes while these masks are made."""
        before = len(self.whole.shown)
        for _ in masks:
            pass
        return len(self.whole.shown) - before


HERE = (120, 60, 220, 200)
THERE = (10, 20, 50, 60)


def overlap(mask: Mask, *subjects: tuple[int, int, int, int]) -> float:
    truth = np.zeros((240, 320), np.float32)
    for left, top, right, bottom in subjects:
        truth[top:bottom, left:right] = 1
    expected = cv2.resize(truth, (WHOLE, WHOLE), interpolation=cv2.INTER_AREA) > 0.5
    found = mask.alpha > 0.5
    union = np.count_nonzero(expected | found)
    return 1.0 if union == 0 else np.count_nonzero(expected & found) / union


def test_the_first_mask_needs_the_full_frame_then_the_roi_is_enough() -> None:
    scene = Scene()
    masks = [scene.mask(HERE) for _ in range(10)]
    assert len(scene.whole.shown) == 1
    assert len(scene.part.shown) == 9
    assert all(mask.alpha.shape == (WHOLE, WHOLE) for mask in masks)
    assert all(overlap(mask, HERE) > 0.93 for mask in masks)
    assert [mask.frame_index for mask in masks] == list(range(10))


def test_the_full_frame_is_refreshed_on_schedule() -> None:
    scene = Scene()
    looks = scene.refreshes(scene.mask(HERE) for _ in range(10 * FPS))
    assert looks == pytest.approx(10 / FULL_FRAME_REFRESH_SECONDS, abs=2)
    assert scene.metrics.snapshot()["work"][Work.FULL_FRAME_REFRESHES] == looks - 1


def test_no_frame_waits_for_a_scheduled_refresh() -> None:
    scene = Scene()
    for _ in range(round(FULL_FRAME_REFRESH_SECONDS * FPS) + 1):
        before = len(scene.whole.shown)
        scene.masker.mask(scene.frame(HERE))
        during = len(scene.whole.shown) - before
        scene.masker.run_deferred()
    assert during == 0
    assert len(scene.whole.shown) == 2


def test_a_person_who_enters_elsewhere_is_soon_found() -> None:
    scene = Scene()
    for _ in range(5):
        scene.mask(HERE)
    coming = [overlap(scene.mask(HERE, THERE), HERE, THERE) for _ in range(8)]
    assert coming[0] < 0.93
    assert coming[-1] > 0.93
    assert coming[round(SCENE_CHANGE_REFRESH_SECONDS * FPS)] > 0.93


def test_noise_and_brightness_cause_no_refresh() -> None:
    scene = Scene()
    for _ in range(3):
        scene.mask(HERE, noise=25)
    assert scene.refreshes(scene.mask(HERE, noise=25, light=20) for _ in range(10)) == 0


def test_a_jump_is_refreshed_at_once() -> None:
    scene = Scene()
    for _ in range(3):
        scene.mask(HERE)
    assert overlap(scene.mask(THERE), THERE) > 0.93
    assert overlap(scene.mask(HERE), HERE) > 0.93


def test_an_empty_room_is_inferred_at_the_small_size_until_somebody_comes() -> None:
    scene = Scene()
    assert scene.refreshes(scene.mask() for _ in range(10)) == 1
    assert overlap(scene.mask(THERE), THERE) > 0.93
    assert not scene.mask().alpha.any()


def test_a_walk_is_followed_without_additional_refreshes() -> None:
    scene = Scene()
    scene.mask((20, 60, 100, 200))
    walk = [(20 + step, 60, 100 + step, 200) for step in range(0, 180, 4)]
    overlaps = [overlap(scene.mask(place), place) for place in walk]
    assert min(overlaps) > 0.9
    assert len(scene.whole.shown) <= 3 + len(walk) / FPS / SCENE_CHANGE_REFRESH_SECONDS


@pytest.mark.parametrize("bad", [np.nan, 1.5])
def test_after_an_invalid_map_the_next_mask_is_made_from_the_full_frame(bad: float) -> None:
    scene = Scene()
    for _ in range(3):
        scene.mask(HERE)
    scene.part.see = lambda image: np.full((PART, PART), bad, np.float32)
    with pytest.raises(MaskError):
        scene.mask(HERE)
    before = len(scene.whole.shown)
    assert overlap(scene.mask(HERE), HERE) > 0.93
    assert len(scene.whole.shown) == before + 1


def test_an_invalid_refresh_does_not_lose_the_mask() -> None:
    scene = Scene()
    for _ in range(round(FULL_FRAME_REFRESH_SECONDS * FPS)):
        scene.mask(HERE)
    scene.whole.see = lambda image: np.full((WHOLE, WHOLE), np.nan, np.float32)
    assert overlap(scene.mask(HERE), HERE) > 0.93
    with pytest.raises(MaskError):
        scene.mask(HERE)
    scene.whole.see = see_white
    assert overlap(scene.mask(HERE), HERE) > 0.93


PLACES = st.tuples(st.integers(0, 200), st.integers(0, 140)).map(lambda at: (*at, at[0] + 100, at[1] + 90))


@settings(max_examples=30)
@given(st.lists(st.lists(PLACES, max_size=2), min_size=1, max_size=12))
def test_a_mask_shows_only_what_its_own_frame_contains(rooms: list[list[tuple[int, int, int, int]]]) -> None:
    """Whatever came before: where this very frame holds no subject, nor its neighbouring cells, nothing is shown."""
    scene = Scene()
    for subjects in rooms:
        frame = scene.frame(*subjects)
        mask = scene.masker.mask(frame)
        scene.masker.run_deferred()
        there = (frame.image[..., 0] > 200).astype(np.uint8)
        near = cv2.dilate(there, np.ones((25, 25), np.uint8))
        near = cv2.resize(near, (WHOLE, WHOLE), interpolation=cv2.INTER_AREA)
        assert not mask.alpha[near == 0].any()
        assert mask.captured_at == frame.captured_at


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_the_region_obeys_the_fit_of_the_weights(fit: Fit) -> None:
    scene = Scene(Fitting(fit, (ROOM, ROOM, ROOM)))
    inside = (130, 60, 200, 200)
    for _ in range(4):
        mask = scene.mask(inside)
    assert len(scene.part.shown) >= 2, "the region was looked at"
    assert overlap(mask, inside) > 0.85
    region = scene.part.shown[-1]
    white = (region[..., 0] > 200).any(axis=0).sum(), (region[..., 0] > 200).any(axis=1).sum()
    if fit != "stretch":
        assert white[0] / white[1] == pytest.approx(70 / 140, rel=0.15), "the subject keeps its shape"


def test_the_region_shows_nothing_beside_a_crop() -> None:
    scene = Scene(Fitting("crop", (ROOM, ROOM, ROOM)))
    half_out = (180, 60, 310, 200)  # the central square ends at 280 of 320
    for _ in range(6):
        mask = scene.mask(half_out)
        assert not mask.alpha[:, round(280 / 320 * WHOLE) :].any()
    assert len(scene.part.shown) >= 2
    assert mask.alpha[WHOLE // 2, round(200 / 320 * WHOLE) : round(270 / 320 * WHOLE)].all()
