"""Steadied masks: still where the picture is, at once where it moves; subjects only, and on request only the first."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.motion.background_model import Ground, Known
from rtsod.motion.flow import HEIGHT, WIDTH, small
from rtsod.motion.presence import Presence
from rtsod.motion.smooth import Smoother
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.motion.subject_lock import SubjectLock

SIZE = 160
FPS = 30


def noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)


def disc(x: float, y: float = 80, radius: float = 30, size: int = SIZE) -> Alpha:
    """A subject as the network sees one: sure within, soft at the rim."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return np.asarray(np.clip((radius - np.hypot(columns - x, rows - y)) / 3 + 0.5, 0, 1), np.float32)


def room() -> Image:
    rows, columns = np.mgrid[:240, :320]
    return np.dstack([(rows // 12 % 2) * 20 + 90, (columns // 16 % 2) * 20 + 100, rows // 4 + 100]).astype(np.uint8)


def with_discs(*places: tuple[float, int]) -> Image:
    """The room with discs in it at these columns, of these greys; the first stands before the others."""
    image = room()
    for x, grey in reversed(places):
        inside = cv2.resize(disc(x), (320, 240)) > 0.5
        stripes = (np.arange(240)[:, None] // 10 % 2 * 30 + grey).astype(np.uint8)
        image[inside] = np.broadcast_to(stripes[..., None], image.shape)[inside]
    return image


# ------------------------------------------------------------------------------ smoothing


def test_a_wavering_mask_on_a_still_picture_holds_still() -> None:
    picture, smoother = small(noise(1)), Smoother()
    random = np.random.default_rng(0)
    raw = [np.clip(disc(80) + random.normal(0, 0.05, (SIZE, SIZE)), 0, 1).astype(np.float32) for _ in range(40)]
    shown = [smoother.smooth(alpha, picture, index / FPS) for index, alpha in enumerate(raw)]
    assert np.abs(np.diff(shown, axis=0)).mean() < 0.15 * np.abs(np.diff(raw, axis=0)).mean()


def test_where_the_picture_moves_the_mask_is_followed_at_once() -> None:
    smoother = Smoother()
    smoother.smooth(disc(40), small(noise(1)), 0)
    assert (smoother.smooth(disc(120), small(noise(2)), 1 / FPS) == disc(120)).all()


def test_still_and_moving_parts_are_told_apart() -> None:
    before, after = noise(1), noise(1)
    after[:, 160:] = noise(2)[:, 160:]
    smoother = Smoother()
    smoother.smooth(np.ones((SIZE, SIZE), np.float32), small(before), 0)
    shown = smoother.smooth(np.full((SIZE, SIZE), 0.4, np.float32), small(after), 1 / FPS)
    assert shown[:, :70].min() > 0.9
    assert shown[:, 85:].max() == np.float32(0.4)


def test_what_is_plainly_gone_goes_at_once_however_still_it_stands() -> None:
    picture, smoother = small(noise(1)), Smoother()
    smoother.smooth(np.ones((SIZE, SIZE), np.float32), picture, 0)
    assert smoother.smooth(disc(40), picture, 1 / FPS)[disc(40) == 0].max() == 0


def test_a_change_that_lasts_is_followed_in_the_end() -> None:
    picture, smoother = small(noise(1)), Smoother()
    smoother.smooth(disc(40), picture, 0)
    for index in range(1, 3 * FPS):
        shown = smoother.smooth(disc(120), picture, index / FPS)
    assert np.abs(shown - disc(120)).max() < 0.01


def test_slow_motion_adds_up_and_leaves_nothing_behind() -> None:
    """A quarter of a pixel a frame: below what counts as motion from frame to frame, not below what counts in sum."""
    smoother, worst = Smoother(), 0.0
    for index in range(120):
        x = 50 + index / 4
        shown = smoother.smooth(disc(x), small(with_discs((x, 200))), index / FPS)
        worst = max(worst, float(np.abs(shown - disc(x)).mean()))
    assert worst < 0.5 * float(np.abs(disc(50) - disc(53)).mean()), "less than three pixels of lag, at any moment"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**16), st.floats(0, 2)), min_size=1, max_size=8))
def test_what_is_shown_lies_between_what_was_shown_and_what_is_said(steps: list[tuple[int, int, float]]) -> None:
    smoother, at, before = Smoother(), 0.0, None
    for picture, seed, later in steps:
        at += later
        alpha = np.random.default_rng(seed).random((24, 24), np.float32)
        shown = smoother.smooth(alpha, small(noise(picture)), at)
        if before is not None:
            assert (shown >= np.minimum(before, alpha) - 1e-5).all()
            assert (shown <= np.maximum(before, alpha) + 1e-5).all()
        before = shown.copy()


# ------------------------------------------------------------------------------ presence


NOTHING: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = np.zeros((HEIGHT, WIDTH), np.bool_)
UNKNOWN = Known(NOTHING, NOTHING)


def doubt(level: float = 0.5) -> Alpha:
    """Furniture: half sure all over, sure in specks."""
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[20:140, 100:150] = level
    alpha[30:130:8, 104:146:8] = 0.95
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 1.0), np.float32)


def test_an_empty_room_stays_background_and_a_subject_passes_as_it_is() -> None:
    presence = Presence()
    assert presence.gate(doubt(), UNKNOWN).max() == 0
    assert presence.gate(np.zeros((SIZE, SIZE), np.float32), UNKNOWN).max() == 0
    assert np.abs(presence.gate(disc(50), UNKNOWN) - disc(50)).max() < 1e-6
    assert presence.gate(doubt(), UNKNOWN).max() == 0, "gone with the first mask without it"


def test_half_transparent_furniture_is_not_shown_beside_a_subject() -> None:
    shown = Presence().gate(np.maximum(disc(40), doubt()), UNKNOWN)
    assert shown[:, 100:].max() == 0
    assert np.abs(shown - disc(40))[:, :85].max() < 1e-6


def test_doubt_about_a_part_of_the_subject_is_kept() -> None:
    mug = disc(78, radius=8) * np.float32(0.4)
    person = disc(45)
    assert Presence().gate(np.maximum(person, mug), UNKNOWN)[80, 78] == pytest.approx(0.4)


def test_a_subject_that_was_shown_is_judged_more_mildly() -> None:
    faint = np.maximum(disc(60), disc(60, radius=36) * np.float32(0.5))  # a broad doubtful rim
    fresh = Presence()
    assert fresh.gate(faint, UNKNOWN).max() == 0
    known = Presence()
    known.gate(disc(60), UNKNOWN)
    assert known.gate(faint, UNKNOWN).max() > 0.9


@pytest.mark.parametrize("size", [1, 5, 64, 321])
def test_maps_of_any_size_are_judged(size: int) -> None:
    assert Presence().gate(np.ones((size, size), np.float32), UNKNOWN).shape == (size, size)


def test_what_looks_as_the_room_does_is_not_let_in_and_what_covers_it_is_judged_mildly() -> None:
    everywhere = ~NOTHING
    shelf = disc(100)
    assert Presence().gate(shelf, Known(everywhere, NOTHING)).max() == 0
    half_sure = np.maximum(disc(60), disc(60, radius=40) * np.float32(0.5))
    assert Presence().gate(half_sure, UNKNOWN).max() == 0
    assert Presence().gate(half_sure, Known(NOTHING, everywhere)).max() > 0.9


# ------------------------------------------------------------------------------ ground


class Watched:
    """A room that a steadier sees ten times a second, and what is shown of it."""

    def __init__(self) -> None:
        self.stabilizer, self.index = MaskStabilizer(), 0

    def shows(self, alpha: Alpha, image: Image, seconds: float = 0.1) -> Alpha:
        for _ in range(round(10 * seconds)):
            frame = Frame(image, self.index, self.index / 10)
            shown = self.stabilizer.stabilize(MaskedFrame(frame, Mask(alpha, self.index, self.index / 10)))
            self.index += 1
        return shown.alpha


def test_a_room_that_was_background_stays_so_when_the_subject_has_gone() -> None:
    watched, shelf, person = Watched(), disc(120, radius=25), disc(50)
    assert watched.shows(shelf, room()).max() > 0.9, "nothing is known yet: it may be what there is to show"
    assert watched.shows(person, with_discs((50, 200)), 6)[80, 50] == 1
    assert watched.shows(shelf, room()).max() < 0.05
    assert watched.shows(shelf, room(), 30).max() == 0, "however long it is asked for"
    assert watched.shows(person, with_discs((50, 200)))[80, 50] == 1, "back again at once"


def test_what_is_put_before_a_known_room_is_shown_at_once() -> None:
    watched = Watched()
    watched.shows(np.zeros((SIZE, SIZE), np.float32), room(), 3)
    assert watched.shows(disc(80), with_discs((80, 200)))[80, 80] == 1


def test_somebody_whom_the_network_loses_for_a_while_is_not_learnt() -> None:
    watched, there = Watched(), with_discs((80, 200))
    watched.shows(disc(80), there, 2)
    assert watched.shows(np.zeros((SIZE, SIZE), np.float32), there, 4).max() < 0.05
    assert watched.shows(disc(80), there, 2)[80, 80] > 0.9


def test_what_is_thought_a_room_by_mistake_is_shown_again_once_it_moves() -> None:
    watched, there = Watched(), with_discs((80, 200))
    watched.shows(np.zeros((SIZE, SIZE), np.float32), there, 6)
    assert watched.shows(disc(80), there, 2).max() < 0.05, "it stands where it stood"
    for x in range(80, 120, 4):
        watched.shows(disc(x), with_discs((x, 200)))
    assert watched.shows(disc(116), with_discs((116, 200)), 2)[80, 116] > 0.9


def test_new_light_is_nobody_who_has_come() -> None:
    ground, nothing = Ground(), np.zeros((SIZE, SIZE), np.float32)
    for index in range(40):
        ground.learn(ground.among(small(room())), nothing, nothing, small(room()), index / 10)
    assert ground.among(small(room())).ground.all()
    brighter = ground.among(small(np.minimum(room() + np.uint8(60), np.uint8(255))))
    assert not brighter.ground.any()
    assert not brighter.covered.any()
    covered = ground.among(small(with_discs((80, 250)))).covered
    assert covered[60, 80]
    assert covered.mean() < 0.3


# ------------------------------------------------------------------------------ lock


@pytest.mark.parametrize("mask_interval", [1, 4])
def test_who_walks_past_behind_is_not_shown(mask_interval: int) -> None:
    lock, first = SubjectLock(), disc(80)
    for index in range(0, 60, mask_interval):
        x = -30 + 4.0 * index  # comes in, goes behind the subject, comes out on the other side
        other = disc(x, radius=26)
        shown = lock.keep(np.maximum(first, other), small(with_discs((80, 200), (x, 30))), index / FPS)
        beyond = (other > 0.5) & (disc(80, radius=36) == 0)
        assert shown[beyond].sum() < 0.02 * (first > 0.5).sum(), index
        assert shown[disc(80, radius=27) == 1].mean() > 0.97, index


def test_who_is_seen_only_once_at_the_subject_is_not_shown_either() -> None:
    lock, first = SubjectLock(), disc(60)
    for index in range(60):
        other = disc(105, radius=25) if index >= 40 else np.zeros_like(first)
        shown = lock.keep(np.maximum(first, other), small(with_discs((60, 200), (105, 30))), index / FPS)
    assert shown[80, 112:].max() < 0.05
    assert shown[disc(60, radius=27) == 1].mean() > 0.97


def test_who_comes_to_be_seen_bit_by_bit_is_not_shown_either() -> None:
    lock, first = SubjectLock(), disc(60)
    picture = small(with_discs((60, 200), (105, 30)))
    for index in range(80):
        other = disc(105, radius=25) * (np.arange(SIZE) < 84 + 2 * max(0, index - 40))
        shown = lock.keep(np.maximum(first, other).astype(np.float32), picture, index / FPS)
    assert shown[80, 112:].max() < 0.05
    assert shown[disc(60, radius=27) == 1].mean() > 0.97


def test_a_hand_that_the_network_had_missed_is_shown() -> None:
    lock, first, hand = SubjectLock(), disc(60), disc(92, radius=8)
    for index in range(60):
        seen = np.maximum(first, hand) if index >= 40 else first
        shown = lock.keep(seen, small(with_discs((60, 200), (92, 180))), index / FPS)
    assert np.abs(shown - np.maximum(first, hand)).max() < 1e-6


def test_what_was_taken_from_the_subject_beside_somebody_is_given_back() -> None:
    lock, first, hand = SubjectLock(), disc(60), disc(30, radius=8)
    given_back = []
    for index in range(90):
        x = 145 - index  # comes up to the subject
        seen = np.maximum(first, disc(x, radius=25) if index < 40 else hand)
        picture = with_discs((30, 180), (60, 200)) if index >= 40 else with_discs((60, 200), (x, 30))
        given_back.append(lock.keep(seen, small(picture), index / FPS)[80, 26] > 0.9)
    assert not given_back[40], "it comes where somebody was"
    assert all(given_back[60:]), "within a second, although somebody may still be about"


def test_the_subject_is_followed_where_it_goes() -> None:
    lock = SubjectLock()
    for index in range(30):
        x = 40 + 2.0 * index
        shown = lock.keep(
            np.maximum(disc(x, y=60), disc(140, y=130, radius=15)), small(with_discs((x, 200))), index / FPS
        )
        assert shown[60, int(x)] == 1
        assert shown[130, 140] == 0


def test_a_subject_that_is_gone_is_given_up_after_a_while() -> None:
    lock, picture = SubjectLock(), small(with_discs((40, 200), (120, 30)))
    lock.keep(np.maximum(disc(40), disc(120, radius=20)), picture, 0.0)
    alone = disc(120, radius=20)
    assert lock.keep(alone, picture, 0.5).max() == 0
    assert lock.keep(alone, picture, 1.6).max() == 1


# ------------------------------------------------------------------------------ all of it


@pytest.mark.parametrize("subject_lock", [False, True])
def test_a_steadied_mask_stays_its_own_frames(subject_lock: bool) -> None:
    stabilizer = MaskStabilizer(subject_lock=subject_lock)
    for index in range(4):
        masked = MaskedFrame(Frame(room(), index, index / FPS), Mask(disc(60 + index), index, index / FPS))
        steadied = stabilizer.stabilize(masked)
        assert steadied.frame is masked.frame
        assert steadied.alpha.max() > 0.99
    shrunk = MaskedFrame(Frame(room()[:100], 9, 1.0), Mask(disc(30, 30, 12, size=64), 9, 1.0))
    assert stabilizer.stabilize(shrunk).alpha.shape == (64, 64), "the camera may change its size, the network its own"
