"""Stabilized masks: all stages together, on a room that is learnt and people who come and go."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.motion.stabilize import MaskStabilizer
from tests.motion.drawings import FPS, SIZE, disc, room, with_discs

NOTHING = np.zeros((SIZE, SIZE), np.float32)


class Watched:
    """A room that a stabilizer sees ten times per second, and what is shown of it."""

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
    assert watched.shows(shelf, room()).max() > 0.9, "nothing is known yet: the shelf may be the subject"
    assert watched.shows(person, with_discs((50, 200)), 6)[80, 50] == 1
    assert watched.shows(shelf, room()).max() < 0.05
    assert watched.shows(shelf, room(), 30).max() == 0, "however long the network insists"
    assert watched.shows(person, with_discs((50, 200)))[80, 50] == 1, "back again at once"


def test_what_comes_in_front_of_a_known_room_is_shown_at_once() -> None:
    watched = Watched()
    watched.shows(NOTHING, room(), 3)
    assert watched.shows(disc(80), with_discs((80, 200)))[80, 80] == 1


def test_somebody_whom_the_network_loses_for_a_while_is_not_learnt_as_background() -> None:
    watched, there = Watched(), with_discs((80, 200))
    watched.shows(disc(80), there, 2)
    assert watched.shows(NOTHING, there, 4).max() < 0.05
    assert watched.shows(disc(80), there, 2)[80, 80] > 0.9


def test_somebody_learnt_as_background_by_mistake_is_shown_again_once_they_move() -> None:
    watched, there = Watched(), with_discs((80, 200))
    watched.shows(NOTHING, there, 6)
    assert watched.shows(disc(80), there, 2).max() < 0.05, "where it stood all the time"
    for x in range(80, 120, 4):
        watched.shows(disc(x), with_discs((x, 200)))
    assert watched.shows(disc(116), with_discs((116, 200)), 2)[80, 116] > 0.9


@pytest.mark.parametrize("subject_lock", [False, True])
def test_a_stabilized_mask_stays_with_its_own_frame(subject_lock: bool) -> None:
    stabilizer = MaskStabilizer(subject_lock=subject_lock)
    for index in range(4):
        masked = MaskedFrame(Frame(room(), index, index / FPS), Mask(disc(60 + index), index, index / FPS))
        stabilized = stabilizer.stabilize(masked)
        assert stabilized.frame is masked.frame
        assert stabilized.alpha.max() > 0.99
    shrunk = MaskedFrame(Frame(room()[:100], 9, 1.0), Mask(disc(30, 30, 12, size=64), 9, 1.0))
    assert stabilizer.stabilize(shrunk).alpha.shape == (64, 64), "the camera and the network may change their sizes"


def test_the_subject_lock_is_an_option() -> None:
    def shown(*, subject_lock: bool) -> Alpha:
        stabilizer = MaskStabilizer(subject_lock=subject_lock)
        alpha, image = np.maximum(disc(45), disc(125, radius=20)), with_discs((45, 200), (125, 30))
        return stabilizer.stabilize(MaskedFrame(Frame(image, 0, 0.0), Mask(alpha, 0, 0.0))).alpha

    assert shown(subject_lock=False)[80, 125] == 1
    assert shown(subject_lock=True)[80, 125] == 0
    assert shown(subject_lock=True)[80, 45] == 1
