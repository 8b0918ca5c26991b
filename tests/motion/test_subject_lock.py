"""The subject lock: who is named the subject, what is hidden, what comes back, and when it starts again."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.motion import subject_lock
from rtsod.motion.flow import HEIGHT, WIDTH, downscale_frame
from rtsod.motion.subject_lock import Components, Division, Region, SubjectLock
from tests.motion.drawings import FPS, SIZE, disc, noise, room, small_with_discs, with_discs

NOTHING: Final = np.zeros((SIZE, SIZE), np.float32)


def box(top: int, bottom: int, left: int, right: int) -> NDArray[np.bool_]:
    """A rectangle of the downscaled frame."""
    region = np.zeros((HEIGHT, WIDTH), np.bool_)
    region[top:bottom, left:right] = True
    return region


class Clock:
    """Drives a lock at 30 frames per second, on one picture at a time."""

    def __init__(self) -> None:
        self.lock, self.index = SubjectLock(), 0

    def shows(self, alpha: Alpha, image: Image, seconds: float = 1 / FPS) -> Alpha:
        """Show the lock the same mask for some time; the last result."""
        for _ in range(max(1, round(seconds * FPS))):
            shown = self.lock.apply(alpha, downscale_frame(image), self.index / FPS)
            self.index += 1
        return shown


# ------------------------------------------------------------------------------ who is the subject


def test_the_largest_component_becomes_the_subject() -> None:
    shown = SubjectLock().apply(np.maximum(disc(40), disc(120, radius=20)), downscale_frame(room()), 0.0)
    assert shown[80, 40] == 1
    assert shown[80, 120] == 0


def test_a_mask_without_others_is_returned_as_it_is() -> None:
    lock, alone = SubjectLock(), disc(60)
    assert lock.apply(alone, small_with_discs((60, 200)), 0.0) is alone
    assert lock.apply(NOTHING, small_with_discs((60, 200)), 0.1) is NOTHING


def test_nothing_is_ever_added() -> None:
    random, lock = np.random.default_rng(3), SubjectLock()
    for index in range(30):
        alpha = random.random((40, 40), np.float32)
        shown = lock.apply(alpha, downscale_frame(noise(index // 5)), index / FPS)
        assert shown.dtype == np.float32
        assert (shown <= alpha).all()
        assert (shown >= 0).all()


def test_whatever_joins_within_the_first_second_is_part_of_the_subject() -> None:
    """A subject that comes in from the side is seen bit by bit."""
    clock, whole, image = Clock(), disc(60, radius=40), with_discs((60, 200))
    clock.shows((whole * (np.arange(SIZE) < 40)).astype(np.float32), image, 0.5)
    assert np.abs(clock.shows(whole, image, 0.3) - whole).max() < 1e-6


def test_the_subject_is_followed_where_it_goes() -> None:
    lock = SubjectLock()
    for index in range(30):
        x = 40 + 2.0 * index
        shown = lock.apply(
            np.maximum(disc(x, y=60), disc(140, y=130, radius=15)), small_with_discs((x, 200)), index / FPS
        )
        assert shown[60, int(x)] == 1
        assert shown[130, 140] == 0


def test_a_subject_that_is_gone_is_given_up_after_a_second() -> None:
    lock, picture = SubjectLock(), small_with_discs((40, 200), (120, 30))
    lock.apply(np.maximum(disc(40), disc(120, radius=20)), picture, 0.0)
    alone = disc(120, radius=20)
    assert lock.apply(alone, picture, 0.5).max() == 0
    assert lock.apply(alone, picture, 1.6).max() == 1


def test_it_starts_again_when_time_goes_back() -> None:
    lock, picture = SubjectLock(), small_with_discs((40, 200), (120, 30))
    lock.apply(np.maximum(disc(40), disc(120, radius=20)), picture, 10.0)
    assert lock.apply(disc(120, radius=20), picture, 0.0).max() == 1


# ------------------------------------------------------------------------------ what is hidden


@pytest.mark.parametrize("mask_interval", [1, 4])
def test_somebody_who_walks_past_behind_is_hidden(mask_interval: int) -> None:
    lock, first = SubjectLock(), disc(80)
    for index in range(0, 60, mask_interval):
        x = -30 + 4.0 * index  # comes in, goes behind the subject, comes out on the other side
        other = disc(x, radius=26)
        shown = lock.apply(np.maximum(first, other), small_with_discs((80, 200), (x, 30)), index / FPS)
        beyond = (other > 0.5) & (disc(80, radius=36) == 0)
        assert shown[beyond].sum() < 0.02 * (first > 0.5).sum(), index
        assert shown[disc(80, radius=27) == 1].mean() > 0.97, index


def test_somebody_first_seen_in_one_piece_with_the_subject_is_hidden() -> None:
    lock, first = SubjectLock(), disc(60)
    for index in range(60):
        other = disc(105, radius=25) if index >= 40 else NOTHING
        shown = lock.apply(np.maximum(first, other), small_with_discs((60, 200), (105, 30)), index / FPS)
    assert shown[80, 112:].max() < 0.05
    assert shown[disc(60, radius=27) == 1].mean() > 0.97


def test_somebody_who_appears_bit_by_bit_is_hidden() -> None:
    lock, first = SubjectLock(), disc(60)
    picture = small_with_discs((60, 200), (105, 30))
    for index in range(80):
        other = disc(105, radius=25) * (np.arange(SIZE) < 84 + 2 * max(0, index - 40))
        shown = lock.apply(np.maximum(first, other).astype(np.float32), picture, index / FPS)
    assert shown[80, 112:].max() < 0.05
    assert shown[disc(60, radius=27) == 1].mean() > 0.97


# ------------------------------------------------------------------------------ what comes back


def test_a_hand_that_the_network_had_missed_is_shown() -> None:
    lock, first, hand = SubjectLock(), disc(60), disc(92, radius=8)
    for index in range(60):
        seen = np.maximum(first, hand) if index >= 40 else first
        shown = lock.apply(seen, small_with_discs((60, 200), (92, 180)), index / FPS)
    assert np.abs(shown - np.maximum(first, hand)).max() < 1e-6


def test_what_was_taken_from_the_subject_beside_somebody_is_given_back() -> None:
    lock, first, hand = SubjectLock(), disc(60), disc(30, radius=8)
    shown_hand = []
    for index in range(90):
        x = 145 - index  # comes up to the subject
        seen = np.maximum(first, disc(x, radius=25) if index < 40 else hand)
        picture = small_with_discs((30, 160), (60, 200)) if index >= 40 else small_with_discs((60, 200), (x, 30))
        shown_hand.append(lock.apply(seen, picture, index / FPS)[80, 26] > 0.9)
    assert not shown_hand[40], "it appears where somebody was"
    assert all(shown_hand[60:]), "within a second, although somebody may still come out"


# ------------------------------------------------------------------------------ its parts


def test_components_are_numbered_measured_and_selected() -> None:
    components = Components.of(box(10, 20, 10, 20) | box(10, 20, 30, 34) | box(20, 22, 20, 22))
    assert components.area.tolist() == [0, 100, 40, 4], "what touches at a corner only is apart"
    assert components.overlapping(box(0, 12, 0, 32)).tolist() == [True, True, True, False]
    assert components.pixels_in(box(0, 12, 0, 32)).tolist()[1:] == [20, 4, 0]
    chosen = np.array([False, False, True, False])
    assert (components.region(chosen) == box(10, 20, 30, 34)).all()
    seconds = np.zeros((HEIGHT, WIDTH), np.float32)
    seconds[10:15, 10:20] = 2.0
    assert components.mean(seconds).tolist() == [0, 1, 0, 0]
    assert Components.of(box(0, 0, 0, 0)).area.tolist() == [0]


def test_a_division_never_holds_a_pixel_twice() -> None:
    division = Division(box(0, 50, 0, 50), box(0, 50, 60, 90))
    given = division.give_to_subject(box(0, 10, 0, 160))
    assert (given.subject == (division.subject | box(0, 10, 60, 90))).all()
    assert not (given.subject & given.others).any()
    assert ((given.subject | given.others) == (division.subject | division.others)).all()
    back = given.give_to_others(box(0, 10, 0, 160))
    assert (back.others == (division.others | box(0, 10, 0, 50))).all()
    assert not (back.subject & back.others).any()


def test_others_that_the_subject_encloses_become_part_of_it() -> None:
    hole = box(40, 60, 60, 80)
    division = subject_lock._restore_order(Division(box(20, 100, 40, 120) & ~hole, hole))
    assert (division.subject == box(20, 100, 40, 120)).all()
    assert not division.others.any()


def test_a_thin_seam_of_others_along_the_subject_becomes_part_of_it() -> None:
    seam = box(20, 100, 120, 122)
    division = subject_lock._restore_order(Division(box(20, 100, 40, 120), seam))
    assert division.subject[50, 121]
    wide = box(20, 100, 120, 126)
    assert (subject_lock._restore_order(Division(box(20, 100, 40, 120), wide)).others == wide).all()


def test_components_of_the_subject_among_the_others_become_theirs() -> None:
    stray, apart = box(60, 70, 110, 115), box(0, 10, 0, 10)
    subject, others = box(20, 100, 10, 60) | stray | apart, box(20, 100, 115, 150)
    division = subject_lock._restore_order(Division(subject, others))
    assert (division.others == (others | stray)).all()
    assert (division.subject == (box(20, 100, 10, 60) | apart)).all(), "what touches nobody stays the subject's"


def test_thin_others_that_do_not_touch_the_subject_stay_others() -> None:
    away = box(20, 100, 130, 132)
    assert (subject_lock._restore_order(Division(box(20, 100, 40, 120), away)).others == away).all()


@pytest.mark.parametrize(("left", "height", "expected"), [(62, 17, True), (65, 17, False), (62, 15, False)])
def test_a_person_is_adjacent_if_near_and_large(left: int, height: int, expected: bool) -> None:
    """The subject has 4000 pixels, 4 % of which are 160; three pixels to each side are adjacent."""
    division = Division(box(20, 100, 10, 60), box(20, 20 + height, left, left + 10))
    assert subject_lock._has_person_adjacent(division) is expected


# ------------------------------------------------------------------------------ newcomers

SUBJECT: Final = box(10, 110, 10, 60)
"""5000 pixels."""
NOBODY: Final = box(0, 0, 0, 0)


def locked(*, started: float = 10.0, person_adjacent: float = np.inf) -> SubjectLock:
    """A lock at time 0 that started, and last saw another person at the subject, the given seconds ago."""
    lock = SubjectLock()
    lock._started_at, lock._person_adjacent_at = -started, -person_adjacent
    return lock


@pytest.mark.parametrize(
    ("newcomer", "foreign"),
    [
        (box(50, 60, 60, 90), False),  # 6 % of the subject
        (box(50, 61, 60, 90), True),  # more than 6 %
        (box(20, 100, 60, 70), False),  # more than 6 %, but only ten pixels far
        (box(20, 100, 60, 72), True),  # more than 6 % and farther
        (box(50, 54, 64, 70), True),  # small, but not at the subject
    ],
)
def test_a_newcomer_is_foreign_if_too_large_and_too_far_or_apart(newcomer: Region, foreign: bool) -> None:
    found = locked()._foreign(newcomer, Division(SUBJECT, NOBODY), 0.0)
    assert (found == (newcomer if foreign else NOBODY)).all()


@pytest.mark.parametrize(
    ("seconds", "newcomer", "foreign"),
    [
        (2.9, box(50, 53, 60, 64), True),  # 12 pixels
        (2.9, box(50, 61, 60, 61), False),  # 11 pixels: a speck
        (3.1, box(50, 53, 60, 64), False),
    ],
)
def test_while_a_person_is_expected_anything_but_a_speck_is_foreign(
    seconds: float, newcomer: Region, foreign: bool
) -> None:
    found = locked(person_adjacent=seconds)._foreign(newcomer, Division(SUBJECT, NOBODY), 0.0)
    assert (found == (newcomer if foreign else NOBODY)).all()


def test_while_a_person_is_expected_even_a_speck_at_them_is_foreign() -> None:
    speck, person = box(50, 52, 60, 62), box(40, 60, 64, 90)
    assert (locked(person_adjacent=1.0)._foreign(speck, Division(SUBJECT, person), 0.0) == speck).all()


@pytest.mark.parametrize(("started", "foreign"), [(0.9, False), (1.1, True)])
def test_within_the_first_second_no_newcomer_is_too_much(started: float, foreign: bool) -> None:
    newcomer = box(20, 100, 60, 120)
    found = locked(started=started)._foreign(newcomer, Division(SUBJECT, NOBODY), 0.0)
    assert (found == (newcomer if foreign else NOBODY)).all()


def test_between_the_subject_and_others_each_pixel_goes_to_the_nearer() -> None:
    between, person = box(40, 60, 60, 70), box(40, 60, 70, 100)
    found = locked(started=0.5)._foreign(between, Division(SUBJECT, person), 0.0)
    assert not found[50, 60:65].any()
    assert found[50, 66:70].all()


def test_what_has_joined_is_on_probation_for_a_second() -> None:
    """Two hands of 4 % each: both within a second are too much, one after the other are not."""
    hand, second_hand = box(50, 60, 60, 80), box(60, 70, 60, 80)
    for elapsed, together in ((0.9, True), (1.1, False)):
        lock = locked()
        division = lock._judge_newcomers(SUBJECT | hand, Division(SUBJECT, NOBODY), np.float32(0), 0.0)
        assert (division.subject == (SUBJECT | hand)).all()
        solid = SUBJECT | hand | second_hand
        division = lock._judge_newcomers(solid, division, np.float32(elapsed), elapsed)
        assert (division.others == ((hand | second_hand) if together else NOBODY)).all()


# ------------------------------------------------------------------------------ fragments and memory


@pytest.mark.parametrize(("fragment", "returned"), [(box(50, 60, 60, 84), True), (box(50, 60, 60, 86), False)])
def test_a_fragment_below_5_percent_is_returned_after_six_tenths_of_a_second(fragment: Region, returned: bool) -> None:
    lock, division = locked(), Division(SUBJECT, fragment)
    for _ in range(2):
        assert (lock._return_fragments(division, np.float32(0.25)).others == fragment).all()
    after = lock._return_fragments(division, np.float32(0.25))
    assert (after.others == (NOBODY if returned else fragment)).all()


def test_faint_pixels_are_neither_the_subjects_nor_others() -> None:
    lock, alpha = SubjectLock(), np.maximum(disc(60), disc(130, radius=15) * np.float32(0.4))
    assert lock.apply(alpha, downscale_frame(room()), 0.0) is alpha


def test_labels_are_lost_where_the_flow_is_not_believable() -> None:
    lock = SubjectLock()
    lock.apply(disc(60), downscale_frame(noise(1)), 0.0)
    assert lock._labels[..., 0].max() == 1
    lock.apply(NOTHING, downscale_frame(noise(2)), 0.1)
    assert lock._labels[..., 0].mean() < 0.02


def test_a_new_start_forgets_everything() -> None:
    lock = locked(person_adjacent=0.5)
    lock._labels[:], lock._probation_left[:] = 1, 1
    lock._fragment_for[:] = 1
    lock.apply(NOTHING, downscale_frame(room()), 5.0)
    assert lock._person_adjacent_at == -np.inf
    assert lock._started_at == 5.0
    assert not lock._labels.any()
    assert not lock._probation_left.any()
    assert not lock._fragment_for.any()
