"""The background model: what it learns, what it forgets, and what it makes of new light."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Alpha, Image
from rtsod.motion.background_model import BackgroundMatch, BackgroundModel
from rtsod.motion.flow import DownscaledFrame, downscale_frame
from tests.motion.drawings import SIZE, disc, room, small_with_discs, with_discs

NOTHING = np.zeros((SIZE, SIZE), np.float32)
CENTRE = (60, 80)
"""Where a disc at column 80 of a mask lies in the downscaled frame."""


class Watched:
    """A model that sees a room ten times per second."""

    def __init__(self) -> None:
        self.model, self.time = BackgroundModel(), 0.0

    def sees(self, image: Image, alpha: Alpha, seconds: float, *, shown: Alpha | None = None) -> BackgroundMatch:
        """Show it the same frame for some seconds; what it knows of that frame afterwards."""
        picture = downscale_frame(image)
        for _ in range(round(10 * seconds)):
            match = self.model.match(picture)
            self.model.update(match, alpha, alpha if shown is None else shown, picture, self.time)
            self.time += 0.1
        return self.model.match(picture)


@pytest.mark.parametrize(("seconds", "learnt"), [(1.9, False), (2.2, True)])
def test_a_room_is_learnt_after_two_static_seconds(seconds: float, learnt: bool) -> None:
    match = Watched().sees(room(), NOTHING, seconds)
    assert match.background.all() == match.background.any() == learnt
    assert not match.covered.any()


@pytest.mark.parametrize(("seconds", "learnt"), [(4.8, False), (5.2, True)])
def test_where_a_subject_was_it_takes_five_seconds(seconds: float, learnt: bool) -> None:
    watched, picture = Watched(), with_discs((80, 200))
    watched.sees(picture, disc(80), 3)
    assert watched.sees(picture, NOTHING, seconds).background[CENTRE] == learnt


def test_a_picture_that_moves_is_not_learnt() -> None:
    watched = Watched()
    for index in range(60):
        watched.sees(np.roll(room(), 3 * index, axis=0), NOTHING, 0.1)
    assert watched.model.match(downscale_frame(room())).background.mean() < 0.5


def test_what_is_shown_for_a_second_in_spite_of_the_model_is_forgotten() -> None:
    watched = Watched()
    watched.sees(with_discs((80, 200)), NOTHING, 6)
    assert watched.sees(with_discs((80, 200)), disc(80), 0.8, shown=disc(80)).background[CENTRE]
    assert not watched.sees(with_discs((80, 200)), disc(80), 0.4, shown=disc(80)).background[CENTRE]


def test_it_starts_again_when_time_goes_back() -> None:
    watched = Watched()
    assert watched.sees(room(), NOTHING, 3).background.all()
    watched.time = 0.0
    assert not watched.sees(room(), NOTHING, 0.1).background.any()


def test_new_light_does_not_count_as_somebody_who_has_come() -> None:
    watched = Watched()
    assert watched.sees(room(), NOTHING, 4).background.all()
    brighter: DownscaledFrame = downscale_frame(np.minimum(room() + np.uint8(60), np.uint8(255)))
    assert not watched.model.match(brighter).background.any()
    assert not watched.model.match(brighter).covered.any()
    covered = watched.model.match(small_with_discs((80, 250))).covered
    assert covered[CENTRE]
    assert covered.mean() < 0.3
